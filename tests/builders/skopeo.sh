# shellcheck shell=bash
# `skopeo copy` of what `docker save` wrote. It compresses the layers with pgzip.

. "$BUILDERS/docker-classic.sh"

version() { skopeo --version | awk '{ print $3 }'; }

build() {
  save_with_docker "$1"
  skopeo --insecure-policy copy --format oci docker-archive:saved.tar oci:layout:v1
  echo oci:layout:v1
}
