#!/usr/bin/env bash
# Runs the tests of soci-ztoc with the address sanitizer: the only crate of the workspace with unsafe
# code. RUSTC_BOOTSTRAP lets the stable compiler accept `-Z`, and `--target` keeps the flags from
# build scripts and macros.
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/setup.sh build
target=${CARGO_TARGET_DIR:-target}
unsafe=$(grep -lr 'unsafe_code,' --include='*.rs' crates soci-*/src | sed 's|/src/.*||' | sort -u)
[[ $unsafe == crates/soci-ztoc ]] || {
  printf 'sanitize: unsafe code in %s, expected only in crates/soci-ztoc\n' "$unsafe" >&2
  exit 1
}
RUSTC_BOOTSTRAP=1 RUSTFLAGS=-Zsanitizer=address ASAN_OPTIONS=detect_leaks=1 CARGO_TARGET_DIR=$target/sanitize \
  cargo test --locked --package soci-ztoc --target "$(rustc --print host-tuple)" --lib --tests
