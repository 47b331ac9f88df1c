#!/usr/bin/env bash
# What can't be downloaded is an error that says which and what to do: tried
# with an apt whose proxy is a loopback port at which nobody listens.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/say.sh"
cached=${RESETRIG_VIRTUAL_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/resetrig/virtual}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

cat > "$work/apt.conf" <<'END'
Acquire::http::Proxy "http://127.0.0.1:9";
Acquire::https::Proxy "http://127.0.0.1:9";
Acquire::Retries::Delay "false";
END

# refused NAME WORDS COMMAND… wants the command to fail, and to say each of the
# words, which a bar separates.
refused() {
  local name=$1 words=$2 code=0 w; shift 2
  "$@" >"$work/said" 2>&1 || code=$?
  [ "$code" -ne 0 ] || { cat "$work/said"; die "$name: no error"; }
  local IFS='|'
  for w in $words; do
    grep -q -F -e "$w" "$work/said" || { cat "$work/said"; die "$name: it does not say: $w"; }
  done
  say "$name: exit $code, and it says what and why"
}

images() { APT_CONFIG=$work/apt.conf "$here/../$1/image.sh" "$work/empty"; }
# The lists are there, the packages are not.
packages() (
  cache=$work/lists
  mkdir -p "$cache"
  cp -r "$cached/apt-arm64" "$cache/"
  . "$here/packages.sh"
  packages_sources arm64
  APT_CONFIG=$work/apt.conf packages_get "$work/debs" busybox-static libportaudio2
)
# A machine on which nothing is installed, and whose apt fails.
tools() {
  mkdir "$work/bin"
  printf '#!/bin/sh\nexit 1\n' > "$work/bin/dpkg-query"
  printf '#!/bin/sh\necho "E: no network" >&2\nexit 100\n' > "$work/bin/apt-get"
  printf '#!/bin/sh\nexec "$@"\n' > "$work/bin/sudo"
  chmod +x "$work"/bin/*
  PATH=$work/bin:$PATH "$here/../../tools/setup.sh" virtual
}

todo="network|sources"
refused "no lists for the emulated Pi" "the lists of Debian's arm64 packages|127.0.0.1|$todo" images pi
refused "no lists for gpio-sim" "the lists of Debian's amd64 packages|127.0.0.1|$todo" images gpiosim
refused "no packages" "not downloaded: busybox-static libportaudio2|127.0.0.1|$todo" packages
refused "no tools" "Not installed: |qemu-system-arm|$todo" tools
[ ! -e "$work/empty/pi/stamp" ] && [ ! -e "$work/empty/gpiosim/stamp" ] || die "an image without its parts was kept"
