# shellcheck shell=bash
# The tool cache: each group of tools/ is built once from its pinned modules into
# $CACHE/tools/<hash of the group's files and build flags>/bin, and never rebuilt while it is there.
# shellcheck disable=SC2034 # the lists of groups are read by the scripts in bin/

TOOLS_DIR=$CLUSTER_DIR/tools
ALL_GROUPS="kubernetes containerd runc coredns metrics-server images helm vault vault-auth-kubernetes prometheus-operator gateway-api"
NODE_GROUPS="kubernetes containerd runc coredns metrics-server images"

KUBERNETES_VERSION=v1.37.2

# group_of BINARY: which group builds it.
group_of() {
  case $1 in
    kube-apiserver | kube-controller-manager | kube-scheduler | kubelet | kube-proxy | kubectl | etcd) echo kubernetes ;;
    containerd | containerd-shim-runc-v2 | ctr) echo containerd ;;
    pause | smoke) echo images ;;
    vault-plugin-auth-kubernetes) echo vault-auth-kubernetes ;;
    prometheus-crds) echo prometheus-operator ;;
    gateway-crds) echo gateway-api ;;
    runc | coredns | metrics-server | helm | vault) echo "$1" ;;
    *) return 1 ;;
  esac
}

# build_flags GROUP: one line per flag of `go build`.
build_flags() {
  local ldflags="-s -w"
  case $1 in
    kubernetes) ldflags+=" -X k8s.io/component-base/version.gitVersion=$KUBERNETES_VERSION" ;;
    containerd) echo -tags=no_btrfs,no_devmapper,no_zfs ;;
    runc) echo -tags=seccomp ;;
    vault) echo -tags=minimal ;;
  esac
  printf '%s\n' -trimpath -buildvcs=false "-ldflags=$ldflags"
}

# cgo GROUP: only runc needs C (libseccomp, and its own early start in C).
cgo() {
  [[ $1 = runc ]] && echo 1 || echo 0
}

# What build_group has found once is not hashed again by the same script.
declare -A GROUP_DIRS=()

group_dir() {
  printf '%s' "${GROUP_DIRS[$1]:-$CACHE/tools/$(group_hash "$1")}"
}

group_hash() {
  (
    cd "$TOOLS_DIR/$1" || exit 1
    build_flags "$1"
    cgo "$1"
    find . -type f | LC_ALL=C sort | xargs sha256sum
  ) | sha256sum | cut -c1-16 | sed "s/^/$1-/"
}

# tool BINARY: the path of a binary that is (now) there.
tool() {
  local group
  group=$(group_of "$1") || die "no tool is called $1" "known groups: $ALL_GROUPS"
  build_group "$group"
  printf '%s/bin/%s' "$(group_dir "$group")" "$1"
}

# build_group GROUP: builds it unless it is there; two callers never build the same group twice.
build_group() {
  local group=$1 dir
  [[ -f $TOOLS_DIR/$group/go.mod ]] || die "no tool group is called $group" "known groups: $ALL_GROUPS"
  [[ -z ${GROUP_DIRS[$group]:-} ]] || return 0
  dir=$(group_dir "$group")
  [[ -d $dir/bin ]] || build_locked "$group" "$dir"
  GROUP_DIRS[$group]=$dir
}

# build_locked GROUP DIR
build_locked() {
  local group=$1 dir=$2
  command -v go >/dev/null || die "Go is not installed" "run e2e/cluster/bin/doctor"
  mkdir -p "$CACHE/tools"
  (
    exec 8>"$CACHE/tools/$group.lock"
    flock -n 8 || { say "$group: another build is under way, waiting for it" && flock 8; }
    [[ -d $dir/bin ]] || build_into "$group" "$dir"
  ) || exit 1
}

# build_into GROUP DIR: builds aside and renames, so that a directory that exists is whole.
build_into() {
  local group=$1 dir=$2 aside log began=$SECONDS builder
  aside=$(mktemp -d "$CACHE/tools/.$group.XXXXXX")
  log=$CACHE/tools/$group.log
  chmod 0755 "$aside"
  mkdir "$aside/bin"
  run_build "$group" "$aside/bin" >"$log" 2>&1 8>&- &
  builder=$!
  # shellcheck disable=SC2064 # the values of now are meant
  trap "kill $builder 2>/dev/null; rm -rf '$aside'; exit 130" INT TERM
  report_until_done "$group" "$builder" "$began"
  if ! wait "$builder"; then
    rm -rf "$aside"
    show_tail "$log"
    die "building $group failed" "whole log: $log"
  fi
  mv -T "$aside" "$dir"
  trap - INT TERM
  say "$group: built in $((SECONDS - began)) s"
}

# One line every 15 seconds, so that a long build is seen to live.
report_until_done() {
  local group=$1 builder=$2 began=$3 next=0
  while kill -0 "$builder" 2>/dev/null; do
    if ((SECONDS - began >= next)); then
      say "$group: building from source (once), $((SECONDS - began)) s"
      next=$((next + 15))
    fi
    sleep 0.5
  done
}

# `set -e` does not reach in here, since the caller asks for the outcome.
run_build() {
  local group=$1 out=$2
  cd "$TOOLS_DIR/$group" || return 1
  case $group in
    prometheus-operator)
      extract_crds "$out/prometheus-crds" github.com/prometheus-operator/prometheus-operator \
        example/prometheus-operator-crd/monitoring.coreos.com servicemonitors podmonitors prometheusrules
      ;;
    gateway-api)
      extract_crds "$out/gateway-crds" sigs.k8s.io/gateway-api \
        config/crd/standard/gateway.networking.k8s.io httproutes
      ;;
    images) go_build "$group" "$out" ./pause ./smoke ;;
    *) go_build "$group" "$out" tool ;;
  esac || return 1
  # Go names the binary after the module's directory; everybody else calls it etcd.
  [[ ! -f $out/server ]] || mv "$out/server" "$out/etcd"
}

# go_build GROUP OUT PACKAGES...
go_build() {
  local group=$1 out=$2 flags
  local -x CGO_ENABLED GOFLAGS=-mod=readonly GOTOOLCHAIN=local GOWORK=off
  shift 2
  CGO_ENABLED=$(cgo "$group")
  mapfile -t flags < <(build_flags "$group")
  # Downloads what the build will read. What then still lacks, the build says.
  patiently go list "${flags[@]}" -deps "$@" >/dev/null || true
  go build "${flags[@]}" -o "$out/" "$@"
}

# extract_crds OUT MODULE PREFIX KINDS...: the CRDs that the operator looks for, as YAML from the Go
# module, in which they lie as PREFIX_KIND.yaml.
extract_crds() {
  local out=$1 module=$2 prefix=$3 from kind
  shift 3
  patiently go mod download "$module" || return 1
  from=$(go list -m -f '{{.Dir}}' "$module")/$prefix
  mkdir "$out"
  for kind in "$@"; do
    install -m 0644 "${from}_$kind.yaml" "$out/$kind.yaml" || return 1
  done
}
