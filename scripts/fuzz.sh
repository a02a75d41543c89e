#!/usr/bin/env bash
# Builds and runs the fuzz targets in `fuzz/`. `make fuzz` is `fuzz.sh run`.
#   fuzz.sh build                   builds all targets
#   fuzz.sh run [TARGET…]           runs each target, by default all of them, for FUZZ_SECONDS (60),
#                                   FUZZ_JOBS (2) at a time; fails if one has a finding
#   fuzz.sh reproduce TARGET FILE   runs a target once with the input that was found
#   fuzz.sh minimise [TARGET…]      reduces what was found to `fuzz/corpus`, which is committed
#   fuzz.sh list                    prints the names of the targets
# FUZZ_CORPUS is the folder for the inputs that are found, by default below the target folder.
set -euo pipefail
cd "$(dirname "$0")/.."
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-target}
mkdir -p "$CARGO_TARGET_DIR"
work=$(realpath "$CARGO_TARGET_DIR")/fuzz
host=$(rustc --print host-tuple)
binaries=$work/$host/release
corpus=${FUZZ_CORPUS:-$work/corpus}
findings=$work/findings
seconds=${FUZZ_SECONDS:-60}

targets() { sed -n 's/^path = "targets\/\(.*\)\.rs"$/\1/p' fuzz/Cargo.toml; }

# The flags are those of cargo-fuzz. RUSTC_BOOTSTRAP lets the stable compiler accept `-Z`. The flags
# change nothing but the targets, since `--target` keeps them from build scripts and macros. What the
# inputs pass through reports its coverage; the other dependencies are compiled faster without.
build() {
  local flags package covered=(soci-cli soci-document soci-fuzz soci-layout soci-oci soci-registry soci-ztoc
    http-auth tar url)
  local coverage=(-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table
    -Cllvm-args=-sanitizer-coverage-trace-compares)
  printf -v flags '"%s",' "${coverage[@]}"
  local options=()
  for package in "${covered[@]}"; do
    options+=(--config "profile.release.package.$package.rustflags=[$flags]")
  done
  RUSTC_BOOTSTRAP=1 RUSTFLAGS=-Zsanitizer=address CARGO_TARGET_DIR=$work \
    cargo build -Zprofile-rustflags "${options[@]}" --manifest-path fuzz/Cargo.toml --locked --release --quiet \
    --target "$host" --bins
}

# Lays out the corpus of a target: the seeds, and what is committed.
lay_corpus() {
  mkdir -p "$corpus/$1" "$findings"
  [[ -n $(ls -A "$corpus/$1") ]] || fuzz/seeds.py "$corpus" "$1"
  [[ ! -f fuzz/corpus/$1.tar.gz ]] || tar -xzf "fuzz/corpus/$1.tar.gz" -C "$corpus/$1" --skip-old-files
}

# The quarantine of freed memory would count as the target's memory.
run_binary() {
  local target=$1
  shift
  ASAN_OPTIONS=quarantine_size_mb=8:detect_leaks=0:handle_abort=1 RUST_BACKTRACE=1 \
    "$binaries/$target" -rss_limit_mb=512 -timeout=25 -artifact_prefix="$findings/$target-" "$@"
}

fuzz_one() {
  local target=$1 log=$work/$1.log options=()
  lay_corpus "$target"
  [[ ! -f fuzz/dictionaries/$target.dict ]] || options+=("-dict=fuzz/dictionaries/$target.dict")
  case $target in
  ztoc) options+=(-max_len=120000) ;;
  reference) options+=(-max_len=600) ;;
  *) options+=(-max_len=40000) ;;
  esac
  if run_binary "$target" "${options[@]}" -max_total_time="$seconds" -print_final_stats=1 "$corpus/$target" 2>"$log"; then
    printf '%s: %s executions, %s\n' "$target" \
      "$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")" "$(grep -o 'cov: [0-9]* ft: [0-9]* corp: [0-9]*' "$log" | tail -1)"
    return
  fi
  printf '%s: a finding; the log is %s\n' "$target" "$log"
  grep -m1 -A4 -E 'panicked at|ERROR: (Address|lib)' "$log" || tail -5 "$log"
  sed -n 's/^artifact_prefix=.*Test unit written to \(.*\)$/\1/p' "$log" | while read -r file; do
    printf 'reproduce it with: scripts/fuzz.sh reproduce %s %s\n' "$target" "$file"
  done
  return 1
}

# Makes an archive of the inputs that are no seeds. It depends only on them.
pack() {
  find "$1" -type f ! -name 'seed-*' -printf '%f\n' | LC_ALL=C sort |
    tar -c --mtime=@0 --owner=0 --group=0 --numeric-owner --mode=644 -C "$1" -T - | gzip -9n >"$2"
}

# Keeps the inputs that reach more than the seeds do. Long ones are left out, to keep the repository
# small.
minimise() {
  local target=$1 small longest=5000
  small=$(mktemp -d)
  lay_corpus "$target"
  fuzz/seeds.py "$small" "$target"
  [[ $target != ztoc ]] || longest=20000
  run_binary "$target" -merge=1 -max_len=$longest "$small/$target" "$corpus/$target" 2>"$work/$target.merge.log"
  mkdir -p fuzz/corpus
  pack "$small/$target" "fuzz/corpus/$target.tar.gz"
  printf '%s: %s bytes\n' "$target" "$(stat -c %s "fuzz/corpus/$target.tar.gz")"
  rm -r "$small"
}

command=${1:-run}
shift || true
case $command in
build) build ;;
list) targets ;;
run)
  scripts/setup.sh build fuzz
  build
  chosen=("$@")
  (($#)) || mapfile -t chosen < <(targets)
  printf '%s\n' "${chosen[@]}" | FUZZ_SECONDS=$seconds xargs -P "${FUZZ_JOBS:-2}" -n 1 "$0" run-one
  ;;
run-one) fuzz_one "$1" ;;
reproduce)
  build
  run_binary "$1" "$2"
  ;;
minimise)
  build
  chosen=("$@")
  (($#)) || mapfile -t chosen < <(targets)
  for target in "${chosen[@]}"; do minimise "$target"; done
  ;;
*)
  sed -n '2,/^set/s/^# \{0,1\}//p' "$0" >&2
  exit 2
  ;;
esac
