# shellcheck shell=bash
# bsdtar to a file.

version() { bsdtar --version | awk '{ print $2 }'; }

build() {
  bsdtar -C "$IMAGE/root" -czf root.tar.gz .
  bsdtar -C "$IMAGE/more" -czf more.tar.gz .
  "$BUILDERS/write-layout" layout root.tar.gz more.tar.gz
  echo oci:layout:v1
}
