# shellcheck shell=bash
# bsdtar to a pipe, where it fills the last block of 10,240 bytes with zeros. The second layer is
# written to a file, so that one layer can be indexed.

. "$BUILDERS/bsdtar.sh"

skips() { echo trailing-data; }

build() {
  bsdtar -C "$IMAGE/root" -czf - . | cat >root.tar.gz
  bsdtar -C "$IMAGE/more" -czf more.tar.gz .
  "$BUILDERS/write-layout" layout root.tar.gz more.tar.gz
  echo oci:layout:v1
}
