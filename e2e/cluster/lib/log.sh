# shellcheck shell=bash
# What a person reads while a script works: one line per step, with the seconds since it began.
# Everything goes to stderr, so that stdout stays free for values.

QUIET=${QUIET:-0}

say() {
  [[ $QUIET = 1 ]] || printf '%s\n' "$*" >&2
}

warn() {
  printf 'warning: %s\n' "$*" >&2
}

# die MESSAGE [WHAT TO DO NEXT]
die() {
  printf 'error: %s\n' "$1" >&2
  [[ $# -lt 2 ]] || printf '       %s\n' "$2" >&2
  exit 1
}

# step MESSAGE: says it with the elapsed time of the whole script.
step() {
  say "$(printf '[%4ds] %s' "$SECONDS" "$*")"
}

# show_tail FILE [LINES]: the end of a log, for the message of a failure.
show_tail() {
  [[ -s $1 ]] || return 0
  printf -- '--- last lines of %s\n' "$1" >&2
  tail -n "${2:-15}" "$1" | cut -c1-300 >&2
  printf -- '---\n' >&2
}
