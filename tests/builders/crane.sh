# shellcheck shell=bash
# `crane append` to nothing, which leaves the platform empty, and `crane mutate`, which sets it. The
# tars are compressed with Go's compress/gzip.

version() { crane version; }

append() {
  tar -C "$IMAGE/root" -cf root.tar .
  tar -C "$IMAGE/more" -cf more.tar .
  crane append --insecure -f root.tar -f more.tar -t "$1"
  crane mutate --insecure --set-platform linux/amd64 -t "$1" "$1"
}

build() {
  append "$1"
  echo "$1"
}
