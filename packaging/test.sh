#!/usr/bin/env bash
# Installs the packages of this machine's architecture into a clean Debian:
# first where no systemd runs (install, demo, upgrade, remove, purge), then
# booted under a systemd of its own (a soak that dies, hangs, is upgraded and
# rebooted). Exit code 0 where everything held.
#
# It takes root: sudo is asked where it is not there. The Debian is a container
# in memory without a network; nothing of this machine is changed.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../virtual/common/say.sh"
cache=${RESETRIG_VIRTUAL_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/resetrig/virtual}

# The part that is root's, in a mount namespace of its own.
inside() {
  local work=$1 old new
  old=$(basename "$work"/old/*.deb) new=$(basename "$work"/new/*.deb)
  # nspawn wants a /run of its own; the root in memory goes with the namespace.
  mount -t tmpfs tmpfs /run
  mkdir /run/debian
  mount -t tmpfs -o size=2g tmpfs /run/debian
  tar -x --numeric-owner -f "$cache/debian/root.tar" -C /run/debian
  mkdir /run/debian/packtest
  cp "$work"/{old,new}/*.deb "$here"/test/*.sh /run/debian/packtest/
  # Unified whatever this machine has: what a Debian of today boots with.
  export SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1
  local nspawn=(systemd-nspawn -q --keep-unit --register=no --private-network --resolv-conf=off --timezone=off --console=pipe -D /run/debian)
  timeout 300 "${nspawn[@]}" --as-pid2 bash /packtest/install.sh "/packtest/$old" "/packtest/$new" </dev/null || true
  holds installed || die "the package does not install as it must: see above"
  say "installed, upgraded, removed, purged after $SECONDS s"

  cat >/run/debian/etc/systemd/system/packtest.service <<END
[Unit]
FailureAction=poweroff
[Service]
Type=oneshot
ExecStart=/bin/bash /packtest/boot.sh /packtest/$new
StandardOutput=append:/packtest/log
StandardError=append:/packtest/log
TimeoutStartSec=240
[Install]
WantedBy=multi-user.target
END
  mkdir -p /run/debian/etc/systemd/system/multi-user.target.wants
  ln -s ../packtest.service /run/debian/etc/systemd/system/multi-user.target.wants/
  : >/run/debian/packtest/log
  local ended=133 # nspawn's word for a container that wants to be booted again
  while [ "$ended" -eq 133 ]; do
    ended=0
    timeout 300 "${nspawn[@]}" --boot >"$work/console" 2>&1 </dev/null || ended=$?
  done
  cat /run/debian/packtest/log
  holds booted || {
    [ -s /run/debian/packtest/log ] || tail -n 40 "$work/console"
    die "under systemd it does not hold (nspawn ended with $ended): see above"
  }
  say "booted twice under systemd after $SECONDS s"
}

# holds FILE: a script came to its end, and found nothing wrong.
holds() { [ -e "/run/debian/packtest/$1" ] && [ ! -e /run/debian/packtest/failures ]; }

if [ "${1:-}" = inside ]; then
  inside "$2"
  exit
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$here/../tools/setup.sh" build deb debtest
mkdir -p "$cache"
cache=$(cd "$cache" && pwd)
arch=$(dpkg --print-architecture)
"$here/build.sh" -o "$work/old" "$arch" >/dev/null
RESETRIG_VERSION=v9.9.9 "$here/build.sh" -o "$work/new" "$arch" >/dev/null
say "two versions are built after $SECONDS s"
as_root=(env)
[ "$(id -u)" -eq 0 ] || as_root=(sudo env)
as_root+=("RESETRIG_VIRTUAL_CACHE=$cache")
(
  flock 9 # another run may be at it
  "${as_root[@]}" "$here/debian.sh" "$cache"
) 9>"$cache/debian.lock"
"${as_root[@]}" unshare --mount --propagation private "$here/test.sh" inside "$work"
say "the package holds, after $SECONDS s"
