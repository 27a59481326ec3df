# shellcheck shell=bash
# The node's part of the host's network: one address on the loopback interface, four sysctls, the
# CNI configuration, and a firewall chain. Everything made here is unmade by remove_network.

NODE_SYSCTLS="net.ipv4.ip_forward=1 net.bridge.bridge-nf-call-iptables=1 net.ipv4.conf.all.route_localnet=1"
FIREWALL=ERPGO-DEV

prepare_network() {
  local module
  for module in overlay br_netfilter nf_conntrack; do
    modprobe "$module" 2>/dev/null || true
  done
  ip -4 addr show dev lo | grep -q "inet $NODE_IP/" || ip addr add "$NODE_IP/32" dev lo
  set_sysctls
  close_to_outside
  write_cni
}

# Remembers what a value was, once, so that down can put it back.
set_sysctls() {
  local setting key value before
  for setting in $NODE_SYSCTLS; do
    key=${setting%%=*} value=${setting#*=}
    before=$(sysctl -n "$key" 2>/dev/null) || continue
    [[ $before = "$value" ]] && continue
    printf '%s=%s\n' "$key" "$before" >>"$STATE/sysctls.before"
    sysctl -qw "$key=$value"
  done
}

# The API server must listen where pods reach it; nobody outside this machine needs to.
close_to_outside() {
  local iptables
  for iptables in iptables ip6tables; do
    "$iptables" -w -nL "$FIREWALL" >/dev/null 2>&1 && continue
    "$iptables" -w -N "$FIREWALL"
    "$iptables" -w -A "$FIREWALL" -i lo -j RETURN
    "$iptables" -w -A "$FIREWALL" -i "$BRIDGE" -j RETURN
    "$iptables" -w -A "$FIREWALL" -p tcp -m multiport --dports "$API_PORT,10250" -j DROP
    "$iptables" -w -I INPUT -j "$FIREWALL"
  done
}

write_cni() {
  mkdir -p "$CONF/cni"
  put "$CONF/cni/10-erpgo.conflist" <<JSON
{
  "cniVersion": "1.0.0",
  "name": "$CNI_NETWORK",
  "plugins": [
    {
      "type": "bridge",
      "bridge": "$BRIDGE",
      "isGateway": true,
      "ipMasq": true,
      "hairpinMode": true,
      "ipam": {
        "type": "host-local",
        "dataDir": "$STATE/cni",
        "ranges": [[{"subnet": "$POD_CIDR"}]],
        "routes": [{"dst": "0.0.0.0/0"}]
      }
    },
    {"type": "portmap", "capabilities": {"portMappings": true}}
  ]
}
JSON
}

# Removes interfaces, addresses, chains and sysctl values; says what it found.
remove_network() {
  local chains
  ! ip link show "$BRIDGE" >/dev/null 2>&1 || { ip link del "$BRIDGE" && removed "interface $BRIDGE"; }
  ! ip -4 addr show dev lo | grep -q "inet $NODE_IP/" || { ip addr del "$NODE_IP/32" dev lo && removed "address $NODE_IP"; }
  chains=$(cni_chains)
  remove_chains iptables "^(KUBE-.*|$FIREWALL|CNI-HOSTPORT-.*${chains:+|$chains})\$"
  remove_chains ip6tables "^(KUBE-.*|$FIREWALL|CNI-HOSTPORT-.*)\$"
  remove_counters
  restore_sysctls
}

# kube-proxy counts what it drops in kernel objects that outlive its rules.
remove_counters() {
  local counter
  for counter in ct_state_invalid_dropped_pkts localhost_nps_accepted_pkts; do
    ! nfacct get "$counter" >/dev/null 2>&1 || { nfacct delete "$counter" && removed "counter $counter"; }
  done
}

restore_sysctls() {
  [[ -s $STATE/sysctls.before ]] || return 0
  sysctl -qp "$STATE/sysctls.before" || true
  removed "changed sysctls"
}

# The bridge plugin names a chain by a hash; the rule that jumps to it names our network.
cni_chains() {
  iptables-save -t nat 2>/dev/null | grep -F "name: \\\"$CNI_NETWORK\\\"" | grep -oE 'CNI-[0-9a-f]{24}' | sort -u | paste -sd'|' || true
}

# remove_chains COMMAND PATTERN: unhooks, empties and deletes all chains whose name matches, each
# table in one transaction.
remove_chains() {
  local command=$1 pattern=$2 table script
  for table in nat filter mangle; do
    script=$("$command-save" -t "$table" 2>/dev/null | awk -v pattern="$pattern" "$CHAIN_REMOVER") || continue
    [[ -n $script ]] || continue
    printf '*%s\n%s\nCOMMIT\n' "$table" "$script" | "$command-restore" -w --noflush &&
      removed "$command chains in table $table: $(grep -c '^-X' <<<"$script")"
  done
}

# shellcheck disable=SC2016 # this is awk, not shell
CHAIN_REMOVER='
  /^:/ { name = substr($1, 2); if (name ~ pattern) { print ":" name " - [0:0]"; ours[name] = 1 } }
  /^-A/ && !($2 in ours) {
    for (i = 3; i < NF; i++)
      if (($i == "-j" || $i == "-g") && ($(i + 1) in ours)) { sub(/^-A/, "-D"); print; break }
  }
  END { for (name in ours) print "-X " name }'
