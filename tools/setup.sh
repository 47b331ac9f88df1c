#!/usr/bin/env bash
# Installs what is missing of the Debian packages that the words on its command
# line need: build (the microphone's program), test (a real capture path, and a
# web server and a browser that tests start themselves),
# virtual (the emulated Raspberry Pi), gpiosim (the other virtual bench), deb (the
# packages for all architectures), debtest (a clean Debian to install them in),
# lintian.
set -euo pipefail

declare -A packages=(
  [build]="gcc libc6-dev pkg-config portaudio19-dev"
  [test]="pulseaudio pulseaudio-utils libasound2-plugins openssl curl lighttpd lighttpd-mod-openssl chromium e2fsprogs mount systemd"
  [virtual]="qemu-system-arm device-tree-compiler cpio kmod pkg-config gcc-aarch64-linux-gnu libc6-dev-arm64-cross"
  [gpiosim]="qemu-system-x86 gcc libc6-dev make cpio xz-utils"
  [deb]="gcc libc6-dev pkg-config gcc-aarch64-linux-gnu libc6-dev-arm64-cross gcc-arm-linux-gnueabihf libc6-dev-armhf-cross"
  [debtest]="mmdebstrap systemd-container util-linux"
  [lintian]="lintian"
)

case " $* " in *" test "*) "$(dirname "$0")/prometheus.sh" ;; esac
missing=()
for word in "$@"; do
  for p in ${packages[$word]}; do
    dpkg-query -W -f='${Status}' "$p" 2>/dev/null | grep -q 'ok installed' || missing+=("$p")
  done
done
[ ${#missing[@]} -eq 0 ] && exit 0

as_root=()
if [ "$(id -u)" -ne 0 ]; then
  command -v sudo >/dev/null || { echo "These packages are missing, and there is no sudo to install them with: ${missing[*]}" >&2; exit 1; }
  as_root=(sudo)
fi
echo "Installing: ${missing[*]}"
# The package would start its web server on port 80, now and at every boot.
case " ${missing[*]} " in *" lighttpd "*)
  "${as_root[@]}" mkdir -p /etc/systemd/system
  [ -e /etc/systemd/system/lighttpd.service ] || "${as_root[@]}" ln -s /dev/null /etc/systemd/system/lighttpd.service ;;
esac
export DEBIAN_FRONTEND=noninteractive
# Another apt may be at work: it is waited for.
apt=("${as_root[@]}" apt-get -o DPkg::Lock::Timeout=300)
install=("${apt[@]}" install -y -qq --no-install-recommends "${missing[@]}")
# The package lists may be old or absent: an install that fails is tried once
# more with new ones.
"${install[@]}" >/dev/null 2>&1 || {
  "${apt[@]}" update -qq && "${install[@]}" >/dev/null
} || {
  echo "Not installed: ${missing[*]}" >&2
  echo "Above is what apt says. Look at this machine's network and at its apt sources, or install them by hand, then run it again." >&2
  exit 1
}
