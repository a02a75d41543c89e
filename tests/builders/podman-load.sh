# shellcheck shell=bash
# `podman load` of what `docker save` wrote, and `podman push`.

. "$BUILDERS/docker-classic.sh"
. "$BUILDERS/podman.sh"

load() {
  save_with_docker "$1"
  run_podman load -i saved.tar
}

build() {
  load "$1"
  run_podman push --tls-verify=false "$1"
  echo "$1"
}
