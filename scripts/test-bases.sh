#!/usr/bin/env bash
# Makes the base images that tests need on a machine that reaches Debian's packages but no image registry:
# `soci-test/debian` (bookworm, minimal) and `soci-test/rust` (that, a linker, and this machine's toolchain).
# Starts a Docker daemon if none answers, and leaves its process id in target/test-bases/dockerd.pid. Does nothing
# when all is there. Needs root. Prints, as shell assignments, what the Dockerfile takes:
#   eval "$(scripts/test-bases.sh)"
#   docker build --network host --build-arg BUILD_IMAGE="$BUILD_IMAGE" --build-arg RUNTIME_IMAGE="$RUNTIME_IMAGE" .
set -euo pipefail

cd "$(dirname "$0")/.."
scripts/setup.sh image >&2
state=${SOCI_TEST_STATE:-${CARGO_TARGET_DIR:-target}/test-bases}
mkdir -p "$state"
state=$(realpath "$state")
log=$state/log

fail() {
  printf 'test-bases: %s\n' "$1" >&2
  tail -n 20 "$log" >&2
  exit 1
}

start_daemon() {
  local pid
  ! docker version >>"$log" 2>&1 || return 0
  setsid dockerd >>"$state/dockerd.log" 2>&1 </dev/null &
  pid=$!
  echo "$pid" >"$state/dockerd.pid"
  until docker version >>"$log" 2>&1; do
    kill -0 "$pid" 2>/dev/null || { log=$state/dockerd.log fail 'dockerd does not start'; }
    sleep 0.2
  done
}

has() { docker image inspect "$1" >/dev/null 2>&1; }

# Imports a new minimal system as image $1, with the packages that follow; `add_toolchain` may add to its root.
bootstrap() {
  local image=$1 packages=$2 root
  shift 2
  root=$(mktemp -d "$state/root.XXXXXX")
  debootstrap --variant=minbase ${packages:+--include="$packages"} bookworm "$root" >>"$log" 2>&1 ||
    fail "debootstrap fails for $image"
  rm -rf "$root"/var/cache/apt/* "$root"/var/lib/apt/lists/*
  [[ $image != soci-test/rust ]] || add_toolchain "$root"
  tar -C "$root" -c . | docker import "$@" - "$image" >>"$log" || fail "docker import fails for $image"
  rm -rf "$root"
}

# The machine's certificates go along: behind a proxy that signs for others, they are what makes crates reachable.
add_toolchain() {
  local root=$1
  mkdir -p "$root/opt/rust"
  tar -C "$(rustc --print sysroot)" --exclude=share -c . | tar -C "$root/opt/rust" -x
  cp -L /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/"
}

: >"$log"
start_daemon
has soci-test/debian || bootstrap soci-test/debian ''
has soci-test/rust || bootstrap soci-test/rust ca-certificates,gcc,g++,libc6-dev,make \
  --change 'ENV PATH=/opt/rust/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'
echo BUILD_IMAGE=soci-test/rust
echo RUNTIME_IMAGE=soci-test/debian
