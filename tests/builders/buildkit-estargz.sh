# shellcheck shell=bash
# BuildKit with eStargz layers: each file is a gzip member, and an index of the files is the last.

. "$BUILDERS/buildkit.sh"

compression() { echo estargz; }
