# shellcheck shell=bash
# Where everything lies, and the addresses and ports of the node. No side effects.
# shellcheck disable=SC2034 # the constants below are read by the scripts that source this file

CLUSTER_DIR=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
REPO=$(cd "$CLUSTER_DIR/../.." && pwd)

# set_places REPO STATE: all paths follow from these two.
set_places() {
  DEV=$1/.dev
  WORK=$DEV/cluster
  LOGS=$WORK/logs
  PKI=$WORK/pki
  CONF=$WORK/config
  SECRETS=$WORK/secrets
  KUBECONFIG_ADMIN=$DEV/kubeconfig
  STATE=$2
  RUN=$STATE/run
  CONTAINERD_SOCKET=$RUN/containerd.sock
}

# Data that needs a short path (sockets) or a path that other users can enter (PostgreSQL, Redis)
# lies outside the checkout, in a directory named after it.
set_places "$REPO" "/var/lib/erpgo-dev/$(printf '%s' "$REPO" | sha256sum | cut -c1-8)"
LOCK=/var/lock/erpgo-dev.lock

CACHE=${ERPGO_CACHE:-${HOME:-/root}/.cache/erpgo}

NODE_NAME=erpgo-dev
# An address of the loopback interface: pods and the node reach it, the network outside does not.
NODE_IP=10.98.0.1
SERVICE_CIDR=10.96.0.0/16
API_SERVICE_IP=10.96.0.1
DNS_SERVICE_IP=10.96.0.10
CLUSTER_CIDR=10.244.0.0/16
POD_CIDR=10.244.0.0/24
BRIDGE=erpgo-br0
CNI_NETWORK=erpgo-dev

API_PORT=6443
ETCD_PORT=23790
ETCD_PEER_PORT=23800
POSTGRES_PORT=15432
REDIS_PORT=16379
DEMO_NODE_PORT=30080
NODE_PORTS="$API_PORT $ETCD_PORT $ETCD_PEER_PORT 10248 10249 10250 10256 10257 10259 $POSTGRES_PORT $REDIS_PORT"

using_current_cluster() {
  [[ ${CLUSTER:-node} = current ]]
}
