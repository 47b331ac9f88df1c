#!/usr/bin/env bash
# Builds the program for arm64, puts it with the image's parts into an initramfs,
# boots the emulated Raspberry Pi 3B and runs the cases named in it.
#
#   run.sh SUITE…   several suites run at the same time, each on a Pi of its own
#
# The exit code is the guest's: 0 where every case held.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)
cache=${RESETRIG_VIRTUAL_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/resetrig/virtual}
mkdir -p "$cache"
cache=$(cd "$cache" && pwd)
. "$here/../common/packages.sh"
began=$SECONDS

"$top/tools/setup.sh" virtual
(
  flock 9 # another run may be at it
  "$here/image.sh" "$cache" 9>&-
) 9>"$cache/lock"
pi=$cache/pi

work=$(mktemp -d)
pids=()
cleanup() {
  for p in "${pids[@]}"; do kill "$p" 2>/dev/null || true; done
  wait
  rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

say "building for arm64"
GO=${GO:-go}
version=$(git -C "$top" describe --tags --always --dirty 2>/dev/null || echo dev)
build() { "$GO" build -trimpath -ldflags "-s -w -X main.version=$version" "$@"; }
root=$pi/root lib=$pi/root/usr/lib/aarch64-linux-gnu
cd "$top"
mkdir -p "$work/tree/bin"
export GOOS=linux GOARCH=arm64
CGO_ENABLED=0 build -o "$work/tree/bin/resetrig" ./cmd/resetrig
CGO_ENABLED=0 build -o "$work/tree/bin/guest" ./virtual/pi/guest
CGO_ENABLED=1 CC=aarch64-linux-gnu-gcc PKG_CONFIG=pkg-config PKG_CONFIG_LIBDIR=$lib/pkgconfig \
  PKG_CONFIG_PATH= PKG_CONFIG_SYSROOT_DIR=$root CGO_LDFLAGS="-L$lib -Wl,-rpath-link,$lib" \
  build -o "$work/tree/bin/resetrig-mic" ./cmd/resetrig-mic
CGO_ENABLED=0 "$GO" test -c -trimpath -o "$work/tree/bin/audio.test" ./audio
# The same program with one file more, in which a goroutine panics on request.
printf '{"Replace":{"%s/cmd/resetrig/zz_panic.go":"%s/panic.go.txt"}}' "$top" "$here" > "$work/overlay.json"
CGO_ENABLED=0 build -overlay "$work/overlay.json" -o "$work/tree/bin/resetrig-panics" ./cmd/resetrig
unset GOOS GOARCH

say "making the initramfs"
tree=$work/tree
mkdir -p "$tree"/{lib,usr/share,modules,dev}
cp "$root/bin/busybox" "$tree/bin/"
install -m 755 "$here/init" "$tree/init"
: > "$tree/modules.list"
while read -r m; do
  cp "$m" "$tree/modules/"
  echo "/modules/$(basename "$m")" >> "$tree/modules.list"
done < "$pi/modules"
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
need "$tree/bin/resetrig-mic"
[ -e "$tree/lib/ld-linux-aarch64.so.1" ] || cp -L "$root/lib/aarch64-linux-gnu/ld-linux-aarch64.so.1" "$tree/lib/"
# PortAudio needs ALSA's whole configuration: with a small one it aborts.
cp -r "$root/usr/share/alsa" "$tree/usr/share/alsa"
rm -rf "$tree"/usr/share/alsa/{ucm,ucm2,topology}

boot() { # SUITE
  local name=$1
  (cd "$tree" && { find . -mindepth 1; } | cpio --quiet -o -H newc -R 0:0) > "$work/$name.cpio"
  mkdir -p "$work/$name.add" && echo "$name" > "$work/$name.add/suite"
  (cd "$work/$name.add" && echo suite | cpio --quiet -o -H newc -R 0:0) >> "$work/$name.cpio"
  # Guest time is the count of instructions (icount), so a busy host changes
  # nothing in it. Never a hardware accelerator: it may exist and hang.
  exec qemu-system-aarch64 -accel tcg -M raspi3b -icount shift=1,sleep=off \
    -display none -serial null -serial stdio -no-reboot \
    -kernel "$pi/vmlinuz" -dtb "$pi/pi.dtb" -initrd "$work/$name.cpio" \
    -append "console=ttyS1,115200 panic=-1 random.trust_cpu=on quiet loglevel=0 iomem=relaxed ${RESETRIG_VIRTUAL_APPEND:-}" \
    </dev/null >>"$work/$name.log" 2>&1
}

say "booting after $((SECONDS - began)) s: $*"
for suite in "$@"; do
  : > "$work/$suite.log"
  boot "$suite" &
  pids+=($!)
done

# The machine does not end by itself: the guest tells its result.
code=0
i=0
limit=${RESETRIG_VIRTUAL_LIMIT:-1200}
for suite in "$@"; do
  tail -n +1 -f --pid="${pids[i]}" "$work/$suite.log" 2>/dev/null |
    sed -u "s/\r$//; s/^/$suite: /" &
  shown=$!
  until grep -q 'RESETRIG-VIRTUAL RESULT' "$work/$suite.log" 2>/dev/null; do
    if ! kill -0 "${pids[i]}" 2>/dev/null; then
      say "the emulated machine of $suite ended by itself"; break
    fi
    if [ $((SECONDS - began)) -gt "$limit" ]; then
      say "$suite has no result after $limit s"; break
    fi
    sleep 0.5
  done
  kill "${pids[i]}" 2>/dev/null || true
  wait "$shown" 2>/dev/null || true
  result=$(tr -d '\r' < "$work/$suite.log" | sed -n 's/^RESETRIG-VIRTUAL RESULT \([0-9]*\)$/\1/p' | head -n 1)
  result=${result:-3}
  [ "$result" -gt "$code" ] && code=$result
  i=$((i + 1))
done
say "done after $((SECONDS - began)) s: $([ "$code" -eq 0 ] && echo every case held || echo "exit $code")"
exit "$code"
