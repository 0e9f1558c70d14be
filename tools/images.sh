#!/bin/sh
# Build the images of the parts named, or of all:
# tools/images.sh [--tag TAG] [--images PREFIX] [PART…] [-- OPTION…]; what follows `--` goes to the builder.
set -eu

cd -- "$(dirname -- "$0")/.."
images=isolane # as in the variable of this name of the Nomad jobs
tag=
parts=

fail() {
  printf 'images: %s\n' "$*" >&2
  exit 1
}

known_parts() {
  for file in containers/*.Containerfile; do
    basename -- "$file" .Containerfile
  done
}

find_builder() {
  for name in buildah podman docker; do
    if command -v "$name"; then
      return
    fi
  done
  fail 'no builder on PATH; install buildah, podman or docker (Debian 12: apt-get install buildah)'
}

while [ $# -gt 0 ]; do
  case $1 in
    --tag | --images)
      [ $# -ge 2 ] || fail "$1 needs a value"
      if [ "$1" = --tag ]; then tag=$2; else images=$2; fi
      shift
      ;;
    --)
      shift
      break
      ;;
    -*) fail "unknown option $1; options of the builder come after --" ;;
    *)
      [ -f "containers/$1.Containerfile" ] || fail "no part $1; the parts are $(known_parts | paste -sd ' ' -)"
      parts="$parts $1"
      ;;
  esac
  shift
done

[ -n "$parts" ] || parts=$(known_parts)
[ -n "$tag" ] || tag=$(git describe --tags --always --dirty) || fail 'git names no version; name one with --tag'
builder=$(find_builder)

for part in $parts; do
  printf 'images: building %s-%s:%s with %s\n' "$images" "$part" "$tag" "$builder" >&2
  "$builder" build --file "containers/$part.Containerfile" --tag "$images-$part:$tag" \
    --build-arg "VERSION=$tag" "$@" .
done
