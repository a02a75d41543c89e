#!/usr/bin/env bash
# Builds the tools as they are distributed: static, for any Linux, with one list of what each is built
# from (SBOM, CycloneDX 1.5), and packs them into an archive in $CARGO_TARGET_DIR/archives, as
# pack.sh does. The same commit and compiler give the same bytes in any folder.
#   dist.sh TARGET [PROFILE]     TARGET such as aarch64-unknown-linux-musl; by default of the profile dist
#
# The binaries and lists are in $CARGO_TARGET_DIR/TARGET/PROFILE, too. PAGES names a directory with
# the manual pages and completions that tests/examples/manual.rs writes; by default, they are made.
set -euo pipefail
cd "$(dirname "$0")/.."

triple=$1
profile=${2:-dist}
target=${CARGO_TARGET_DIR:-target}
out=$target/$triple/$profile
tools=(soci-*/)
tools=("${tools[@]%/}")
cargo_home=${CARGO_HOME:-$HOME/.cargo}
maps=("$PWD=/soci-tools" "$(realpath -m "$target")=/target" "$cargo_home=/cargo")

if [[ -z ${PAGES-} ]]; then
  PAGES=$target/pages
  cargo run --quiet --locked --package soci-e2e --example manual -- "$PAGES"
fi

TOOLS_VERSION=$(scripts/version.sh)
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct 2>/dev/null || echo 0)
RUSTFLAGS="${RUSTFLAGS-} ${maps[*]/#/--remap-path-prefix=}"
CFLAGS="${CFLAGS-} ${maps[*]/#/-ffile-prefix-map=}"
export TOOLS_VERSION SOURCE_DATE_EPOCH RUSTFLAGS CFLAGS
eval "$(scripts/static-target.sh "$triple")"

cargo build --locked --profile "$profile" --target "$triple" --bins

cargo cyclonedx --quiet --format json --spec-version 1.5 --describe binaries --no-build-deps --target "$triple"
for tool in "${tools[@]}"; do
  # The list names the folder of each crate of this project.
  sed "s#file://$PWD#file:///soci-tools#g" "$tool/${tool}_bin.cdx.json" > "$out/$tool.cdx.json"
done
rm -f -- */*_bin.cdx.json crates/*/*_bin.cdx.json deploy/lambda/*/*_bin.cdx.json

PAGES=$PAGES scripts/pack.sh "$out" "${triple%%-*}" "$target/archives"
