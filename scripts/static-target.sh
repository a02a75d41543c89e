#!/usr/bin/env bash
# Prints the variables, as shell assignments, with which Cargo builds static binaries for a target
# on any machine with Debian's compilers.
#   static-target.sh TARGET             such as aarch64-unknown-linux-musl
#   static-target.sh --install TARGET   first installs Rust's standard library and the C compiler for it
set -euo pipefail

install=''
[[ $1 != --install ]] || { install=yes && shift; }
triple=$1
architecture=${triple%%-*}
if [[ $architecture == "$(uname -m)" ]]; then
  compiler=musl-gcc packages=(musl-tools)
else
  # The libc of musl comes with Rust's standard library. The C code of the TLS library calls nothing
  # of another libc.
  compiler=$architecture-linux-gnu-gcc packages=("gcc-${architecture/_/-}-linux-gnu")
  case $architecture in
  aarch64) packages+=(libc6-dev-arm64-cross) ;;
  x86_64) packages+=(libc6-dev-amd64-cross) ;;
  esac
fi

as_root() {
  if [[ $(id -u) == 0 ]]; then "$@"; else sudo "$@"; fi
}

if [[ -n $install ]]; then
  if ! command -v "$compiler" >/dev/null; then
    echo "setup: installing ${packages[*]}, for the command $compiler" >&2
    as_root apt-get -qq update
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -o Dpkg::Use-Pty=0 install -y --no-install-recommends \
      "${packages[@]}" >/dev/null
  fi
  [[ -d $(rustc --print sysroot)/lib/rustlib/$triple ]] || {
    echo "setup: installing Rust's standard library for $triple" >&2
    rustup --quiet target add "$triple"
  }
fi

variable=${triple//-/_}
printf 'export CC_%s=%s\n' "$variable" "$compiler"
[[ $compiler == musl-gcc ]] || printf 'export CARGO_TARGET_%s_LINKER=%s\n' "${variable^^}" "$compiler"
