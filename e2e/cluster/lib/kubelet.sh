# shellcheck shell=bash
# kubelet and kube-proxy: what makes the machine a node.

start_kubelet() {
  local before
  before=$(cat "$CONF/kubelet.yaml" 2>/dev/null || true)
  kubeconfig "$CONF/kubelet.kubeconfig" kubelet
  write_resolv_conf
  write_kubelet_config
  # Settings are read at the start alone; pods run on meanwhile.
  [[ $before = "$(cat "$CONF/kubelet.yaml")" ]] || stop kubelet
  start kubelet "$(tool kubelet)" --config "$CONF/kubelet.yaml" --kubeconfig "$CONF/kubelet.kubeconfig" \
    --root-dir "$STATE/kubelet" --hostname-override "$NODE_NAME" --node-ip "$NODE_IP" --v 1
}

# cgroupfs and failCgroupV1: no systemd is needed, and cgroup v1 and v2 both do.
# No eviction or image collection by disk usage: images are imported, not pulled, so a collected
# image could not come back.
# A node that is short of process ids lets pods end in order, and has recovered soon: journeys make it so.
write_kubelet_config() {
  local pids
  pids=$(pids_to_keep)
  put "$CONF/kubelet.yaml" <<YAML
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
address: $NODE_IP
healthzBindAddress: 127.0.0.1
containerRuntimeEndpoint: unix://$CONTAINERD_SOCKET
authentication:
  anonymous: {enabled: false}
  webhook: {enabled: true}
  x509: {clientCAFile: "$PKI/ca.crt"}
authorization: {mode: Webhook}
tlsCertFile: "$PKI/kubelet.crt"
tlsPrivateKeyFile: "$PKI/kubelet.key"
cgroupDriver: cgroupfs
failCgroupV1: false
failSwapOn: false
enforceNodeAllocatable: []
clusterDomain: cluster.local
clusterDNS: [$DNS_SERVICE_IP]
resolvConf: "$CONF/resolv.conf"
podLogsDir: "$STATE/pod-logs"
volumePluginDir: "$STATE/volume-plugins"
staticPodPath: ""
imageGCHighThresholdPercent: 100
imageGCLowThresholdPercent: 99
evictionHard: {memory.available: 100Mi, nodefs.available: 1Gi, imagefs.available: 1Gi}
evictionSoft: {pid.available: "$pids"}
evictionSoftGracePeriod: {pid.available: 5s}
evictionMaxPodGracePeriod: 60
evictionPressureTransitionPeriod: 10s
nodeStatusUpdateFrequency: 5s
maxPods: 110
YAML
}

# With fewer process ids left the node is short of them, which it never is by itself: beside what the
# machine ran when the node first came up, 110 pods take 4000 at most, and compilers some for each core.
pids_to_keep() {
  local file=$CONF/tasks tasks most keep
  if [[ ! -s $file ]]; then
    read -r _ _ _ tasks _ </proc/loadavg
    put "$file" <<<"$((${tasks#*/} + 4000 + 32 * $(nproc)))"
  fi
  # As the kubelet does.
  most=$(sort -n /proc/sys/kernel/pid_max /proc/sys/kernel/threads-max | head -n 1)
  keep=$((most - $(cat "$file")))
  # One that may run no more than that is short when nothing is left.
  printf '%s' $((keep > 0 ? keep : 1))
}

# A resolver on the loopback address of the host is out of a pod's reach: leave those out.
write_resolv_conf() {
  local from=/etc/resolv.conf
  [[ ! -f /run/systemd/resolve/resolv.conf ]] || from=/run/systemd/resolve/resolv.conf
  grep -E '^nameserver' "$from" 2>/dev/null | grep -vE '^nameserver[[:space:]]+(127\.|::1)' >"$CONF/resolv.conf" || true
}

# Pods together get ten times the processor time of anything else on this machine: what runs beside
# the node, a compiler for example, must not look like a fault of a rollout.
prefer_pods() {
  local file
  for file in /sys/fs/cgroup/cpu/kubepods/cpu.shares=20480 /sys/fs/cgroup/kubepods/cpu.weight=1000; do
    [[ ! -w ${file%%=*} ]] || echo "${file#*=}" >"${file%%=*}"
  done
}

kubelet_healthy() {
  curl -fsS -m 3 http://127.0.0.1:10248/healthz
}

start_kube_proxy() {
  kubeconfig "$CONF/kube-proxy.kubeconfig" kube-proxy
  put "$CONF/kube-proxy.yaml" <<YAML
apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
mode: iptables
hostnameOverride: $NODE_NAME
clientConnection: {kubeconfig: "$CONF/kube-proxy.kubeconfig"}
clusterCIDR: $CLUSTER_CIDR
bindAddress: 127.0.0.1
healthzBindAddress: 127.0.0.1:10256
metricsBindAddress: 127.0.0.1:10249
nodePortAddresses: [127.0.0.0/8]
iptables: {localhostNodePorts: true, minSyncPeriod: 200ms}
conntrack: {maxPerCore: 0, min: 0}
YAML
  start kube-proxy "$(tool kube-proxy)" --config "$CONF/kube-proxy.yaml"
}

kube_proxy_healthy() {
  curl -fsS -m 3 http://127.0.0.1:10256/healthz
}

node_ready() {
  [[ $(kube get node "$NODE_NAME" -o "jsonpath={.status.conditions[?(@.type=='Ready')].status}") = True ]]
}
