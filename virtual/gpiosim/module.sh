#!/usr/bin/env bash
# Takes from the packages in the folder named on the command line what the guest
# needs: kernel, configfs, busybox, and gpio-sim, which no Debian kernel ships.
# gpio-sim is compiled out of tree from the three files of the kernel's own
# source package (GPL); nothing of it is kept in this repository.
set -euo pipefail
cache=$(realpath "$1")
version=$(cat "$cache/kernel")
fail() { echo "virtual-sim: $*" >&2; exit 3; }

work=$cache/work out=$cache/guest
rm -rf "$work" "$out"
mkdir -p "$work/root" "$work/module" "$out"
for p in "$cache"/deb/linux-headers-*.deb "$cache"/deb/linux-kbuild-*.deb "$cache"/deb/busybox-static_*.deb; do
  dpkg -x "$p" "$work/root" || fail "$p cannot be unpacked"
done
dpkg --fsys-tarfile "$cache"/deb/linux-image-*.deb |
  tar -x -C "$work/root" --wildcards './boot/vmlinuz-*' "./lib/modules/$version/kernel/fs/configfs/*" ||
  fail "the kernel's package holds no kernel or no configfs where they are expected"

source=$(basename "$cache"/deb/linux-source-*.deb | cut -d_ -f1)
for f in drivers/gpio/gpio-sim.c drivers/gpio/gpiolib.h kernel/irq/irq_sim.c; do echo "$source/$f"; done >"$work/files"
# The three files are all near the beginning: tar stops reading after them.
dpkg --fsys-tarfile "$cache"/deb/linux-source-*.deb 2>/dev/null | tar -x -O --occurrence "./usr/src/$source.tar.xz" 2>/dev/null |
  xz -dc -T0 2>/dev/null | tar -x -C "$work" --strip-components=1 --occurrence=1 -T "$work/files" 2>"$work/tar.log" || true
for f in drivers/gpio/gpio-sim.c drivers/gpio/gpiolib.h kernel/irq/irq_sim.c; do
  [ -s "$work/$f" ] || fail "the kernel's source package holds no $f: $(tail -1 "$work/tar.log")"
  mv "$work/$f" "$work/module/"
done

# irq_to_desc is not exported to modules; the descriptor of the same interrupt
# comes from its data as well.
sed -i 's/irq_to_desc(\([a-z]*\))/irq_data_to_desc(irq_get_irq_data(\1))/' "$work"/module/*.c
cat >"$work/module/Makefile" <<'MAKE'
obj-m := gpio-sim-rig.o
gpio-sim-rig-y := gpio-sim.o irq_sim.o
MAKE

# The headers' own makefiles name each other by absolute paths.
grep -rlZ -e '/usr/src/linux-headers' -e '/usr/lib/linux-kbuild' "$work/root/usr/src/linux-headers-$version" --include=Makefile --include='*.mk' --include=Kbuild |
  xargs -0 -r sed -i "s#\(^\|[^A-Za-z0-9_.]\)/usr/\(src/linux-headers\|lib/linux-kbuild\)#\1$work/root/usr/\2#g"
make -C "$work/root/usr/src/linux-headers-$version" M="$work/module" modules >"$work/make.log" 2>&1 ||
  fail "gpio-sim does not compile against the kernel's headers: $(grep -m3 -iE 'error|not found' "$work/make.log" || tail -3 "$work/make.log")"

cp "$work"/root/boot/vmlinuz-* "$out/vmlinuz"
cp "$work/root/bin/busybox" "$out/busybox"
cp "$work/module/gpio-sim-rig.ko" "$out/"
for m in "$work/root/lib/modules/$version"/kernel/fs/configfs/configfs.ko*; do
  case $m in
    *.xz) xz -dc "$m" >"$out/configfs.ko" ;;
    *) cp "$m" "$out/configfs.ko" ;;
  esac
done
rm -rf "$work"
