#!/usr/bin/env bash
# Builds the arm64 package, unpacks it with the image's parts into an initramfs,
# boots the emulated Raspberry Pi 3B and runs the cases named in it.
#
#   run.sh SUITE…        several suites run at the same time, each on a Pi of its own
#   run.sh "CASE CASE"   single cases
#
# The exit code is the guest's: 0 where every case held.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../common/run.sh"

bench_open pi virtual
tree=$work/tree
mkdir -p "$tree"/{lib,usr/bin,usr/share,modules,dev}
ln -s usr/bin "$tree/bin" # as on Debian
export GOOS=linux GOARCH=arm64
CGO_ENABLED=0 build -o "$tree/bin/guest" ./virtual/pi/guest
(cd "$top" && CGO_ENABLED=0 "$GO" test -c -trimpath -o "$tree/bin/audio.test" ./audio)
# The same program with one file more, in which a goroutine panics on request.
printf '{"Replace":{"%s/cmd/resetrig/zz_panic.go":"%s/panic.go.txt"}}' "$top" "$here" > "$work/overlay.json"
CGO_ENABLED=0 build -overlay "$work/overlay.json" -o "$tree/bin/resetrig-panics" ./cmd/resetrig
image_wait

unset GOOS GOARCH
# What is tested is what is installed on a Pi: the programs of the package.
deb=$(RESETRIG_VERSION=$version "$top/packaging/build.sh" -o "$work/package" arm64)
dpkg-deb --fsys-tarfile "$deb" | tar -x -C "$tree" --keep-directory-symlink

root=$image/root lib=$image/root/usr/lib/aarch64-linux-gnu
stage "initramfs"
cp "$root/bin/busybox" "$tree/bin/"
install -m 755 "$here/init" "$tree/init"
while read -r m; do
  cp "$m" "$tree/modules/"
  echo "/modules/$(basename "$m")" >> "$tree/modules.list"
done < "$image/modules"
# The shared libraries that the microphone's program needs, and theirs.
need() {
  local so file
  for so in $(aarch64-linux-gnu-objdump -p "$1" | awk '$1 == "NEEDED" { print $2 }'); do
    [ -e "$tree/lib/$so" ] && continue
    file=$(find -L "$root/lib/aarch64-linux-gnu" "$lib" -maxdepth 2 -name "$so" 2>/dev/null | head -n 1)
    [ -n "$file" ] || die "no package has $so, which $(basename "$1") needs"
    cp -L "$file" "$tree/lib/$so"
    need "$file"
  done
}
need "$tree/usr/lib/resetrig/resetrig-mic"
[ -e "$tree/lib/ld-linux-aarch64.so.1" ] || cp -L "$root/lib/aarch64-linux-gnu/ld-linux-aarch64.so.1" "$tree/lib/"
# PortAudio needs ALSA's whole configuration: with a small one it aborts.
cp -r "$root/usr/share/alsa" "$tree/usr/share/alsa"
rm -rf "$tree"/usr/share/alsa/{ucm,ucm2,topology}
pack "$tree" > "$work/initramfs"

# Guest time is the count of instructions (icount), so a busy host changes
# nothing in it. Never a hardware accelerator: it may exist and hang.
for suite in "$@"; do
  name=$suite
  [ "$suite" = "${suite%% *}" ] || name=cases
  mkdir "$work/$name" && echo "$suite" > "$work/$name/suite"
  { cat "$work/initramfs"; pack "$work/$name"; } > "$work/$name.initramfs"
  machine "$name" qemu-system-aarch64 -accel tcg -M raspi3b -icount shift=1,sleep=off \
    -display none -serial null -serial stdio -no-reboot \
    -kernel "$image/vmlinuz" -dtb "$image/pi.dtb" -initrd "$work/$name.initramfs" \
    -append "console=ttyS1,115200 panic=-1 random.trust_cpu=on quiet loglevel=0 iomem=relaxed ${RESETRIG_VIRTUAL_APPEND:-}"
done
watch

# How the program ends: the README's table is what held here, row by row.
endings() {
  local row bad=0
  cat "${names[@]/%/.log}" | tr -d '\r' | sed -n 's/^.*RESETRIG-VIRTUAL END //p' > seen
  sed -n '/^| how the program ends/,/^$/p' "$top/README.md" | sed -n '3,$ s/^|/|/p' > rows
  say "how the program ends, and what was measured:"
  while read -r row; do
    say "$row"
    grep -F -e "$row @ " seen | sed 's/^.* | @ /          /' >&2 || { say "          in README.md, and no case that held says so"; bad=1; }
  done < rows
  # The other way round: what held and stands nowhere.
  while read -r row; do
    grep -q -x -F -e "$row" rows || { say "$row"; say "          held, and not in README.md"; bad=1; }
  done < <(sed 's/ @ .*//' seen | sort -u)
  [ "$bad" -eq 0 ] || code=1
}
if [[ " $* " == *" cycles "* && " $* " == *" faults "* ]]; then
  cd "$work" && endings
fi
bench_close
