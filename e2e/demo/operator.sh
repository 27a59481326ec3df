# shellcheck shell=bash
# Installs this checkout's operator into the cluster; shared by the demo and the journeys.

DEMO=$REPO/e2e/demo
OPERATOR_NAMESPACE=erpgo-system
OPERATOR_NAME=erpgo-operator
# shellcheck source=images.sh
. "$DEMO/images.sh"

install_operator() {
  step "operator: CRD, RBAC and Deployment from manifests/install.yaml"
  kube kustomize "$DEMO/operator" | with_images |
    kube apply --server-side --force-conflicts --field-manager erpgo-demo -f - >/dev/null
  kube wait --for=condition=Established --timeout=30s crd/erpgos.erpgo.io >/dev/null
  # The images keep their tag while one works on them, so a rollout is asked for, not implied.
  restart_when_image_changed
  kube -n erpgo-system rollout status deployment/erpgo-operator --timeout=120s >&2 ||
    explain_and_die deployment/erpgo-operator erpgo-system
}

restart_when_image_changed() {
  local wanted running
  wanted=$(image_id erpgo-operator)
  running=$(kube -n erpgo-system get pods -l app.kubernetes.io/name=erpgo-operator \
    -o 'jsonpath={.items[0].metadata.annotations.erpgo\.io/demo-image}' 2>/dev/null || true)
  [[ -n $wanted && $wanted != "$running" ]] || return 0
  kube -n erpgo-system patch deployment erpgo-operator --type merge \
    -p "{\"spec\":{\"template\":{\"metadata\":{\"annotations\":{\"erpgo.io/demo-image\":\"$wanted\"}}}}}" >/dev/null
}

# The digest of one of our images as containerd has it; empty on a cluster of one's own.
image_id() {
  using_current_cluster && return 0
  "$CLUSTER_DIR/bin/images" --list 2>/dev/null | awk -v ref="erpgo.local/$1:dev" '$1 == ref {print substr($3, 8, 12)}'
}

explain_and_die() {
  kube -n "$2" describe "$1" 2>&1 | tail -n 40 >&2
  kube -n "$2" get pods -o wide >&2 || true
  kube -n "$OPERATOR_NAMESPACE" logs "deployment/$OPERATOR_NAME" --tail=30 >&2 || true
  die "$1 did not become ready" "the lines above say why"
}
