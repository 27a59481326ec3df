# shellcheck shell=bash
# Which operator looks after the demo's ErpGo on a cluster of one's own: one that serves its namespace already, or
# that of this checkout. Two that serve one namespace would undo each other's work.
# shellcheck disable=SC2034 # the demo and operator.sh read what is set here

# One line an operator: where it is, by whom it was installed if that was a demo, and its arguments.
OPERATORS='{range .items[*]}{.metadata.namespace}|{.metadata.name}|{.metadata.annotations.erpgo\.io/installed-by}'
OPERATORS+='|{.spec.template.spec.containers[?(@.name=="operator")].args}{"\n"}{end}'

operators() {
  kube get deployments --all-namespaces -l app.kubernetes.io/name=erpgo-operator -o "jsonpath=$OPERATORS"
}

# served_alone ARGUMENTS: the namespace that an operator with these serves; nothing when it serves all.
served_alone() {
  local told='--namespace[=", ]+([a-z0-9-]+)'
  [[ ! $1 =~ $told ]] || printf '%s' "${BASH_REMATCH[1]}"
}

provide_operator() {
  local all place name by arguments alone apart="" ours=""
  if ! using_current_cluster; then
    install_operator
    return
  fi
  if ! all=$(operators); then
    step "operator: none is installed, since you may not see those of the cluster; one must serve $NAMESPACE"
    return
  fi
  while IFS='|' read -r place name by arguments; do
    [[ -n $name ]] || continue
    alone=$(served_alone "$arguments")
    if [[ $by = demo ]]; then
      ours=$place
    elif [[ -z $alone || $alone = "$NAMESPACE" ]]; then
      use_operator "$place" "$name"
      return
    else
      apart="$name in namespace $place serves $alone alone"
    fi
  done <<<"$all"
  [[ -n $ours || -z $apart ]] || refuse_to_install "$apart"
  INSTALLED=1
  install_operator
}

# To bring it up to date is for those who installed it.
use_operator() {
  OPERATOR_NAMESPACE=$1 OPERATOR_NAME=$2
  step "operator: $2 in namespace $1 serves $NAMESPACE already and stays as it is"
  say "  of your images the cluster pulls $IMAGE_PREFIX/erpgo:$IMAGE_TAG alone"
}

refuse_to_install() {
  die "the operator $1, and that of the demo would serve all namespaces and undo its work" \
    "run the demo where it serves, with ERPGO_NAMESPACE, or install another for $NAMESPACE: see charts/erpgo-operator, watchNamespace"
}
