# shellcheck shell=bash
# tar and pigz, which compresses blocks of 128 KiB on several threads.

version() { pigz --version 2>&1 | awk '{ print $2 }'; }

build() {
  tar -C "$IMAGE/root" -c . | pigz -c >root.tar.gz
  tar -C "$IMAGE/more" -c . | pigz -c >more.tar.gz
  "$BUILDERS/write-layout" layout root.tar.gz more.tar.gz
  echo oci:layout:v1
}
