# shellcheck shell=bash
# Undoing a node: processes, containers, mounts, network, cgroups, state. Every part looks at what
# is there, so that it also undoes half a node. It takes all cgroups and chains of Kubernetes to be
# ours, so it must run only for the checkout that owns the node (owner.sh).

removed() {
  say "  removed $*"
}

remove_node() {
  # The kubelet goes first, or it would start again what is killed.
  stop_processes kubelet kube-proxy kube-scheduler kube-controller-manager
  kill_containers
  stop_processes containerd kube-apiserver etcd postgres redis
  remove_shim_sockets
  unmount_state
  remove_network
  remove_cgroups
  remove_strays
  rm -f "$OWNER"
}

stop_processes() {
  local name
  for name in "$@"; do
    [[ -f $(pid_file "$name") ]] || continue
    ! is_alive "$name" || removed "process $name"
    stop "$name"
  done
}

# Containers live in the kubelet's cgroups, whoever their parent is; shims carry our socket's path.
kill_containers() {
  local pids
  pids=$(find /sys/fs/cgroup -path '*/kubepods*/cgroup.procs' -exec cat {} + 2>/dev/null | sort -u)
  kill_all "container processes" "$pids"
  kill_all "container shims" "$(shim_pids)"
}

shim_pids() {
  local cmdline
  for cmdline in /proc/[0-9]*/cmdline; do
    # shellcheck disable=SC2312 # a process that has ended meanwhile is no failure
    if 2>/dev/null tr "\0" " " <"$cmdline" | grep -qE "^[^ ]*containerd-shim-runc-v2 .*$CONTAINERD_SOCKET"; then
      cut -d/ -f3 <<<"$cmdline"
    fi
  done
}

# kill_all WHAT PIDS
kill_all() {
  local pids
  [[ -n $2 ]] || return 0
  mapfile -t pids <<<"$2"
  kill -KILL "${pids[@]}" 2>/dev/null || true
  wait_until 10 all_gone "${pids[@]}" || warn "some $1 do not end: ${pids[*]}"
  removed "$1: ${#pids[@]}"
}

all_gone() {
  local pid state
  for pid in "$@"; do
    state=$(process_state "$pid") || continue
    [[ $state = Z ]] || return 1
  done
}

# Shims keep their sockets in a place of containerd's choosing; each bundle says where.
remove_shim_sockets() {
  local address
  while read -r address; do
    rm -f "${address#unix://}"
  done < <(find "$RUN/containerd" -name bootstrap.json -exec jq -r .address {} + 2>/dev/null)
  rmdir /run/containerd/s /run/containerd 2>/dev/null || true
}

# shellcheck disable=SC2153 # STATE comes from env.sh
unmount_state() {
  local mounts
  mapfile -t mounts < <(awk -v under="$STATE/" 'index($5, under) == 1 { print $5 }' /proc/self/mountinfo | sort -r)
  ((${#mounts[@]} > 0)) || return 0
  umount -l "${mounts[@]}" 2>/dev/null || true
  removed "mounts: ${#mounts[@]}"
}

remove_cgroups() {
  local roots root count=0
  mapfile -t roots < <(find /sys/fs/cgroup -maxdepth 2 -type d -name kubepods 2>/dev/null)
  for root in "${roots[@]}"; do
    find "$root" -depth -type d -exec rmdir {} + 2>/dev/null || true
    count=$((count + 1))
  done
  ((count == 0)) || removed "cgroups kubepods: $count"
}

# What kubelet, containerd and the CNI library leave in places that no setting moves.
remove_strays() {
  local sandbox
  for sandbox in "$STATE"/containerd/io.containerd.grpc.v1.cri/sandboxes/*; do
    rm -f "/var/lib/cni/results/"*"-${sandbox##*/}-"*
  done
  [[ ! -d $STATE/kubelet ]] || rm -f /var/lib/kubelet/device-plugins/kubelet.sock
  find /var/log/containers -lname "$STATE/*" -delete 2>/dev/null || true
  rmdir /var/log/containers /var/lib/cni/results /var/lib/cni /var/lib/kubelet/device-plugins /var/lib/kubelet 2>/dev/null || true
}

remove_state() {
  local dir
  for dir in "$STATE" "$WORK"; do
    [[ -e $dir ]] || continue
    rm -rf --one-file-system "$dir"
    removed "$dir"
  done
  rmdir "$(dirname "$STATE")" 2>/dev/null || true
  remove_access
}

# The way to the cluster: kubeconfig, kubectl's cache, and what the demo's port-forward said.
remove_access() {
  rm -rf "$KUBECONFIG_ADMIN" "$DEV/kubectl-cache" "$DEV/kubectl" "$DEV/port-forward.log"
  rmdir "$DEV" 2>/dev/null || true
}
