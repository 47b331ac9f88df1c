# Debian packages of another architecture, without a change to this machine:
# an apt of our own, with its own state, whose sources are this machine's.
# Signatures are checked as always. To be sourced; needs $cache.
#
#   packages_open ARCH        makes ready; downloads the lists of packages
#   packages_depends PACKAGE  the one package that PACKAGE depends on first
#   packages_get DIR NAME…    downloads into DIR
#   packages_unpack DIR DEST [PATTERN…]   unpacks all of DIR's, or what fits

say() { echo "virtual: $*" >&2; }
die() { say "$*"; exit 1; }

packages_open() {
  arch=$1
  aptdir=$cache/apt-$arch
  mkdir -p "$aptdir"/{state/lists/partial,cache/archives/partial,sources.d,parts}
  # One stanza for each of this machine's Debian sources, in the other architecture.
  # On Raspberry Pi OS, whose own packages are Raspbian's, that is Debian's part.
  local uri release keyring stanzas=
  while IFS='|' read -r uri release keyring; do
    [ -e "$keyring" ] || keyring=/usr/share/keyrings/debian-archive-keyring.gpg
    stanzas+="Types: deb"$'\n'"URIs: $uri"$'\n'"Suites: $release"$'\n'"Components: main"$'\n'"Architectures: $arch"$'\n'
    [ -e "$keyring" ] && stanzas+="Signed-By: $keyring"$'\n'
    stanzas+=$'\n'
  done < <(apt-get indextargets --format '$(ORIGIN)|$(COMPONENT)|$(REPO_URI)|$(RELEASE)|$(SIGNED_BY)' 'Identifier: Packages' |
    sed -n 's/^Debian|main|//p' | sort -u)
  [ -n "$stanzas" ] || die "this machine's apt knows no Debian source: sudo apt-get update, then again"
  printf '%s' "$stanzas" > "$aptdir/sources.d/debian.sources"
  : > "$aptdir/status"
  apt_options=(
    -o "APT::Architecture=$arch" -o "APT::Architectures=$arch"
    -o "Dir::State=$aptdir/state" -o "Dir::State::status=$aptdir/status" -o "Dir::Cache=$aptdir/cache"
    -o Dir::Etc::sourcelist=/dev/null -o "Dir::Etc::sourceparts=$aptdir/sources.d"
    -o Dir::Etc::preferences=/dev/null -o "Dir::Etc::preferencesparts=$aptdir/parts"
    -o Acquire::Languages=none -o Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false
    -o Acquire::Retries=3 -o APT::Sandbox::User=root -o APT::Update::Error-Mode=any
  )
  if ! apt-get "${apt_options[@]}" -qq update >"$aptdir/log" 2>&1; then
    cat "$aptdir/log" >&2
    die "the lists of Debian's $arch packages could not be downloaded (above is what apt says)"
  fi
}

packages_depends() {
  local name
  name=$(apt-cache "${apt_options[@]}" depends "$1" | sed -n 's/^ *Depends: *//p' | head -n 1)
  [ -n "$name" ] || die "Debian's $arch has no package $1"
  echo "$name"
}

packages_get() {
  local dir=$1; shift
  mkdir -p "$dir"
  if ! (cd "$dir" && apt-get "${apt_options[@]}" -qq download "$@") >"$aptdir/log" 2>&1; then
    cat "$aptdir/log" >&2
    die "these packages could not be downloaded (above is what apt says): $*"
  fi
}

packages_unpack() {
  local dir=$1 dest=$2 deb; shift 2
  mkdir -p "$dest"
  for deb in "$dir"/*.deb; do
    if [ $# -eq 0 ]; then
      dpkg -x "$deb" "$dest"
    else
      # tar says 2 where nothing fits a pattern, which is no error here.
      dpkg-deb --fsys-tarfile "$deb" | tar -C "$dest" -x --wildcards "$@" 2>/dev/null || true
    fi
  done
}
