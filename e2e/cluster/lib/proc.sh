# shellcheck shell=bash
# Supervision of host processes, as simple as it can be: one pid file and one log per process.
# A pid file holds "pid start-time", so that a recycled pid is never taken for ours.

pid_file() {
  printf '%s/%s.pid' "$RUN" "$1"
}

log_file() {
  printf '%s/%s.log' "$LOGS" "$1"
}

# start_time PID: the kernel's start time of the process; fails when there is none.
start_time() {
  local stat
  stat=$(cat "/proc/$1/stat" 2>/dev/null) || return 1
  # The command name may hold blanks, so count from the closing parenthesis.
  awk '{ print $20 }' <<<"${stat##*) }"
}

# pid_of NAME: prints the pid when the process is alive.
pid_of() {
  local pid started
  read -r pid started 2>/dev/null <"$(pid_file "$1")" || return 1
  [[ $(start_time "$pid") = "$started" && $(process_state "$pid") != Z ]] || return 1
  printf '%s' "$pid"
}

process_state() {
  local stat
  stat=$(cat "/proc/$1/stat" 2>/dev/null) || return 1
  stat=${stat##*) }
  printf '%s' "${stat:0:1}"
}

is_alive() {
  pid_of "$1" >/dev/null
}

# start NAME COMMAND...: starts it in a session of its own unless it is alive already.
start() {
  local name=$1
  shift
  is_alive "$name" && return 0
  mkdir -p "$RUN" "$LOGS"
  rotate_log "$(log_file "$name")"
  setsid "$@" >>"$(log_file "$name")" 2>&1 </dev/null 9>&- &
  local pid=$!
  printf '%s %s\n' "$pid" "$(start_time "$pid")" >"$(pid_file "$name")"
}

# A log never grows without bound over many starts.
rotate_log() {
  [[ -f $1 ]] || return 0
  (($(stat -c %s "$1") < 20000000)) || mv "$1" "$1.old"
}

# stop NAME [SECONDS] [SIGNAL]: asks, waits, then kills. Succeeds when nothing runs.
stop() {
  local name=$1 patience=${2:-10} signal=${3:-TERM} pid
  if pid=$(pid_of "$name"); then
    kill -"$signal" "$pid" 2>/dev/null || true
    wait_until "$patience" is_gone "$name" || kill -KILL "$pid" 2>/dev/null || true
    wait_until 5 is_gone "$name" || warn "$name (pid $pid) does not end"
  fi
  rm -f "$(pid_file "$name")"
}

is_gone() {
  ! is_alive "$1"
}

# expect_healthy NAME SECONDS COMMAND...: waits for health; on failure shows why and ends the script.
expect_healthy() {
  local name=$1 patience=$2 deadline
  shift 2
  deadline=$((SECONDS + patience))
  until "$@" >/dev/null 2>&1; do
    is_alive "$name" || fail_of "$name" "$name ended right after its start"
    ((SECONDS < deadline)) || fail_of "$name" "$name is not healthy after $patience s"
    sleep 0.25
  done
}

fail_of() {
  show_tail "$(log_file "$1")"
  die "$2" "whole log: $(log_file "$1")"
}
