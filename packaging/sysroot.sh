#!/usr/bin/env bash
# The headers and libraries of Debian's PortAudio for one architecture, which the
# microphone's program is linked with. Kept in $1/sysroot-$2; nothing is
# downloaded twice. Prints the folder.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
cache=$1
. "$here/../virtual/common/say.sh"
. "$here/../virtual/common/packages.sh"

root=$cache/sysroot-$2
stamp=$(cat "$0" "$here/../virtual/common/packages.sh" | sha256sum | cut -c1-16)
fresh() { [ "${FRESH:-}" != 1 ] && [ "$(cat "$root/stamp" 2>/dev/null)" = "$stamp" ]; }
fill() {
  say "downloading Debian's PortAudio for $2"
  rm -rf "$root.new"
  # Of the release alone: what is linked with is the same in its updates, and
  # with an apt of its own the virtual benches' lists stay as they are.
  cache=$cache/release
  packages_sources "$2"
  . /etc/os-release
  awk -v RS= -v ORS='\n\n' -v suite="Suites: $VERSION_CODENAME" '{ n = split($0, l, "\n"); for (i = 1; i <= n; i++) if (l[i] == suite) print }' \
    "$aptdir/sources.d/debian.sources" >"$aptdir/release"
  [ -s "$aptdir/release" ] || die "this machine's apt has no source for $VERSION_CODENAME itself: look at /etc/apt"
  mv "$aptdir/release" "$aptdir/sources.d/debian.sources"
  apt_says "the list of Debian's $2 packages" apt-get "${apt_options[@]}" -qq update
  packages_get "$root.new/debs" libportaudio2 portaudio19-dev libasound2 libasound2-dev libjack-jackd2-0 libjack0 libdb5.3 libstdc++6 libgcc-s1
  packages_unpack "$root.new/debs" "$root.new"
  rm -rf "$root.new/debs"
  echo "$stamp" >"$root.new/stamp"
  rm -rf "$root"
  mv "$root.new" "$root"
}
fresh || (
  flock 9 # another build may be at it
  fresh || fill "$@"
) 9>"$root.lock"
echo "$root"
