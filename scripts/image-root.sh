#!/usr/bin/env bash
# Makes the files of the container except /bin/busybox, which gives it a shell and these commands.
#   image-root.sh BINARY DIRECTORY     BINARY is soci-multicall; DIRECTORY is created
set -euo pipefail
cd "$(dirname "$0")/.."
binary=$1 root=$2

applets=('[' awk base64 basename cat chmod cp cut date df diff dirname du echo env expr false find grep gunzip gzip
  head hostname id kill ln ls mkdir mkfifo mktemp mv nproc printf ps pwd readlink realpath rm rmdir sed seq
  sh sha256sum sleep sort stat tail tar tee test timeout touch tr true uname uniq wc which xargs)

mkdir -p "$root"/{bin,etc/ssl/certs,home/soci,root,tmp,usr/local/bin,var/lib/soci}
for applet in "${applets[@]}"; do
  ln -s busybox "$root/bin/$applet"
done
install -m 755 "$binary" "$root/usr/local/bin/soci-multicall"
for package in soci-*/; do
  ln -s soci-multicall "$root/usr/local/bin/${package%/}"
done
install -m 755 scripts/entrypoint.sh "$root/usr/local/bin/soci"
install -m 644 /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/"
printf '%s\n' 'root:x:0:0:root:/root:/bin/sh' 'soci:x:65532:65532::/home/soci:/bin/false' >"$root/etc/passwd"
printf '%s\n' 'root:x:0:' 'soci:x:65532:' >"$root/etc/group"
# Any user can write to the store and to /tmp, and can enter /root, where older builders expected the
# AWS credentials.
chmod 1777 "$root/var/lib/soci" "$root/tmp"
chmod 755 "$root/root" "$root/home/soci"
