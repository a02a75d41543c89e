#!/usr/bin/env bash
# Runs the whole pipeline: on an image that this script makes from files of this machine, in an OCI
# image layout, so that no registry, account or network is needed; or on the image given as an
# argument, and pushes the index beside it. Needs only the tools and a POSIX system.
set -euo pipefail
cd "$(dirname "$0")/.."

demo=demo
image=${1:-oci:$demo/image:latest}
tools=$(realpath "${CARGO_TARGET_DIR:-target}/release")
export PATH=$tools:$PATH SOCI_STORE=$PWD/$demo/store

# Adds standard input as a blob and prints its descriptor.
blob() {
  local digest size
  cat >"$demo/image/new"
  digest=$(sha256sum <"$demo/image/new" | cut -d ' ' -f 1)
  size=$(wc -c <"$demo/image/new")
  mv "$demo/image/new" "$demo/image/blobs/sha256/$digest"
  printf '{"mediaType":"%s","digest":"sha256:%s","size":%d}' "$1" "$digest" "$size"
}

# Makes a layer of the files whose names come on standard input, and appends it to `layers` and
# `diff_ids`.
layer() {
  tar -c --no-recursion --mtime=@0 --owner=0 --group=0 --numeric-owner --ignore-failed-read \
    --warning=no-failed-read --verbatim-files-from -T - 2>/dev/null >"$demo/tar" || true
  diff_ids+=${diff_ids:+,}\"sha256:$(sha256sum <"$demo/tar" | cut -d ' ' -f 1)\"
  layers+=${layers:+,}$(gzip -n <"$demo/tar" | blob application/vnd.oci.image.layer.v1.tar+gzip)
  rm "$demo/tar"
}

# Prints the names of files of this machine whose sizes add up to $1 MB.
files() {
  find -L /usr/lib /usr/share /usr/bin -type f -readable -size -8M -printf '%s %p\n' 2>/dev/null |
    awk -v left="$1" '{ left -= $1 / 1e6; if (left < 0) exit; sub(/^[0-9]+ /, ""); print }' || true
}

make_image() {
  local layers='' diff_ids='' config manifest root
  mkdir -p "$demo/image/blobs/sha256"
  layer < <(files 120)
  layer <<<Makefile
  config=$(printf '{"architecture":"amd64","os":"linux","config":{},"rootfs":{"type":"layers","diff_ids":[%s]}}' "$diff_ids" |
    blob application/vnd.oci.image.config.v1+json)
  manifest='{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json"'
  root=$(printf '%s,"config":%s,"layers":[%s]}' "$manifest" "$config" "$layers" |
    blob application/vnd.oci.image.manifest.v1+json)
  echo '{"imageLayoutVersion":"1.0.0"}' >"$demo/image/oci-layout"
  printf '{"schemaVersion":2,"manifests":[%s,"platform":{"architecture":"amd64","os":"linux"},"annotations":%s}]}\n' \
    "${root%\}}" '{"org.opencontainers.image.ref.name":"latest"}' >"$demo/image/index.json"
}

rm -rf "$demo"
mkdir "$demo"
if ((!$#)); then
  echo 'demo: making an image of some of the files of this machine' >&2
  make_image
fi

printf '\n$ soci-pull %s | soci-plan | soci-index | soci-push >%s\n' "$image" "$demo/pushed.json" >&2
soci-pull "$image" | soci-plan | soci-index | soci-push >"$demo/pushed.json"

printf '\n$ soci-report <%s\n\n' "$demo/pushed.json" >&2
soci-report <"$demo/pushed.json"
soci-report --format html <"$demo/pushed.json" >"$demo/report.html"
if (($#)); then
  cat <<END

The index was pushed beside the image, and the converted image under the tag that .push names in $demo/pushed.json
(with SOCI_DRY_RUN=true, nothing was).

To look at it, with jq and skopeo:
  jq .push $demo/pushed.json                 what was pushed, and where
  skopeo inspect --raw docker://\$(jq -r '.push.tags[0].tag // empty' $demo/pushed.json) | jq .
  $demo/report.html                          the report above as a page, for a browser
  ls -l $demo/store/blobs/sha256             the store: ztocs and indexes, but no layers
END
else
  cat <<END

The index was pushed into the layout that the image came from, beside the image.

To look at it, with skopeo and jq:
  jq . $demo/pushed.json                     the document that left the pipe
  jq . $demo/image/index.json                the image, its index (v1), and the image with its index (v2)
  skopeo inspect --raw oci:$demo/image:latest-soci | jq .
  $demo/report.html                          the report above as a page, for a browser
  ls -l $demo/store/blobs/sha256             the store: ztocs and indexes, but no layers
END
fi
