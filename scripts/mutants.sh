#!/usr/bin/env bash
# Changes the code in small ways with cargo-mutants, one at a time, and runs the tests that should
# notice. A change that no test notices is a missing test, or code without an effect.
#   mutants.sh AREA…    document, tar, retry, auth, check; all of them without an argument
# The words of MUTANTS_ARGS go to cargo-mutants: `--shard 0/8` tries one change in eight. The lists
# of an area are in target/mutants/AREA/mutants.out.
set -euo pipefail
cd "$(dirname "$0")/.."

# files AREA: prints the patterns of the files that belong to an area.
files() {
  local registry=crates/soci-registry/src
  case $1 in
  document) echo 'crates/soci-document/src/**' ;;
  tar) echo 'crates/soci-ztoc/src/tar.rs' 'crates/soci-ztoc/src/tar/**' ;;
  retry)
    echo "$registry/http/retry.rs" "$registry/http/rejection.rs" "$registry/http/rate_limit.rs" \
      "$registry/http/body_clock.rs" "$registry/classify.rs" "$registry/blob.rs" "$registry/blob/**"
    ;;
  auth) echo "$registry/auth.rs" "$registry/auth/**" "$registry/credentials/**" "$registry/ecr/**" ;;
  check) echo 'soci-check/src/**' 'crates/soci-ztoc/src/proof.rs' 'crates/soci-ztoc/src/proof/**' ;;
  esac
}

# packages AREA: prints the packages whose tests should notice a change in an area.
packages() {
  case $1 in
  document) echo soci-document ;;
  tar) echo soci-ztoc ;;
  retry | auth) echo soci-registry soci-pull soci-index ;;
  check) echo soci-check soci-ztoc ;;
  esac
}

((${#@})) || set -- document tar retry auth check
for area; do
  [[ $(files "$area") ]] || {
    echo "mutants: unknown area '$area': expected document, tar, retry, auth or check" >&2
    exit 2
  }
done
scripts/setup.sh build mutants
target=$(realpath "${CARGO_TARGET_DIR:-target}")
read -ra more <<<"${MUTANTS_ARGS-}"
status=0
for area; do
  arguments=()
  set -f
  for file in $(files "$area"); do arguments+=(--file "$file"); done
  for package in $(packages "$area"); do arguments+=(--test-package "$package"); done
  set +f
  mkdir -p "$target/mutants/$area"
  printf 'mutants: %s\n' "$area"
  # Without debug information a change is built in half of the time. All changes of all areas share
  # what they do not change. Exit status 2 means that a change was missed, and 3 a timeout.
  CARGO_TARGET_DIR=$target/mutants/build CARGO_PROFILE_DEV_DEBUG=0 PROPTEST_CASES=${PROPTEST_CASES:-16} \
    cargo mutants --workspace "${arguments[@]}" --exclude-re 'Debug for' --sharding round-robin --minimum-test-timeout 120 \
    --output "$target/mutants/$area" --cargo-arg=--locked --cargo-test-arg=--lib --cargo-test-arg=--tests \
    "${more[@]}" || status=$?
  for list in caught missed timeout unviable; do
    printf 'mutants: %s: %s %s\n' "$area" "$(wc -l <"$target/mutants/$area/mutants.out/$list.txt")" "$list"
  done
done
exit "$status"
