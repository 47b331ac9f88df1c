#!/usr/bin/env bash
# Fetches what the guest is made of into the folder named on the command line:
# Debian's amd64 kernel with its headers, its source, and busybox. Everything
# comes through apt, from the signed lists of the machine's own Debian sources,
# into an apt instance of its own: nothing is installed, and no root is needed.
set -euo pipefail
cache=$(realpath -m "$1")
packages=(linux-image-amd64 linux-headers-amd64 linux-source busybox-static)

fail() { echo "virtual-sim: $*" >&2; exit 3; }

# Entries of a Debian mirror only: what else a machine has is no business here.
sources() {
  local f
  for f in /etc/apt/sources.list /etc/apt/sources.list.d/*.list; do
    [ -r "$f" ] && grep -E '^deb[[:space:]].*/debian(-security)?/?[[:space:]]' "$f" >>"$cache/apt/sources.list" || true
  done
  for f in /etc/apt/sources.list.d/*.sources; do
    [ -r "$f" ] || continue
    awk -v RS= -v ORS='\n\n' '/(^|\n)Types:[^\n]*deb/ && /(^|\n)URIs:[^\n]*\/debian(-security)?\/?([[:space:]]|$)/' "$f" >"$cache/apt/parts/$(basename "$f")"
  done
  cat "$cache"/apt/sources.list "$cache"/apt/parts/* 2>/dev/null | grep -q . ||
    fail "no Debian source in /etc/apt: the guest's kernel comes from there; add one for debian and debian-security"
}

rm -rf "$cache/apt"
mkdir -p "$cache"/{deb/partial,apt/parts,apt/state/lists/partial,apt/cache}
: >"$cache/apt/sources.list"
: >"$cache/apt/status"
sources

options=(-qq
  -o "APT::Architecture=amd64" -o "APT::Architectures=amd64" -o "APT::Install-Recommends=false"
  -o "Dir::State=$cache/apt/state" -o "Dir::State::status=$cache/apt/status"
  -o "Dir::Cache=$cache/apt/cache" -o "Dir::Cache::archives=$cache/deb"
  -o "Dir::Etc::sourcelist=$cache/apt/sources.list" -o "Dir::Etc::sourceparts=$cache/apt/parts"
  -o "Acquire::Retries=3" -o "Acquire::http::Timeout=30" -o "Acquire::Languages=none"
  -o "Debug::NoLocking=1" -o "APT::Update::Post-Invoke::=" -o "APT::Update::Post-Invoke-Success::=")
# As root, apt would hand its downloads to a user who may not see this folder.
[ "$(id -u)" -ne 0 ] || options+=(-o "APT::Sandbox::User=root")

log=$cache/apt/log
apt-get "${options[@]}" update >"$log" 2>&1 || fail "the lists of Debian's packages could not be fetched: $(tail -3 "$log")"

# ABI names move with every security update: the packages that hold the files
# are asked for, never known.
depends() { apt-cache "${options[@]}" depends "$1" 2>>"$log" | sed -n 's/^ *Depends: *//p' | grep -m1 "$2" || fail "Debian's $1 names no $2: $(tail -3 "$log")"; }
image=$(depends linux-image-amd64 '^linux-image-[0-9]')
headers=$(depends linux-headers-amd64 '^linux-headers-[0-9]')
common=$(depends "$headers" '^linux-headers-.*-common')
kbuild=$(depends "$headers" '^linux-kbuild-')
source=$(depends linux-source '^linux-source-[0-9]')
want=("$image" "$headers" "$common" "$kbuild" "$source" busybox-static)

cd "$cache/deb"
apt-get "${options[@]}" download "${want[@]}" >>"$log" 2>&1 ||
  fail "the packages ${want[*]} could not be downloaded: $(tail -3 "$log")"
printf '%s\n' "${image#linux-image-}" >"$cache/kernel"
