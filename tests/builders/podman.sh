# shellcheck shell=bash
# `podman build` and `podman push`.

version() { podman --version | awk '{ print $3 }'; }

run_podman() {
  podman --root "$PWD/storage" --runroot "$PWD/run" --storage-driver vfs --cgroup-manager cgroupfs \
    --events-backend file "$@"
}

build() {
  run_podman build --isolation chroot --network host --layers -t "$1" "$IMAGE"
  run_podman push --tls-verify=false "$1"
  echo "$1"
}
