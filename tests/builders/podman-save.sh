# shellcheck shell=bash
# `podman save`: an archive in OCI format.

. "$BUILDERS/podman.sh"

build() {
  run_podman build --isolation chroot --network host --layers -t "$1" "$IMAGE"
  run_podman save --format oci-archive -o image.tar "$1"
  echo oci-archive:image.tar
}
