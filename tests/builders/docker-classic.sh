# shellcheck shell=bash
# Docker's classic builder and `docker push`, which compress layers with Go's compress/gzip.

version() { docker version --format '{{.Server.Version}}'; }

build_with_docker() { DOCKER_BUILDKIT=0 docker build --network host -t "$1" "$IMAGE"; }

# Removes the image from the daemon, which outlives this run.
remove_from_docker() { docker image rm "$1"; }

# Writes `saved.tar`.
save_with_docker() {
  build_with_docker "$1"
  docker save -o saved.tar "$1"
  remove_from_docker "$1"
}

build() {
  build_with_docker "$1"
  docker push "$1"
  remove_from_docker "$1"
  echo "$1"
}
