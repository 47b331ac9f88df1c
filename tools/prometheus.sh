#!/usr/bin/env bash
# Fetches Debian's promtool into the cache: the tests hold the metrics, the alert
# rules and the dashboard against it. The package itself is not installed, since
# it would start a server, now and at every boot.
set -euo pipefail

into=${XDG_CACHE_HOME:-$HOME/.cache}/resetrig/prometheus
[ -x "$into/promtool" ] && exit 0
as_root=()
if [ "$(id -u)" -ne 0 ] && command -v sudo >/dev/null; then as_root=(sudo); fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
chmod 755 "$work" # apt downloads as a user of its own
cd "$work"
echo "Fetching: promtool"
apt-get download -qq prometheus >/dev/null 2>&1 || {
  "${as_root[@]}" apt-get -o DPkg::Lock::Timeout=300 update -qq && apt-get download -qq prometheus >/dev/null
} || {
  echo "Not fetched: prometheus. Look at this machine's network and at its apt sources, then run it again." >&2
  exit 1
}
dpkg -x prometheus_*.deb root
mkdir -p "$into"
mv root/usr/bin/promtool "$into/promtool.new"
mv "$into/promtool.new" "$into/promtool"
