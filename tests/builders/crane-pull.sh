# shellcheck shell=bash
# `crane pull`: an archive in Docker's format, whose layers are compressed.

. "$BUILDERS/crane.sh"

build() {
  append "${1%:*}:pulled"
  crane pull --insecure "${1%:*}:pulled" image.tar
  echo docker-archive:image.tar
}
