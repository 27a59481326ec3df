# shellcheck shell=bash
# Everything the scripts in bin/ share, in the order of dependence.
# shellcheck disable=SC2034 # what one file sets, others read

lib=$(dirname "${BASH_SOURCE[0]}")
# shellcheck source=log.sh
. "$lib/log.sh"
# shellcheck source=env.sh
. "$lib/env.sh"
# shellcheck source=files.sh
. "$lib/files.sh"
# shellcheck source=wait.sh
. "$lib/wait.sh"
# shellcheck source=cache.sh
. "$lib/cache.sh"
# shellcheck source=owner.sh
. "$lib/owner.sh"
# shellcheck source=proc.sh
. "$lib/proc.sh"
# shellcheck source=ports.sh
. "$lib/ports.sh"
# shellcheck source=packages.sh
. "$lib/packages.sh"
# shellcheck source=pki.sh
. "$lib/pki.sh"
# shellcheck source=net.sh
. "$lib/net.sh"
# shellcheck source=control_plane.sh
. "$lib/control_plane.sh"
# shellcheck source=runtime.sh
. "$lib/runtime.sh"
# shellcheck source=kubelet.sh
. "$lib/kubelet.sh"
# shellcheck source=static.sh
. "$lib/static.sh"
# shellcheck source=oci.sh
. "$lib/oci.sh"
# shellcheck source=addons.sh
. "$lib/addons.sh"
# shellcheck source=databases.sh
. "$lib/databases.sh"
# shellcheck source=teardown.sh
. "$lib/teardown.sh"
unset lib

is_root() {
  [[ $(id -u) = 0 ]]
}

must_be_root() {
  is_root || die "this needs root: it mounts, makes network interfaces and cgroups" "run it with sudo -E"
}

# only_one: no two of up, down, services and images at once, whatever checkout they come from.
# The lock is file descriptor 9, which start() closes for the processes that stay.
only_one() {
  exec 9>"$LOCK"
  flock -n 9 || { say "waiting for another e2e/cluster script to finish" && flock -w 900 9; } ||
    die "another e2e/cluster script has held $LOCK for 15 minutes"
}

# A cluster of one's own is spoken to by one's own kubectl, if there is one: building it takes long.
kubectl_path() {
  if using_current_cluster && command -v kubectl; then return; fi
  tool kubectl
}

kube() {
  "$(kubectl_path)" --kubeconfig "$KUBECONFIG_ADMIN" --cache-dir "$DEV/kubectl-cache" "$@"
}
