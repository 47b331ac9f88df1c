#!/usr/bin/env bash
# The same commit gives the same packages, wherever it is built: builds them here
# and from a clone in another folder, with other caches' names, another umask and
# another hour, and compares the bytes: reproducible.sh [-o FOLDER] [ARCHITECTURE…].
# COLD=1 compiles everything anew for the second build, which takes minutes.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/.." && pwd)
. "$here/../virtual/common/say.sh"
cache=${RESETRIG_VIRTUAL_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/resetrig/virtual}
out=$top/dist
if [ "${1:-}" = -o ]; then out=$2; shift 2; fi
work=$(mktemp -d)
trap 'chmod -R u+w "$work"; rm -rf "$work"' EXIT
mkdir -p "$cache"

"$here/build.sh" -o "$out" "$@" >"$work/first"
# What is changed and not committed comes along.
git clone -q --shared "$top" "$work/a clone elsewhere"
(cd "$top" && git diff --binary HEAD) >"$work/diff"
[ ! -s "$work/diff" ] || git -C "$work/a clone elsewhere" apply "$work/diff"
ln -s "$(cd "$cache" && pwd)" "$work/other-cache"
(
  [ "${COLD:-}" != 1 ] || export GOCACHE=$work/gocache
  umask 077
  export RESETRIG_VIRTUAL_CACHE=$work/other-cache TZ=Pacific/Chatham LC_ALL=C HOME=${HOME}
  "$work/a clone elsewhere/packaging/build.sh" -o "$work/second" "$@"
) >"$work/second.list"
bad=0
while read -r deb; do
  if cmp -s "$deb" "$work/second/${deb##*/}"; then
    say "$(sha256sum "$deb" | cut -c1-16) ${deb##*/}: $(stat -c %s "$deb") bytes, the same from two folders"
  else
    bad=1
    say "${deb##*/} differs between two folders:"
    diff <(dpkg-deb --ctrl-tarfile "$deb" | tar -xO ./md5sums) <(dpkg-deb --ctrl-tarfile "$work/second/${deb##*/}" | tar -xO ./md5sums) >&2 || true
  fi
done <"$work/first"
[ -s "$work/first" ] && [ "$bad" -eq 0 ]
