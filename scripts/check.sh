#!/usr/bin/env bash
# Runs every check that is not a test. Continues after a failure, and prints the checks that failed.
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/setup.sh build check
tools=$(realpath "${CARGO_TARGET_DIR:-target}/tools")

failed=()
check() {
  printf 'check: %s\n' "$*" >&2
  "$@" || failed+=("$*")
}

check cargo fmt --all --check
check cargo clippy --workspace --all-targets --locked -- -D warnings
check env RUSTDOCFLAGS='-D warnings' cargo doc --workspace --no-deps --locked --quiet
check cargo deny --locked --log-level error check --hide-inclusion-graph bans licenses sources
check cargo fmt --manifest-path fuzz/Cargo.toml --check
check cargo tree --manifest-path fuzz/Cargo.toml --locked --quiet --depth 0
check cargo deny --manifest-path fuzz/Cargo.toml --locked --log-level error check --hide-inclusion-graph bans licenses sources
check scripts/check-macos.sh
check cargo machete
check scripts/book.sh
check "$tools/lint/bin/typos"
check "$tools/lint/bin/hadolint" Dockerfile deploy/lambda/Dockerfile
check "$tools/lint/bin/cfn-lint" deploy/lambda/template.yaml
check "$tools/actionlint"
check "$tools/actionlint" deploy/ci/github/example.yml
check shellcheck -x -P tests/builders scripts/*.sh benches/*.sh tests/builders/*.sh .ci/run

((${#failed[@]} == 0)) || {
  printf 'check: failed: %s\n' "${failed[@]}" >&2
  exit 1
}
