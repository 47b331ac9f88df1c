# Debian packages of another architecture, without a change to this machine:
# an apt of our own, with its own state, whose sources are this machine's.
# Signatures are checked as always. To be sourced; needs $cache.
#
#   packages_sources ARCH     makes ready, without the network
#   packages_open ARCH        makes ready; downloads the lists of packages
#   packages_depends PACKAGE [PATTERN]  the first package that PACKAGE depends on,
#                             or the first that fits a grep pattern
#   packages_get DIR NAME…    downloads into DIR
#   packages_unpack DIR DEST [PATTERN…]   unpacks all of DIR's, or what fits
#
# What can't be had ends the script: it says which, why, and what to do.

packages_sources() {
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
}

packages_open() {
  packages_sources "$1"
  apt_says "the lists of Debian's $arch packages" apt-get "${apt_options[@]}" -qq update
}

# apt_says WHAT COMMAND… runs apt, and tells what it said where it fails.
apt_says() {
  local what=$1; shift
  "$@" >"$aptdir/log" 2>&1 && return
  cat "$aptdir/log" >&2
  say "not downloaded: $what"
  die "above is what apt says; look at this machine's network and at the sources in $aptdir/sources.d, which are this machine's own, then run it again: what has arrived is kept"
}

packages_depends() {
  local name
  name=$(apt-cache "${apt_options[@]}" depends "$1" | sed -n 's/^ *Depends: *//p' | grep -m 1 -e "${2:-.}") || true
  [ -n "$name" ] || die "Debian's $arch has no package $1${2:+ that depends on one like $2}: sudo apt-get update, then again"
  echo "$name"
}

packages_get() {
  local dir=$1; shift
  mkdir -p "$dir"
  (cd "$dir" && apt_says "$*" apt-get "${apt_options[@]}" -qq download "$@")
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
