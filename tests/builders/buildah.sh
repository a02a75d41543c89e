# shellcheck shell=bash
# buildah with the options that work in a container, and `buildah push`, which uses pgzip.

version() { buildah --version | awk '{ print $3 }'; }

run_buildah() { buildah --root "$PWD/storage" --runroot "$PWD/run" --storage-driver vfs "$@"; }

build() {
  run_buildah build --isolation chroot --network host --layers -t "$1" "$IMAGE"
  run_buildah push --tls-verify=false "$1"
  echo "$1"
}
