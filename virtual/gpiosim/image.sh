#!/usr/bin/env bash
# Makes what the guest of this bench boots: Debian's amd64 kernel, busybox, and
# gpio-sim, which no Debian kernel ships. It is compiled out of tree from three
# files of the kernel's own source package (GPL); nothing of it is kept in this
# repository. Kept in $1/gpiosim; nothing is downloaded twice.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../common/image.sh"
image_begin gpiosim

say "downloading Debian's amd64 kernel, its headers and its source"
packages_open amd64
# The names of the kernel's packages move with each security update.
kernel=$(packages_depends linux-image-amd64 '^linux-image-[0-9]')
version=${kernel#linux-image-}
headers=linux-headers-$version
common=$(packages_depends "$headers" '^linux-headers-.*common')
kbuild=$(packages_depends "$headers" '^linux-kbuild-')
source=$(packages_depends linux-source '^linux-source-[0-9]')
packages_get "$new/debs/kernel" "$kernel"
packages_get "$new/debs/root" "$headers" "$common" "$kbuild" busybox-static
packages_get "$new/debs/source" "$source"

say "unpacking $kernel"
packages_unpack "$new/debs/kernel" "$new/kernel" './boot/vmlinuz-*' './lib/modules/*/kernel/fs/configfs/*' './usr/lib/modules/*/kernel/fs/configfs/*'
packages_unpack "$new/debs/root" "$new/root"
mkdir "$new/module"
files=(drivers/gpio/gpio-sim.c drivers/gpio/gpiolib.h kernel/irq/irq_sim.c)
# Both tars stop reading once they have what they want, which whoever writes to
# them takes for a broken pipe.
{ dpkg-deb --fsys-tarfile "$new"/debs/source/*.deb | tar -x -O --occurrence "./usr/src/$source.tar.xz" |
  xz -dc -T0 | tar -x -C "$new/module" --strip-components=1 --occurrence "${files[@]/#/$source/}"; } 2>"$new/tar.log" || true
for f in "${files[@]}"; do
  [ -s "$new/module/$f" ] || die "$source holds no $f: $(tail -n 1 "$new/tar.log")"
  mv "$new/module/$f" "$new/module/"
done

say "compiling gpio-sim for $version"
# irq_to_desc is not exported to modules; the same interrupt's descriptor comes
# from its data too.
sed -i 's/irq_to_desc(\([a-z]*\))/irq_data_to_desc(irq_get_irq_data(\1))/' "$new"/module/*.c
# Raspberry Pi's kernels go on driving a line whose owner has died, while a
# parameter of their pinctrl driver says so. gpio-sim gets the same parameter,
# and a name under which the programs look for it.
sed -i -e '/^static void gpio_sim_free(/i static bool persist_gpio_outputs;\nmodule_param(persist_gpio_outputs, bool, 0644);\n' \
  -e '/^static void gpio_sim_free(/,/^}/ s/^\tmutex_lock(/\tif (persist_gpio_outputs \&\& !test_bit(offset, chip->direction_map))\n\t\treturn;\n&/' "$new/module/gpio-sim.c"
[ "$(grep -c persist_gpio_outputs "$new/module/gpio-sim.c")" -eq 3 ] || die "$source has another gpio-sim than this script knows"
printf '%s\n' 'obj-m := pinctrl-gpiosim.o' 'pinctrl-gpiosim-y := gpio-sim.o irq_sim.o' >"$new/module/Makefile"
# The headers' makefiles name each other by absolute paths.
grep -rlZ -e '/usr/src/linux-headers' -e '/usr/lib/linux-kbuild' "$new/root/usr/src/$headers" --include=Makefile --include='*.mk' --include=Kbuild |
  xargs -0 -r sed -i "s#\(^\|[^A-Za-z0-9_.]\)/usr/\(src/linux-headers\|lib/linux-kbuild\)#\1$new/root/usr/\2#g"
if ! make -C "$new/root/usr/src/$headers" M="$new/module" modules >"$new/make.log" 2>&1; then
  cat "$new/make.log" >&2
  die "gpio-sim does not compile against $headers (above is what make says)"
fi

cp "$new"/kernel/boot/vmlinuz-* "$new/vmlinuz"
cp "$new/root/bin/busybox" "$new/module/pinctrl-gpiosim.ko" "$new/"
# A kernel that has configfs built in has no such file.
find "$new/kernel" -name 'configfs.ko*' | while read -r m; do
  case $m in
    *.xz) xz -dc "$m" >"$new/configfs.ko" ;;
    *) cp "$m" "$new/configfs.ko" ;;
  esac
done
rm -rf "$new"/{root,kernel,module,make.log,tar.log}
image_end
