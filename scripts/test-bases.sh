#!/usr/bin/env bash
# Makes the base images for building and testing the container on a machine that reaches Debian's
# packages but no image registry: `soci-test/debian` (bookworm, minimal), `soci-test/rust` (the same
# with compilers and this machine's toolchain) and `soci-test/busybox` (the static busybox of Debian).
# Images that exist are reused. Needs root or sudo.
#
# Uses the Docker daemon that answers. If none does, starts one with a socket and data of its own
# and without a bridge, so that it changes nothing for another daemon. Its containers have the
# host's network or none: `--network host`.
#
#   test-bases.sh [runtime] [build] [busybox]   makes these images, by default the last two, and prints
#     shell assignments:
#     eval "$(scripts/test-bases.sh)"
#     make image DOCKER_BUILD_ARGS="--network host --build-arg BUILD_IMAGE=$BUILD_IMAGE --build-arg BUSYBOX_IMAGE=$BUSYBOX_IMAGE"
#   test-bases.sh daemon              makes no image, and prints DOCKER_HOST if it is not the default
#   test-bases.sh stop                stops the daemon that this script started
#
# Environment: BUILD_IMAGE, RUNTIME_IMAGE and BUSYBOX_IMAGE name images to use instead of the ones made here;
# DOCKER_HOST chooses a daemon; SOCI_TEST_STATE is the directory for data and logs (default:
# test-bases in Cargo's target directory).
set -euo pipefail

cd "$(dirname "$0")/.."
state=${SOCI_TEST_STATE:-${CARGO_TARGET_DIR:-target}/test-bases}
mkdir -p "$state"
state=$(realpath "$state")
log=$state/log
pidfile=$state/dockerd.pid
# A socket's path has at most 107 bytes, so this directory has a short one.
run=/tmp/soci-docker-$(cksum <<<"$state" | cut -d ' ' -f 1)
own_host=unix://$run/docker.sock

fail() {
  printf 'test-bases: %s\n' "$1" >&2
  tail -n 20 "$log" >&2
  exit 1
}

as_root() {
  if [[ $(id -u) == 0 ]]; then "$@"; else sudo "$@"; fi
}

answers() { docker version >>"$log" 2>&1; }

# Makes `docker` speak to a daemon that answers: the configured one, or one that this script starts.
connect() {
  ! answers || return 0
  export DOCKER_HOST=$own_host
  answers || start_daemon
}

# The daemon would keep the lock and the caller's pipe open for as long as it runs if it inherited
# them.
start_daemon() {
  local pid
  as_root mkdir -p "$run"
  as_root setsid dockerd --host "$own_host" --group "$(id -g)" --pidfile "$pidfile" \
    --data-root "$state/docker" --exec-root "$run" --bridge none --iptables=false --ip6tables=false --ip-masq=false \
    >>"$state/dockerd.log" 2>&1 </dev/null 9>&- &
  pid=$!
  until answers; do
    [[ -e /proc/$pid ]] || { log=$state/dockerd.log fail 'dockerd does not start'; }
    sleep 0.2
  done
}

stop_daemon() {
  local pid
  [[ -e $pidfile ]] || return 0
  pid=$(<"$pidfile")
  [[ $(ps -o comm= -p "$pid") == dockerd ]] || return 0
  as_root kill "$pid"
  while [[ -e /proc/$pid ]]; do sleep 0.1; done
}

has() { docker image inspect "$1" >/dev/null 2>&1; }

# bootstrap IMAGE PACKAGES [OPTION…]: imports a minimal system with these packages (separated by
# commas) as an image. The options go to `docker import`.
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

# Copies this machine's certificates too: behind a proxy that intercepts TLS, Cargo needs them to
# reach its registry.
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
  has "$BUILD_IMAGE" || bootstrap "$BUILD_IMAGE" ca-certificates,gcc,g++,libc6-dev,make,musl-tools \
    --change 'ENV PATH=/opt/rust/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'
}

busybox() {
  local root
  [[ -z ${BUSYBOX_IMAGE-} ]] || return 0
  BUSYBOX_IMAGE=soci-test/busybox
  ! has "$BUSYBOX_IMAGE" || return 0
  root=$(mktemp -d "$state/root.XXXXXX")
  mkdir "$root/bin"
  cp /bin/busybox "$root/bin"
  tar -C "$root" -c . | docker import - "$BUSYBOX_IMAGE" >>"$log" || fail "docker import fails for $BUSYBOX_IMAGE"
  rm -rf "$root"
}

(($#)) || set -- build busybox
if [[ $1 == stop ]]; then
  stop_daemon
  exit
fi

exec 9>"$state/lock"
flock 9
scripts/setup.sh image >&2
: >"$log"
connect
[[ -z ${DOCKER_HOST-} ]] || echo "export DOCKER_HOST=$DOCKER_HOST"
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
  busybox)
    busybox
    echo "BUSYBOX_IMAGE=$BUSYBOX_IMAGE"
    ;;
  daemon) ;;
  *)
    printf "test-bases: unknown base '%s': expected runtime, build, busybox, daemon or stop\n" "$base" >&2
    exit 2
    ;;
  esac
done
