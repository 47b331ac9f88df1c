#!/usr/bin/env bash
# Makes what the emulated Raspberry Pi boots: kernel, device tree, and the parts
# of the initramfs that are Debian's. Kept in $1/pi; nothing is downloaded twice.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../common/image.sh"
image_begin pi

say "downloading Debian's arm64 kernel and libraries"
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
sed -i "s|$new/|$image/|" "$new/modules"
image_end
