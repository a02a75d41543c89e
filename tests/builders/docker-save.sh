# shellcheck shell=bash
# `docker save`: an archive, whose layers are plain tars.

. "$BUILDERS/docker-classic.sh"

build() {
  save_with_docker "$1"
  echo docker-archive:saved.tar
}
