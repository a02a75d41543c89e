# shellcheck shell=bash
# BuildKit with zstd layers, which no ztoc can describe.

. "$BUILDERS/buildkit.sh"

compression() { echo zstd; }

skips() { echo unsupported-compression; }
