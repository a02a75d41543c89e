#!/usr/bin/env bash
# Checks that the tools compile for macOS, on any machine: `cargo check` links nothing, so that neither
# a linker nor an SDK is needed, and `true` stands for the C compiler.
set -euo pipefail
cd "$(dirname "$0")/.."

triple=x86_64-apple-darwin
variable=${triple//-/_}
[[ -d $(rustc --print sysroot)/lib/rustlib/$triple ]] || {
  echo "setup: installing Rust's standard library for $triple" >&2
  rustup --quiet target add "$triple"
}
export "CC_$variable=true" "AR_$variable=true" SDKROOT=/nowhere
cargo check --quiet --locked --target "$triple" --package soci-multicall
