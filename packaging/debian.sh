#!/usr/bin/env bash
# A clean Debian with systemd, as a tar, and the packages that resetrig depends
# on beside it. Kept in $1/debian; nothing is downloaded twice. It runs as root.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
cache=$1
. "$here/../virtual/common/say.sh"
. "$here/../virtual/common/packages.sh"

root=$cache/debian
stamp=$(cat "$0" "$here/../virtual/common/packages.sh" | sha256sum | cut -c1-16)
[ "${FRESH:-}" != 1 ] && [ "$(cat "$root/stamp" 2>/dev/null)" = "$stamp" ] && exit 0

say "making a clean Debian"
. /etc/os-release
rm -rf "$root.new"
mkdir -p "$root.new"
packages_open "$(dpkg --print-architecture)"
# Pages and words in other languages are left out here, and not in what is installed later.
apt_says "a clean Debian" mmdebstrap --mode=root --variant=minbase --include=systemd,systemd-sysv,udev,dbus,adduser \
  --aptopt='Acquire::Retries "3"' \
  --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/locale/*' --dpkgopt='path-exclude=/usr/share/man/*' \
  --customize-hook='rm -f "$1"/etc/dpkg/dpkg.cfg.d/99mmdebstrap' \
  --customize-hook='rm -f "$1"/var/cache/apt/archives/*.deb' \
  --customize-hook='APT_CONFIG=$MMDEBSTRAP_APT_CONFIG apt-get -qq -y --no-install-recommends --download-only install libportaudio2' \
  --customize-hook='mkdir "$1"/deps && cp "$1"/var/cache/apt/archives/*.deb "$1"/deps/' \
  --format=tar "$VERSION_CODENAME" "$root.new/root.tar" "$aptdir/sources.d/debian.sources"
echo "$stamp" >"$root.new/stamp"
rm -rf "$root"
mv "$root.new" "$root"
