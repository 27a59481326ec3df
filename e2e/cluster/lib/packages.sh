# shellcheck shell=bash
# Which Debian packages the node and the tests need, and which are missing.
# shellcheck disable=SC2034 # the lists are read by the scripts in bin/

NODE_PACKAGES="ca-certificates conntrack containernetworking-plugins curl ethtool gcc iproute2 iptables jq kmod
  libc6-dev libseccomp-dev nfacct openssl pkg-config postgresql procps redis-server socat util-linux"
TEST_PACKAGES="chromium prometheus python3-pip python3-venv shellcheck"

# missing_packages PACKAGES...: prints those that are not installed.
missing_packages() {
  local package
  for package in "$@"; do
    [[ $(dpkg-query -W -f '${Status}' "$package" 2>/dev/null) = "install ok installed" ]] || echo "$package"
  done
}

# apt_line PACKAGES...: the one line that installs them.
apt_line() {
  printf 'apt-get update && apt-get install -y --no-install-recommends %s' "$*"
}

# install_packages PACKAGES...: without questions, and without starting the services they bring:
# the node runs its own PostgreSQL and Redis on its own ports.
install_packages() {
  local log
  log=$(mktemp)
  say "installing $*"
  if ! quiet_apt "$@" >"$log" 2>&1; then
    show_tail "$log"
    die "apt-get failed" "whole log: $log"
  fi
  rm -f "$log"
}

quiet_apt() {
  export DEBIAN_FRONTEND=noninteractive RUNLEVEL=1
  # Another program may install something just now.
  local wait=(-o DPkg::Lock::Timeout=300)
  apt-get "${wait[@]}" update && apt-get "${wait[@]}" install -y --no-install-recommends "$@"
}

need_packages() {
  local packages missing
  read -rd '' -a packages <<<"$NODE_PACKAGES" || true
  mapfile -t missing < <(missing_packages "${packages[@]}")
  [[ ${#missing[@]} = 0 ]] || die "Debian packages are missing: ${missing[*]}" "$(apt_line "${missing[@]}")"
}
