#!/usr/bin/env bash
# Boots Debian's amd64 kernel with simulated GPIO lines and runs in it, as they
# are shipped: the tests of gpio that need a kernel, the suite that every bench
# must pass, and whole cycles against `resetrig sim`, with the relays' lines and
# the senses' on the kernel's own character device. The exit code is the guest's.
#
# What is fetched is kept in the cache folder, beside the other virtual bench's.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)
cache=${RESETRIG_VIRTUAL_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/resetrig/virtual}
mkdir -p "$cache"
cache=$(cd "$cache" && pwd)
. "$here/../common/packages.sh"
most=${RESETRIG_VIRTUAL_LIMIT:-1200} # seconds of real time, all in all
began=$SECONDS

[ "$(dpkg --print-architecture 2>/dev/null)" = amd64 ] ||
  die "gpio-sim is compiled for amd64, and this is not Debian on amd64; make virtual does not need that"
"$top/tools/setup.sh" gpiosim
(
  flock 9 # another run may be at it
  "$here/image.sh" "$cache"
) 9>"$cache/gpiosim.lock"
image=$cache/gpiosim/guest

work=$(mktemp -d)
qemu=
trap '[ -z "$qemu" ] || kill "$qemu" 2>/dev/null || true; rm -rf "$work"' EXIT
trap 'exit 130' INT TERM
say "building for amd64"
cd "$top"
root=$work/root
mkdir -p "$root"/{bin,dev,proc,sys,tmp}
cp "$image/busybox" "$root/bin/"
cp "$image"/*.ko "$root/"
install -m 755 "$here/init" "$root/init"
GO=${GO:-go}
version=$(git describe --tags --always --dirty 2>/dev/null || echo dev)
export CGO_ENABLED=0 GOOS=linux GOARCH=amd64
"$GO" build -trimpath -ldflags "-s -w -X main.version=$version" -o "$root/resetrig" ./cmd/resetrig
"$GO" build -trimpath -ldflags '-s -w' -o "$root/guest" ./virtual/gpiosim/guest
"$GO" test -c -trimpath -ldflags '-s -w' -o "$root/gpio.test" ./gpio
chmod 755 "$root/bin/busybox"
(cd "$root" && find . | LC_ALL=C sort | cpio -o -H newc -R 0:0 --quiet) >"$work/initramfs"

# icount makes time in the guest the count of its instructions: a busy machine
# is not seen, and time in which it idles is skipped. Never with KVM, which may
# be there and hang.
say "booting after $((SECONDS - began)) s"
set +e
qemu-system-x86_64 -accel tcg -M q35 -cpu max -smp 1 -icount shift=1,sleep=off -m 512 \
  -nodefaults -no-user-config -display none -serial stdio -no-reboot \
  -device isa-debug-exit,iobase=0xf4,iosize=0x04 \
  -kernel "$image/vmlinuz" -initrd "$work/initramfs" \
  -append "console=ttyS0 quiet panic=-1 mitigations=off tsc=reliable no_timer_check random.trust_cpu=on" \
  </dev/null >"$work/console" 2>&1 &
qemu=$!
tail -n +1 -f --pid="$qemu" "$work/console" | sed -u 's|\r||g' &
show=$!
while kill -0 "$qemu" 2>/dev/null && [ $((SECONDS - began)) -lt "$most" ]; do sleep 0.5; done
if kill -0 "$qemu" 2>/dev/null; then
  kill "$qemu"
  late=yes
fi
wait "$qemu"
code=$?
qemu=
wait "$show"
set -e
[ -z "${late:-}" ] || die "the guest was not done after $most s"
# The device ends QEMU with twice the guest's code and one more: anything even
# is no word of the guest.
((code % 2 == 1)) || die "QEMU ended with $code, and the guest had not said how it ended: look at what it printed last"
code=$((code / 2))
say "done after $((SECONDS - began)) s: $([ "$code" -eq 0 ] && echo every case held || echo "exit $code")"
exit "$code"
