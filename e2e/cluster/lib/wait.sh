# shellcheck shell=bash
# Waiting for conditions, always with a deadline.

# wait_until SECONDS COMMAND...: polls until the command succeeds; fails at the deadline.
wait_until() {
  local deadline=$((SECONDS + $1))
  shift
  until "$@" >/dev/null 2>&1; do
    ((SECONDS < deadline)) || return 1
    sleep 0.25
  done
}

# patiently COMMAND...: for downloads; tries three times, with rests between.
patiently() {
  local rest
  for rest in 5 20; do
    "$@" && return 0
    sleep "$rest"
  done
  "$@"
}
