#!/usr/bin/env bash
# Builds the Debian packages: build.sh [-o FOLDER] [ARCHITECTURE…], with arm64,
# armhf and amd64 where none is named. Prints the packages' paths.
#
# The same commit gives the same bytes, in whatever folder: no path, no hour and
# no name of the building machine gets in. RESETRIG_VERSION says another version
# than git's.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/.." && pwd)
out=$top/dist
if [ "${1:-}" = -o ]; then
  mkdir -p "$2"
  out=$(cd "$2" && pwd)
  shift 2
fi
[ $# -gt 0 ] || set -- arm64 armhf amd64
cd "$top"
. "$here/version.sh"
. "$here/../virtual/common/say.sh"
GO=${GO:-go}
cache=${RESETRIG_VIRTUAL_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/resetrig/virtual}
mkdir -p "$out" "$cache"
cache=$(cd "$cache" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
umask 022
export DEB_VERSION
DEB_VERSION=$(deb_version)
export TZ=UTC LC_ALL=C.UTF-8

# $words: what tools/setup.sh has for a cross compiler; $triplet: its name.
target() {
  unset GOARM
  export GOOS=linux
  case $1 in
    amd64) export GOARCH=amd64 NFPM_ARCH=amd64; triplet=x86_64-linux-gnu ;;
    arm64) export GOARCH=arm64 NFPM_ARCH=arm64; triplet=aarch64-linux-gnu ;;
    armhf) export GOARCH=arm GOARM=7 NFPM_ARCH=arm7; triplet=arm-linux-gnueabihf ;;
    *) die "no package is built for $1; known: amd64 arm64 armhf" ;;
  esac
}
build() { "$GO" build -trimpath -buildvcs=false -ldflags "-s -w -buildid= -X main.version=$program_version" "$@"; }

# What each package has the same, made by the program itself.
common() {
  local c=$work/common name
  mkdir -p "$c"/usr/{bin,lib/resetrig,lib/systemd/system,lib/udev/rules.d} "$c"/usr/share/{doc/resetrig/examples,man/man1,lintian/overrides} \
    "$c"/usr/share/{bash-completion/completions,zsh/vendor-completions,fish/vendor_completions.d}
  CGO_ENABLED=0 build -o "$work/resetrig" ./cmd/resetrig
  # The program must find nothing of whoever builds.
  resetrig() { env -i HOME=/nonexistent PATH=/usr/bin:/bin SOURCE_DATE_EPOCH="$SOURCE_DATE_EPOCH" "$work/resetrig" "$@"; }
  resetrig service template bench >"$c/usr/lib/systemd/system/resetrig@.service"
  resetrig service template dashboard >"$c/usr/lib/systemd/system/resetrig-serve.service"
  resetrig man "$c/usr/share/man/man1"
  gzip -9n "$c"/usr/share/man/man1/*.1
  resetrig completion bash >"$c/usr/share/bash-completion/completions/resetrig"
  resetrig completion zsh >"$c/usr/share/zsh/vendor-completions/_resetrig"
  resetrig completion fish >"$c/usr/share/fish/vendor_completions.d/resetrig.fish"
  cp "$here/root/60-resetrig.rules" "$c/usr/lib/udev/rules.d/"
  cp "$here/root/lintian-overrides" "$c/usr/share/lintian/overrides/resetrig"
  # What git does not know is nobody's example.
  git ls-files -z examples scenarios models docs README.md | tar -c --exclude='*.go' --exclude='docs/img/*' --null -T - | tar -x -C "$work"
  for name in benches plans prometheus; do mv "$work/examples/$name" "$c/usr/share/doc/resetrig/examples/"; done
  mv "$work/scenarios" "$work/models" "$c/usr/share/doc/resetrig/examples/"
  mv "$work/README.md" "$work"/docs/*.md "$c/usr/share/doc/resetrig/"
  {
    # Debian's changelog format; a package's changes are the commits since the tag before.
    printf 'resetrig (%s) unstable; urgency=medium\n\n' "$DEB_VERSION"
    git log -50 --no-merges --format='%w(78,2,4)* %s'
    printf '\n -- %s  %s\n' "$MAINTAINER" "$(date -u -R -d "@$SOURCE_DATE_EPOCH")"
  } | gzip -9n >"$c/usr/share/doc/resetrig/changelog.gz"
}

# The licences of everything that is linked in: each wants to be passed on.
notices() {
  local path dir file
  cat "$here/root/copyright"
  printf '\n%s\nThe Go standard library and run time\n\n' "$(printf '=%.0s' {1..72})"
  cat "$("$GO" env GOROOT)/LICENSE"
  for path in ./cmd/resetrig ./cmd/resetrig-mic; do
    CGO_ENABLED=1 "$GO" list -deps -f '{{with .Module}}{{if not .Main}}{{.Path}}@{{.Version}} {{.Dir}}{{end}}{{end}}' "$path"
  done | sort -u | while read -r path dir; do
    printf '\n%s\n%s\n' "$(printf '=%.0s' {1..72})" "$path"
    for file in "$dir"/LICEN[CS]E* "$dir"/COPYING* "$dir"/NOTICE*; do
      [ -f "$file" ] || continue
      echo
      cat "$file"
      touch "$work/licensed"
    done
    [ -e "$work/licensed" ] || die "$path has no licence file"
    rm "$work/licensed"
  done
}

MAINTAINER=${RESETRIG_MAINTAINER:-resetrig <resetrig@localhost>}
export MAINTAINER
target "$(dpkg --print-architecture)"
common
for arch; do
  target "$arch"
  tree=$work/$arch
  cp -r "$work/common" "$tree"
  CGO_ENABLED=0 build -o "$tree/usr/bin/resetrig" ./cmd/resetrig
  root=$("$here/sysroot.sh" "$cache" "$arch")
  lib=$root/usr/lib/$triplet
  CGO_ENABLED=1 CC=$triplet-gcc PKG_CONFIG=pkg-config PKG_CONFIG_LIBDIR=$lib/pkgconfig PKG_CONFIG_PATH='' PKG_CONFIG_SYSROOT_DIR=$root \
    CGO_LDFLAGS="-L$lib -Wl,-rpath-link,$lib" build -o "$tree/usr/lib/resetrig/resetrig-mic" ./cmd/resetrig-mic
  LIBC_VERSION=$("$triplet-objdump" -T "$tree/usr/lib/resetrig/resetrig-mic" | sed -n 's/.*GLIBC_\([0-9][0-9.]*\).*/\1/p' | sort -V | tail -n 1)
  [ -n "$LIBC_VERSION" ] || die "resetrig-mic says no version of the C library"
  notices >"$tree/usr/share/doc/resetrig/copyright"
  export LIBC_VERSION tree
  find "$tree" "$here"/root -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
  find "$tree" -type d -exec chmod 755 {} + -o -path '*/bin/*' -exec chmod 755 {} + -o -name resetrig-mic -exec chmod 755 {} + -o -type f -exec chmod 644 {} +
  (cd "$here/tools" && unset GOOS GOARCH GOARM && "$GO" tool nfpm package --config "$here/nfpm.yaml" --packager deb --target "$out/resetrig_${DEB_VERSION}_$arch.deb" >"$work/nfpm.log" 2>&1) || {
    cat "$work/nfpm.log" >&2
    die "nfpm built no package for $arch"
  }
  echo "$out/resetrig_${DEB_VERSION}_$arch.deb"
done
