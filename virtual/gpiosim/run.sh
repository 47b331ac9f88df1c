#!/usr/bin/env bash
# Boots Debian's amd64 kernel with simulated GPIO lines and runs in it, as they
# are shipped: the tests of gpio that need a kernel, the suite that every bench
# must pass, and whole cycles against `resetrig sim`, with the relays' lines and
# the senses' on the kernel's own character device. The exit code is the guest's.
#
#   run.sh [WORD…]   only the cases whose names hold one of the words
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../common/run.sh"
[ "$(dpkg --print-architecture 2>/dev/null)" = amd64 ] ||
  die "gpio-sim is compiled for amd64, and this is not Debian on amd64; make virtual does not need that"

bench_open gpiosim gpiosim
root=$work/root
mkdir -p "$root"/{bin,dev,proc,sys,tmp}
export CGO_ENABLED=0 GOOS=linux GOARCH=amd64
build -o "$root/resetrig" ./cmd/resetrig
build -o "$root/guest" ./virtual/gpiosim/guest
(cd "$top" && "$GO" test -c -trimpath -ldflags '-s -w' -o "$root/gpio.test" ./gpio)
image_wait

stage "initramfs"
install -m 755 "$image/busybox" "$root/bin/"
cp "$image"/*.ko "$root/"
install -m 755 "$here/init" "$root/init"
printf '%s\n' "$@" > "$root/words"
pack "$root" > "$work/initramfs"

# icount makes time in the guest the count of its instructions: a busy machine
# is not seen, and time in which it idles is skipped. Never with KVM, which may
# be there and hang.
machine gpiosim qemu-system-x86_64 -accel tcg -M q35 -cpu max -smp 1 -icount shift=1,sleep=off -m 512 \
  -nodefaults -no-user-config -display none -serial stdio -no-reboot \
  -kernel "$image/vmlinuz" -initrd "$work/initramfs" \
  -append "console=ttyS0 quiet panic=-1 mitigations=off tsc=reliable no_timer_check random.trust_cpu=on"
watch
bench_close
