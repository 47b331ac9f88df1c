# What a package is called, from the git history. To be sourced in the tree.
#
#   program_version   as the programs say it: both of one build must say the same
#   deb_version       the same as Debian orders it: a tag v1.2.3 is 1.2.3, three
#                     commits after it 1.2.3+3.g5b09296; without a tag it is the
#                     last commit's time, which is less than any tag
#   SOURCE_DATE_EPOCH the last commit's time, unless it is set
program_version=${RESETRIG_VERSION:-$(git describe --tags --always --dirty)}
export SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}
deb_version() {
  local v=$program_version dirty=
  case $v in *-dirty) dirty=+dirty v=${v%-dirty} ;; esac
  case $v in
    v[0-9]*-*-g*) v=${v#v} && v=${v%-*-g*}+${v##*"${v%-*-g*}"-} && v=${v%-g*}.g${v##*-g} ;;
    v[0-9]*) v=${v#v} ;;
    *) v=0~$(date -u -d "@$SOURCE_DATE_EPOCH" +%Y%m%d%H%M%S).$v ;;
  esac
  echo "${v//-/\~}$dirty" # 1.2-rc1 comes before 1.2
}
