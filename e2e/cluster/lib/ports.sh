# shellcheck shell=bash
# Which ports are taken, and by whom.

port_is_free() {
  [[ -z $(ss -Hltn "sport = :$1") ]]
}

port_owner() {
  ss -Hltnp "sport = :$1" | grep -oE '"[^"]+",pid=[0-9]+' | sort -u | paste -sd' ' || true
}
