#!/usr/bin/env bash
# Makes the base images that tests need on a machine that reaches Debian's packages but no image registry:
# `soci-test/debian` (bookworm, minimal) and `soci-test/rust` (that, a linker, and this machine's toolchain).
# Starts a Docker daemon if none answers. Does nothing when all is there. Needs root, or sudo.
#   test-bases.sh [runtime] [build]   makes these, or else both; prints, as shell assignments, what the Dockerfile takes:
#     eval "$(scripts/test-bases.sh)"
#     docker build --network host --build-arg BUILD_IMAGE="$BUILD_IMAGE" --build-arg RUNTIME_IMAGE="$RUNTIME_IMAGE" .
#   test-bases.sh stop                ends the daemon that this started
# An image that the environment names by BUILD_IMAGE or RUNTIME_IMAGE is taken as it is.
set -euo pipefail

cd "$(dirname "$0")/.."
state=${SOCI_TEST_STATE:-${CARGO_TARGET_DIR:-target}/test-bases}
mkdir -p "$state"
state=$(realpath "$state")
log=$state/log

fail() {
  printf 'test-bases: %s\n' "$1" >&2
  tail -n 20 "$log" >&2
  exit 1
}

as_root() {
  if [[ $(id -u) == 0 ]]; then "$@"; else sudo "$@"; fi
}

# Whatever the daemon inherits it keeps for as long as it runs: neither the lock nor a pipe of the caller's.
start_daemon() {
  local pid
  ! docker version >>"$log" 2>&1 || return 0
  as_root setsid dockerd --pidfile "$state/dockerd.pid" >>"$state/dockerd.log" 2>&1 </dev/null 9>&- &
  pid=$!
  until docker version >>"$log" 2>&1; do
    [[ -e /proc/$pid ]] || { log=$state/dockerd.log fail 'dockerd does not start'; }
    sleep 0.2
  done
}

stop_daemon() {
  local pid
  [[ -e $state/dockerd.pid ]] || return 0
  pid=$(<"$state/dockerd.pid")
  [[ $(ps -o comm= -p "$pid") == dockerd ]] || return 0
  as_root kill "$pid"
  while [[ -e /proc/$pid ]]; do sleep 0.1; done
}

has() { docker image inspect "$1" >/dev/null 2>&1; }

# Imports a new minimal system as image $1, with the packages that follow; `add_toolchain` may add to its root.
bootstrap() {
  local image=$1 packages=$2 root
  shift 2
  root=$(mktemp -d "$state/root.XXXXXX")
  as_root debootstrap --variant=minbase ${packages:+--include="$packages"} bookworm "$root" >>"$log" 2>&1 ||
    fail "debootstrap fails for $image"
  as_root rm -rf "$root"/var/cache/apt/archives "$root"/var/cache/apt/*.bin "$root"/var/lib/apt/lists
  [[ $image != soci-test/rust ]] || add_toolchain "$root"
  as_root tar -C "$root" -c . | docker import "$@" - "$image" >>"$log" || fail "docker import fails for $image"
  as_root rm -rf "$root"
}

# The machine's certificates go along: behind a proxy that signs for others, they are what makes crates reachable.
add_toolchain() {
  local root=$1
  as_root mkdir -p "$root/opt/rust"
  tar -C "$(rustc --print sysroot)" --exclude=share -c . | as_root tar -C "$root/opt/rust" -x
  as_root cp -L /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/"
}

runtime() {
  [[ -z ${RUNTIME_IMAGE-} ]] || return 0
  RUNTIME_IMAGE=soci-test/debian
  has "$RUNTIME_IMAGE" || bootstrap "$RUNTIME_IMAGE" ''
}

build() {
  [[ -z ${BUILD_IMAGE-} ]] || return 0
  BUILD_IMAGE=soci-test/rust
  has "$BUILD_IMAGE" || bootstrap "$BUILD_IMAGE" ca-certificates,gcc,g++,libc6-dev,make \
    --change 'ENV PATH=/opt/rust/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'
}

(($#)) || set -- runtime build
if [[ $1 == stop ]]; then
  stop_daemon
  exit
fi

exec 9>"$state/lock"
flock 9
scripts/setup.sh image >&2
: >"$log"
start_daemon
for base in "$@"; do
  case $base in
  runtime)
    runtime
    echo "RUNTIME_IMAGE=$RUNTIME_IMAGE"
    ;;
  build)
    build
    echo "BUILD_IMAGE=$BUILD_IMAGE"
    ;;
  *)
    printf "test-bases: unknown base '%s': expected runtime, build or stop\n" "$base" >&2
    exit 2
    ;;
  esac
done
