# To be sourced.
say() { echo "virtual: $*" >&2; }
die() { say "$*"; exit 1; }
