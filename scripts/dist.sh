#!/usr/bin/env bash
# Builds the tools as they are distributed, and beside each tool a list of what it is built from
# (SBOM, CycloneDX 1.5). The same commit and compiler give the same bytes in any folder.
#   dist.sh TARGET [PROFILE]     into $CARGO_TARGET_DIR/TARGET/PROFILE, by default of the profile dist
set -euo pipefail
cd "$(dirname "$0")/.."

triple=$1
profile=${2:-dist}
out=${CARGO_TARGET_DIR:-target}/$triple/$profile
tools=(soci-*/)
tools=("${tools[@]%/}")
cargo_home=${CARGO_HOME:-$HOME/.cargo}
maps=("$PWD=/soci-tools" "$(realpath -m "${CARGO_TARGET_DIR:-target}")=/target" "$cargo_home=/cargo")

TOOLS_VERSION=$(scripts/version.sh)
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct 2>/dev/null || echo 0)
RUSTFLAGS="${RUSTFLAGS-} ${maps[*]/#/--remap-path-prefix=}"
CFLAGS="${CFLAGS-} ${maps[*]/#/-ffile-prefix-map=}"
export TOOLS_VERSION SOURCE_DATE_EPOCH RUSTFLAGS CFLAGS

cargo build --locked --profile "$profile" --target "$triple" --bins

cargo cyclonedx --quiet --format json --spec-version 1.5 --describe binaries --no-build-deps --target "$triple"
for tool in "${tools[@]}"; do
  # The list names the folder of each crate of this project.
  sed "s#file://$PWD#file:///soci-tools#g" "$tool/${tool}_bin.cdx.json" > "$out/$tool.cdx.json"
  rm "$tool/${tool}_bin.cdx.json"
done
(cd "$out" && sha256sum "${tools[@]}")
