# shellcheck shell=bash
# BuildKit as `docker buildx build` runs it by default: the root is an index with an attestation.
# Other files replace `compression`.

compression() { echo gzip; }

version() { awk '/moby\/buildkit v/ { print $2 }' "$BUILDERS/go.mod"; }

start_daemon() {
  address=unix://$PWD/buildkitd.sock
  buildkitd --root "$PWD/daemon" --addr "$address" --containerd-worker=false --oci-worker=true \
    --oci-worker-net host --oci-worker-snapshotter native >&2 &
  daemon=$!
  trap 'kill $daemon; wait $daemon || true' EXIT
  until buildctl --addr "$address" debug workers >/dev/null 2>&1; do
    kill -0 "$daemon"
    sleep 0.1
  done
}

build() {
  start_daemon
  buildctl --addr "$address" build --frontend dockerfile.v0 --local context="$IMAGE" --local dockerfile="$IMAGE" \
    --opt attest:provenance=mode=min \
    --output "type=image,name=$1,push=true,registry.insecure=true,oci-mediatypes=true,compression=$(compression),force-compression=true"
  echo "$1"
}
