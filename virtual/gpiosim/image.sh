#!/usr/bin/env bash
# Makes what the guest of this bench boots: Debian's amd64 kernel, busybox, and
# gpio-sim, which no Debian kernel ships. It is compiled out of tree from three
# files of the kernel's own source package (GPL); nothing of it is kept in this
# repository. Kept in $1/gpiosim; nothing is downloaded twice. FRESH=1 downloads
# anew.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
cache=$1
. "$here/../common/packages.sh"

# A change of this script is another image.
stamp=$(cat "$here/image.sh" "$here/../common/packages.sh" | sha256sum | cut -c1-16)
[ "${FRESH:-}" != 1 ] && [ "$(cat "$cache/gpiosim/stamp" 2>/dev/null)" = "$stamp" ] && exit 0

say "downloading Debian's amd64 kernel, its headers and its source"
new=$cache/gpiosim.new
rm -rf "$new"
mkdir -p "$new/module"
packages_open amd64
# The names of the kernel's packages move with each security update.
among() { # PACKAGE PATTERN
  apt-cache "${apt_options[@]}" depends "$1" | sed -n 's/^ *Depends: *//p' | grep -m 1 "$2" ||
    die "Debian's $1 depends on nothing like $2"
}
image=$(among linux-image-amd64 '^linux-image-[0-9]')
version=${image#linux-image-}
headers=linux-headers-$version
common=$(among "$headers" '^linux-headers-.*common')
kbuild=$(among "$headers" '^linux-kbuild-')
source=$(among linux-source '^linux-source-[0-9]')
packages_get "$new/debs/kernel" "$image"
packages_get "$new/debs/root" "$headers" "$common" "$kbuild" busybox-static
packages_get "$new/debs/source" "$source"

say "unpacking $image"
packages_unpack "$new/debs/kernel" "$new/kernel" './boot/vmlinuz-*' './lib/modules/*/kernel/fs/configfs/*' './usr/lib/modules/*/kernel/fs/configfs/*'
packages_unpack "$new/debs/root" "$new/root"
files=(drivers/gpio/gpio-sim.c drivers/gpio/gpiolib.h kernel/irq/irq_sim.c)
# Both tars stop reading once they have what they want, which whoever writes to
# them takes for a broken pipe.
{ dpkg-deb --fsys-tarfile "$new"/debs/source/*.deb | tar -x -O --occurrence "./usr/src/$source.tar.xz" |
  xz -dc -T0 | tar -x -C "$new/module" --strip-components=1 --occurrence "${files[@]/#/$source/}"; } 2>"$new/tar.log" || true
for f in "${files[@]}"; do
  [ -s "$new/module/$f" ] || die "$source holds no $f: $(tail -n 1 "$new/tar.log")"
  mv "$new/module/$f" "$new/module/"
done
rm -rf "$new/debs"

say "compiling gpio-sim for $version"
# irq_to_desc is not exported to modules; the same interrupt's descriptor comes
# from its data too.
sed -i 's/irq_to_desc(\([a-z]*\))/irq_data_to_desc(irq_get_irq_data(\1))/' "$new"/module/*.c
printf '%s\n' 'obj-m := gpio-sim-rig.o' 'gpio-sim-rig-y := gpio-sim.o irq_sim.o' >"$new/module/Makefile"
# The headers' makefiles name each other by absolute paths.
grep -rlZ -e '/usr/src/linux-headers' -e '/usr/lib/linux-kbuild' "$new/root/usr/src/$headers" --include=Makefile --include='*.mk' --include=Kbuild |
  xargs -0 -r sed -i "s#\(^\|[^A-Za-z0-9_.]\)/usr/\(src/linux-headers\|lib/linux-kbuild\)#\1$new/root/usr/\2#g"
if ! make -C "$new/root/usr/src/$headers" M="$new/module" modules >"$new/make.log" 2>&1; then
  cat "$new/make.log" >&2
  die "gpio-sim does not compile against $headers (above is what make says)"
fi

mkdir -p "$new/guest"
cp "$new"/kernel/boot/vmlinuz-* "$new/guest/vmlinuz"
cp "$new/root/bin/busybox" "$new/module/gpio-sim-rig.ko" "$new/guest/"
# A kernel that has configfs built in has no such file.
find "$new/kernel" -name 'configfs.ko*' | while read -r m; do
  case $m in
    *.xz) xz -dc "$m" >"$new/guest/configfs.ko" ;;
    *) cp "$m" "$new/guest/configfs.ko" ;;
  esac
done
rm -rf "$new"/{root,kernel,module,make.log,tar.log}
echo "$stamp" >"$new/stamp"
rm -rf "$cache/gpiosim"
mv "$new" "$cache/gpiosim"
