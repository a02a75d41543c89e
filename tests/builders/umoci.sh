# shellcheck shell=bash
# umoci: a layout whose layers are the differences between two unpacked trees.

version() { umoci --version | awk '{ print $3 }'; }

build() {
  local directory
  umoci init --layout layout
  umoci new --image layout:v1
  umoci unpack --image layout:v1 bundle
  for directory in root more; do
    cp -a "$IMAGE/$directory/." bundle/rootfs
    umoci repack --refresh-bundle --image layout:v1 bundle
  done
  echo oci:layout:v1
}
