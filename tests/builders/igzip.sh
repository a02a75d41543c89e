# shellcheck shell=bash
# tar and igzip, of Intel's ISA-L.

version() { igzip --version 2>&1 | awk '{ print $NF }'; }

build() {
  tar -C "$IMAGE/root" -cf root.tar .
  tar -C "$IMAGE/more" -cf more.tar .
  igzip -k root.tar more.tar
  "$BUILDERS/write-layout" layout root.tar.gz more.tar.gz
  echo oci:layout:v1
}
