# lib.sh: what the scripts share. Source it: . "$(dirname "$0")/lib.sh"
# Works in bash; sets QSPLIT_ROOT (the source tree) and defines functions; does nothing by itself.

QSPLIT_ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

if [ -t 1 ]; then
  BOLD=$'\e[1m' RED=$'\e[31m' GREEN=$'\e[32m' YELLOW=$'\e[33m' PLAIN=$'\e[0m'
else
  BOLD='' RED='' GREEN='' YELLOW='' PLAIN=''
fi

say() { printf '%s\n' "$*"; }
step() { printf '\n%s==> %s%s\n' "$BOLD" "$*" "$PLAIN"; }
warn() { printf '%s%s: %s%s\n' "$YELLOW" "${0##*/}" "$*" "$PLAIN" >&2; }
die() { printf '%s%s: %s%s\n' "$RED" "${0##*/}" "$*" "$PLAIN" >&2; exit 1; }

# usage: print the comment block at the top of the script, without its '#' marks.
usage() { sed -n '2,/^[^#]/{/^#/!d;s/^# \{0,1\}//;p}' "$0"; }

is_root() { [ "$(id -u)" = 0 ]; }

# can_root: true if commands can be run as root: we are root, or sudo works (asking for a password
# only where there is a terminal to ask at).
can_root() {
  is_root && return 0
  command -v sudo >/dev/null || return 1
  sudo -n true 2>/dev/null && return 0
  [ -t 0 ] && [ -t 2 ] && sudo -v -p "[sudo] root is needed ${1:+$1; }password for %u: "
}

# as_root COMMAND...: run one command as root.
as_root() { if is_root; then "$@"; else sudo "$@"; fi; }

# need_root WHY: go on only if as_root will work.
need_root() { can_root "$1" || die "root is needed $1; run this as root, or install sudo"; }

# build_jobs: compile jobs that the machine bears: one for each CPU, and 1.5 GB of memory for each.
build_jobs() {
  local cpus mem
  cpus=$(nproc)
  mem=$(awk '/^MemAvailable/ {print int($2 / 1572864)}' /proc/meminfo)
  [ "${mem:-0}" -ge 1 ] || mem=1
  echo "${QSPLIT_JOBS:-$((cpus < mem ? cpus : mem))}"
}

# memory_for_guests: true if there is memory for guests beside a build: 3 GB for each CPU.
memory_for_guests() { awk -v cpus="$(nproc)" '/^MemAvailable/ {exit $2 < cpus * 3145728}' /proc/meminfo; }

# in_idle_time PID: from now on it, and what it starts, runs when no CPU has anything else to do.
in_idle_time() {
  chrt --idle --pid 0 "$1" 2>/dev/null || renice -n 19 -p "$1" >/dev/null
}

# configure PRESET [-DNAME=VALUE...]: configure build/PRESET.
configure() {
  local preset=$1
  shift
  (cd "$QSPLIT_ROOT" && cmake --preset "$preset" "$@" >"$(mklog "configure-$preset")" 2>&1) || {
    cat "$(mklog "configure-$preset")"
    return 1
  }
}

# build PRESET [TARGET...]: build it, all of it if no target is named.
build() {
  local preset=$1
  shift
  (cd "$QSPLIT_ROOT" && cmake --build "build/$preset" -j "$(build_jobs)" ${1:+--target "$@"})
}

# mklog NAME: the path of a log file in build/log.
mklog() {
  mkdir -p "$QSPLIT_ROOT/build/log"
  echo "$QSPLIT_ROOT/build/log/$1.log"
}
