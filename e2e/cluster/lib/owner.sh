# shellcheck shell=bash
# One machine has room for one node. Which checkout it belongs to is written down, so that the
# scripts of another checkout neither disturb it nor take it down.
# shellcheck disable=SC2153 # STATE and REPO come from env.sh

OWNER=/var/lib/erpgo-dev/owner

# owner_state: the state directory of the checkout that owns the node; fails when there is none.
owner_state() {
  local state
  state=$(sed -n 1p "$OWNER" 2>/dev/null) || return 1
  [[ -d $state ]] && printf '%s' "$state"
}

owner_repo() {
  sed -n 2p "$OWNER" 2>/dev/null
}

owned_by_another() {
  local state
  state=$(owner_state) && [[ $state != "$STATE" ]]
}

# owner_runs: whether any process of the owner's node is left.
owner_runs() {
  local RUN file
  RUN=$(owner_state)/run
  for file in "$RUN"/*.pid; do
    ! is_alive "$(basename "$file" .pid)" || return 0
  done
  return 1
}

# make_way: another's node that runs is left alone; what is left of one that has ended is removed.
make_way() {
  owned_by_another || return 0
  ! owner_runs || die "this machine's node belongs to the checkout $(owner_repo)" \
    "run e2e/cluster/bin/down there, or here: e2e/cluster/bin/down --any"
  say "the node of $(owner_repo) has ended: removing what is left of it"
  (act_for_owner && remove_node && remove_state)
}

take_ownership() {
  mkdir -p "$STATE"
  chmod 0755 "$(dirname "$STATE")" "$STATE"
  printf '%s\n%s\n' "$STATE" "$REPO" >"$OWNER"
}

# act_for_owner: from here on, state means the owner's.
act_for_owner() {
  local state repo
  state=$(owner_state) || return 0
  repo=$(owner_repo)
  set_places "$repo" "$state"
}
