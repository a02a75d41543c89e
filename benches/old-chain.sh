#!/usr/bin/env bash
# Measures the tools against the programs that they replace: containerd pulls and unpacks, `soci`
# indexes and pushes. usage: benches/old-chain.sh IMAGE_REF SOCI_BINARY [RUNS] IMAGE_REF is in a
# registry on loopback that speaks plain HTTP. Needs root, containerd and ctr for the old chain.
# Both chains start with an empty store in every run. Prints seconds, core-seconds and peak memory
# of each step, without the start of containerd and the core-seconds of its daemon.
set -euo pipefail
image=$1 soci=$2 runs=${3:-3}
tools=$(realpath "${CARGO_TARGET_DIR:-target}/dist")
work=$(mktemp -d)
trap '[[ -z ${daemon-} ]] || kill "$daemon"; wait; rm -rf "$work"' EXIT

# Runs a step and prints its measurements in one line.
step() {
  local name=$1
  shift
  /usr/bin/time -o "$work/time" -f '%e s  %U+%S core-s  %M KiB' "$@" >"$work/out" 2>"$work/err" || { cat "$work/err" >&2; return 1; }
  printf '  %-12s %s\n' "$name" "$(cat "$work/time")"
}

old() {
  local socket=$work/containerd.sock
  printf 'version = 2\nroot = "%s/root"\nstate = "%s/state"\n[grpc]\naddress = "%s"\n' "$work" "$work" "$socket" >"$work/config.toml"
  containerd --config "$work/config.toml" >"$work/containerd.log" 2>&1 &
  daemon=$!
  until ctr --address "$socket" version >/dev/null 2>&1; do :; done
  step pull ctr --address "$socket" image pull --plain-http --platform linux/amd64 "$image"
  step create "$soci" --address "$socket" --root "$work/soci" create --platform linux/amd64 "$image"
  step push "$soci" --address "$socket" --root "$work/soci" push --plain-http --existing-index allow --platform linux/amd64 "$image"
  kill "$daemon"
  wait "$daemon" || true
  daemon=
  find "$work" -mindepth 1 -maxdepth 1 -exec rm -rf {} +
}

new() {
  export SOCI_STORE=$work/store
  step pull "$tools/soci-pull" "$image" && cp "$work/out" "$work/1"
  step plan "$tools/soci-plan" <"$work/1" && cp "$work/out" "$work/2"
  step index "$tools/soci-index" --build-tool-identifier 'AWS SOCI CLI v0.2' --force <"$work/2" && cp "$work/out" "$work/3"
  step push "$tools/soci-push" --existing-index allow <"$work/3" && cp "$work/out" "$work/4"
  find "$work" -mindepth 1 -maxdepth 1 -exec rm -rf {} +
}

for ((run = 1; run <= runs; run++)); do
  for chain in old new; do
    echo "$chain, run $run"
    "$chain" | tee "$work.steps"
    awk '{ sum += $2 } END { printf "  %-12s %.2f s\n", "all", sum }' "$work.steps"
    rm "$work.steps"
  done
done
