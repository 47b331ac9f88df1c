# To be sourced by what runs inside the clean Debian.
#
#   step WORDS       says what is looked at
#   must WORDS COMMAND…   the command must end well, or the test fails with these words
#   never WORDS COMMAND…  it must end badly
#   waits SECONDS WORDS COMMAND…  it must end well within so many seconds
# What failed is counted in a file, since a reboot lies between.
step() { echo "== $*"; }
wrong() { echo "FAIL $*"; echo "$*" >>/packtest/failures; }
failures() { cat /packtest/failures 2>/dev/null | wc -l; }
must() { local what=$1; shift; "$@" >/tmp/said 2>&1 || { wrong "$what: $*"; tail -n 20 /tmp/said; }; }
never() { local what=$1; shift; type "$1" >/dev/null || wrong "$what: there is no $1"; ! "$@" >/tmp/said 2>&1 || { wrong "$what: $*"; tail -n 20 /tmp/said; }; }
waits() {
  local end=$((SECONDS + $1)) what=$2 since=${EPOCHREALTIME/./}
  shift 2
  until "$@" >/tmp/said 2>&1; do
    if [ "$SECONDS" -gt "$end" ]; then
      wrong "$what: $*"
      tail -n 20 /tmp/said
      return
    fi
    sleep 0.2
  done
  echo "   $what: $(((${EPOCHREALTIME/./} - since) / 1000)) ms"
}
# is PATH OWNER:GROUP MODE
is() { [ "$(stat -c '%U:%G %a' "$1" 2>&1)" = "$2 $3" ] || { stat -c '%U:%G %a %n' "$1"; return 1; }; }
version() { dpkg-query -W -f '${Version}' resetrig; }
