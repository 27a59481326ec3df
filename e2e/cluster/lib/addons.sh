# shellcheck shell=bash
# What is inside the cluster besides our own product: CoreDNS, metrics-server, a priority below all
# others, and the monitoring CRDs.

import_addon_images() {
  import_image "$PAUSE_IMAGE" 65535:65535 /pause "$(tool pause)=/pause"
  import_image erpgo.local/coredns:1 65532:65532 /coredns "$(tool coredns)=/coredns"
  import_image erpgo.local/metrics-server:1 65532:65532 /metrics-server "$(tool metrics-server)=/metrics-server"
}

# apply_once NAME FILES...: server-side apply, skipped when exactly this was applied already and is still there.
apply_once() {
  local record=$STATE/applied/$1 fingerprint
  shift
  fingerprint=$(cat "$@" | sha256sum)
  [[ $(cat "$record" 2>/dev/null) != "$fingerprint" ]] || ! are_there "$@" || return 0
  kube apply --server-side --force-conflicts --field-manager erpgo-dev "${@/#/--filename=}" >>"$LOGS/apply.log" 2>&1 ||
    { show_tail "$LOGS/apply.log" && die "applying $(basename "$record") failed"; }
  mkdir -p "$STATE/applied"
  printf '%s\n' "$fingerprint" >"$record"
}

# are_there FILES...: whether every object in them exists.
are_there() {
  kube get "${@/#/--filename=}" >/dev/null 2>&1
}

apply_addons() {
  local forward=""
  [[ ! -s $CONF/resolv.conf ]] || forward="forward . /etc/resolv.conf"
  sed "s|@FORWARD@|$forward|" "$CLUSTER_DIR/manifests/coredns.yaml" >"$CONF/coredns.yaml"
  apply_once coredns "$CONF/coredns.yaml"
  apply_once metrics-server "$CLUSTER_DIR/manifests/metrics-server.yaml"
  apply_once priorities "$CLUSTER_DIR/manifests/priorities.yaml"
}

coredns_ready() {
  deployment_available coredns
}

metrics_ready() {
  [[ $(kube get apiservice v1beta1.metrics.k8s.io -o "jsonpath={.status.conditions[?(@.type=='Available')].status}") = True ]]
}

deployment_available() {
  [[ $(kube -n kube-system get deployment "$1" -o "jsonpath={.status.availableReplicas}") -ge 1 ]]
}
