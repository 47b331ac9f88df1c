# An image in the cache: what is downloaded and unpacked once. To be sourced by
# a script that is called with the cache's folder; needs $here, the script's own.
#
#   image_begin NAME  ends the script where the cache has NAME; else makes $new,
#                     an empty folder to fill
#   image_end         $new is NAME from now on; $image is where
#
# A change of the script, or of what it sources, is another image. FRESH=1 makes
# it anew.
cache=$1
. "$here/../common/say.sh"
. "$here/../common/packages.sh"

image_begin() {
  image=$cache/$1
  new=$image.new
  stamp=$(cat "$here/image.sh" "$here"/../common/{image,packages}.sh | sha256sum | cut -c1-16)
  [ "${FRESH:-}" != 1 ] && [ "$(cat "$image/stamp" 2>/dev/null)" = "$stamp" ] && exit 0
  rm -rf "$new"
  mkdir -p "$new"
}

image_end() {
  rm -rf "$new/debs"
  echo "$stamp" > "$new/stamp"
  rm -rf "$image"
  mv "$new" "$image"
}
