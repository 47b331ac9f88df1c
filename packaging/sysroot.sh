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
if [ "${FRESH:-}" = 1 ] || [ "$(cat "$root/stamp" 2>/dev/null)" != "$stamp" ]; then
  say "downloading Debian's PortAudio for $2"
  rm -rf "$root.new"
  packages_open "$2"
  packages_get "$root.new/debs" libportaudio2 portaudio19-dev libasound2 libasound2-dev libjack-jackd2-0 libjack0 libdb5.3 libstdc++6 libgcc-s1
  packages_unpack "$root.new/debs" "$root.new"
  rm -rf "$root.new/debs"
  echo "$stamp" >"$root.new/stamp"
  rm -rf "$root"
  mv "$root.new" "$root"
fi
echo "$root"
