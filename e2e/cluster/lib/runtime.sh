# shellcheck shell=bash
# containerd with our runc, and the pause image. Root, state and sockets are our own: a containerd
# that already runs on this machine is neither used nor disturbed.

PAUSE_IMAGE=erpgo.local/pause:1

start_containerd() {
  write_containerd_config
  start containerd env "PATH=$(dirname "$(tool runc)"):$(dirname "$(tool containerd)"):$PATH" \
    "$(tool containerd)" --config "$CONF/containerd.toml"
}

# restrict_oom_score_adj: without CAP_SYS_RESOURCE every sandbox would fail otherwise.
# netns_mounts_under_state_dir: so that down finds every network namespace that we made.
write_containerd_config() {
  put "$CONF/containerd.toml" <<TOML
version = 3
root = "$STATE/containerd"
state = "$RUN/containerd"
disabled_plugins = ["io.containerd.nri.v1.nri", "io.containerd.internal.v1.opt"]

[grpc]
  address = "$CONTAINERD_SOCKET"

[ttrpc]
  address = "$CONTAINERD_SOCKET.ttrpc"

[plugins.'io.containerd.cri.v1.images'.pinned_images]
  sandbox = "$PAUSE_IMAGE"

[plugins.'io.containerd.cri.v1.runtime']
  restrict_oom_score_adj = true
  netns_mounts_under_state_dir = true

[plugins.'io.containerd.cri.v1.runtime'.cni]
  bin_dirs = ["/usr/lib/cni"]
  conf_dir = "$CONF/cni"

[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc]
  runtime_type = "io.containerd.runc.v2"

[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc.options]
  SystemdCgroup = false
  Root = "$RUN/runc"
TOML
}

containerd_healthy() {
  ctr version
}

ctr() {
  CONTAINERD_SUPPRESS_DEPRECATION_WARNINGS=1 "$(tool ctr)" --address "$CONTAINERD_SOCKET" --namespace k8s.io "$@"
}
