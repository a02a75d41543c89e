#!/usr/bin/env bash
# Shows the whole pipeline: on an image of this machine's own files in an OCI layout, so that no registry, account
# or network is needed; or on the image given as an argument, for which nothing is pushed.
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

# Makes a layer of the files that are named on standard input; appends to `layers` and `diff_ids`.
layer() {
  tar -c --no-recursion --mtime=@0 --owner=0 --group=0 --numeric-owner --ignore-failed-read \
    --warning=no-failed-read --verbatim-files-from -T - 2>/dev/null >"$demo/tar" || true
  diff_ids+=${diff_ids:+,}\"sha256:$(sha256sum <"$demo/tar" | cut -d ' ' -f 1)\"
  layers+=${layers:+,}$(gzip -n <"$demo/tar" | blob application/vnd.oci.image.layer.v1.tar+gzip)
  rm "$demo/tar"
}

# Names files of this machine until they are $1 MB.
files() {
  find -L /usr/lib /usr/share /usr/bin -type f -readable -size -8M -printf '%s %p\n' 2>/dev/null |
    awk -v left="$1" '{ left -= $1 / 1e6; if (left < 0) exit; sub(/^[0-9]+ /, ""); print }' || true
}

make_image() {
  local layers='' diff_ids='' config manifest root
  mkdir -p "$demo/image/blobs/sha256"
  layer < <(files 120)
  layer <<<README.md
  config=$(printf '{"architecture":"amd64","os":"linux","config":{},"rootfs":{"type":"layers","diff_ids":[%s]}}' "$diff_ids" |
    blob application/vnd.oci.image.config.v1+json)
  manifest='{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json"'
  root=$(printf '%s,"config":%s,"layers":[%s]}' "$manifest" "$config" "$layers" |
    blob application/vnd.oci.image.manifest.v1+json)
  echo '{"imageLayoutVersion":"1.0.0"}' >"$demo/image/oci-layout"
  printf '{"schemaVersion":2,"manifests":[%s,"platform":{"architecture":"amd64","os":"linux"},"annotations":%s}]}\n' \
    "${root%\}}" '{"org.opencontainers.image.ref.name":"latest"}' >"$demo/image/index.json"
}

# Prints one line for each layer of the documents in file $1.
table() {
  printf '\n%-19s %12s  %s\n' layer bytes 'its ztoc, or why it has none'
  sed 's/{"descriptor":/\n&/g' "$1" | awk '
    function field(text, name) { return match(text, "\"" name "\":\"?[^\",}]*") ? substr(text, RSTART, RLENGTH) : "" }
    function value(text, name) { text = field(text, name); sub(/^[^:]*:"?/, "", text); return text }
    /^{"descriptor":{"mediaType":"[^"]*(layer|rootfs)/ {
      why = value($0, "reason") value($0, "skipped")
      if (match($0, /"ztoc":{.*/)) {
        ztoc = substr($0, RSTART)
        why = substr(value(ztoc, "digest"), 1, 19) ", " value(ztoc, "size") " bytes"
      }
      printf "%s %12d  %s\n", substr(value($0, "digest"), 1, 19), value($0, "size"), why
    }'
}

rm -rf "$demo"
mkdir "$demo"
push=(soci-push)
if (($#)); then push+=(--dry-run); else make_image; fi

set -x
soci-pull "$image" | soci-plan | soci-index | "${push[@]}" >"$demo/pushed.json"
{ set +x; } 2>/dev/null

table "$demo/pushed.json"
cat <<END

To look at it:
  $demo/pushed.json   the document that left the pipe: soci-check <$demo/pushed.json proves every ztoc
  $demo/store         the store: an OCI layout with the index and the ztocs, but no layers
END
(($#)) || echo "  $demo/image         the image, with its SOCI index beside it: see $demo/image/index.json"
