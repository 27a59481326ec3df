# shellcheck shell=bash
# How the demo's API is reached: on a port of the node, or through kubectl on a cluster of one's own.
# shellcheck disable=SC2034 # the scripts that source this file read API

NAMESPACE=$DEMO_NAMESPACE
PORT=$DEMO_NODE_PORT
if using_current_cluster; then
  NAMESPACE=${ERPGO_NAMESPACE:-$NAMESPACE}
  PORT=${ERPGO_PORT:-$PORT}
  [[ $NAMESPACE =~ ^[a-z0-9]([a-z0-9-]*[a-z0-9])?$ ]] || die "$NAMESPACE is no namespace" "see ERPGO_NAMESPACE"
  [[ $PORT =~ ^[0-9]+$ ]] || die "$PORT is no port" "see ERPGO_PORT"
fi
API=http://127.0.0.1:$PORT
FORWARD=""
FORWARD_LOG=$DEV/port-forward.log

# begin_forward: whoever begins it ends it, whatever becomes of the script.
begin_forward() {
  using_current_cluster || return 0
  : >"$FORWARD_LOG"
  (exec "$(kubectl_path)" --kubeconfig "$KUBECONFIG_ADMIN" -n "$NAMESPACE" \
    port-forward service/demo "$PORT:80") >"$FORWARD_LOG" 2>&1 &
  FORWARD=$!
}

end_forward() {
  [[ -n $FORWARD ]] || return 0
  kill "$FORWARD" 2>/dev/null || true
  wait "$FORWARD" 2>/dev/null || true
  FORWARD=""
}

# Another program on the port must not be taken for the API: kubectl then forwards from ::1 alone.
api_answers() {
  [[ -z $FORWARD ]] || grep -q '^Forwarding from 127\.0\.0\.1:' "$FORWARD_LOG" || return 1
  curl -fsS -m 5 -o /dev/null "$API/health/ready"
}
