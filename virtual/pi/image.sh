#!/usr/bin/env bash
# Makes what the emulated Raspberry Pi boots: kernel, device tree, and the parts
# of the initramfs that are Debian's. Kept in $1; nothing is downloaded twice.
# FRESH=1 downloads anew.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
cache=$1
. "$here/../common/packages.sh"

# A change of this script is another image.
stamp=$(cat "$here/image.sh" "$here/../common/packages.sh" | sha256sum | cut -c1-16)
[ "${FRESH:-}" != 1 ] && [ "$(cat "$cache/pi/stamp" 2>/dev/null)" = "$stamp" ] && exit 0

say "downloading Debian's arm64 kernel and libraries"
new=$cache/pi.new
rm -rf "$new"
mkdir -p "$new"
packages_open arm64
# The name of the kernel's package moves with each security update.
kernel=$(packages_depends linux-image-arm64)
packages_get "$new/debs/kernel" "$kernel"
packages_get "$new/debs/root" busybox-static libportaudio2 portaudio19-dev libasound2 libasound2-dev \
  libasound2-data libjack-jackd2-0 libjack0 libdb5.3 libstdc++6 libgcc-s1 libc6

say "unpacking $kernel"
packages_unpack "$new/debs/kernel" "$new/kernel" './boot/vmlinuz-*' './boot/config-*' \
  './usr/lib/linux-image-*/broadcom/bcm2837-rpi-3-b.dtb' './lib/modules/*/modules.*' './lib/modules/*/kernel/sound/*' './lib/modules/*/kernel/lib/*'
packages_unpack "$new/debs/root" "$new/root"
rm -rf "$new/debs"
release=$(basename "$new"/kernel/lib/modules/*)
echo "$release" > "$new/release"
cp "$new/kernel/boot/vmlinuz-$release" "$new/vmlinuz"

# What the Pi's firmware puts into the device tree, and line names that are not
# also periph's aliases.
dtb=$new/pi.dtb
cp "$new"/kernel/usr/lib/linux-image-*/broadcom/bcm2837-rpi-3-b.dtb "$dtb"
fdtput -cp "$dtb" /system
fdtput -t x "$dtb" /system linux,revision a02082
gpio=$(fdtget -l "$dtb" /soc | grep '^gpio@' | head -n 1)
read -r -a names <<<"$(fdtget -t s "$dtb" "/soc/$gpio" gpio-line-names | sed 's/PWM0_OUT/PWM0_LINE/; s/PWM1_OUT/PWM1_LINE/')"
fdtput -t s "$dtb" "/soc/$gpio" gpio-line-names "${names[@]}"

depmod -b "$new/kernel" "$release"
# In the order in which they are loaded.
modprobe -d "$new/kernel" -S "$release" --show-depends snd-aloop | awk '$1 == "insmod" { print $2 }' > "$new/modules"
[ -s "$new/modules" ] || die "$kernel has no snd-aloop"
echo "$stamp" > "$new/stamp"
rm -rf "$cache/pi"
mv "$new" "$cache/pi"
sed -i "s|$new/|$cache/pi/|" "$cache/pi/modules"
