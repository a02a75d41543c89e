#!/usr/bin/env bash
# Makes the screenshots in docs/report and docs/book: the HTML report on the documents of
# soci-report's tests, and pages of the book, wide and narrow; in headless Chromium, light and dark.
#   screenshots.sh [DIRECTORY]   writes them there instead of docs
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/setup.sh build screenshots
out=$(realpath -m "${1:-docs}")
mkdir -p "$out/report" "$out/book"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# report NAME FIRST LAST: writes the report on these lines of the documents.
report() {
  sed -n "$2,$3p" soci-report/tests/report/golden/images.jsonl |
    cargo run --quiet --locked -p soci-report -- -q --format html >"$work/$1.html" || true
}

# screenshot NAME SCHEME WIDTH,HEIGHT PAGE: 0 is the dark colour scheme, 1 the light one.
screenshot() {
  local theme=light page=$4
  (($2)) || theme=dark
  chromium --headless=new --no-sandbox --disable-gpu --hide-scrollbars --user-data-dir="$work/profile" \
    --blink-settings=preferredColorScheme="$2" --window-size="$3" \
    --screenshot="$work/shot.png" "file://$page" 2>"$work/log" ||
    { cat "$work/log" >&2 && exit 1; }
  pngquant --force --speed 1 --strip 64 --output "$out/$1-$theme.png" "$work/shot.png"
}

scripts/book.sh
book=$(realpath "${CARGO_TARGET_DIR:-target}")/book/html
report images 1 99
report layers 1 1
for scheme in 0 1; do
  screenshot report/images "$scheme" 1100,1250 "$work/images.html"
  screenshot report/layers "$scheme" 1100,1150 "$work/layers.html"
  screenshot report/narrow "$scheme" 520,900 "$work/layers.html"
  screenshot book/wide "$scheme" 1280,900 "$book/README.html"
  screenshot book/narrow "$scheme" 520,900 "$book/docs/start.html"
done
ls -l "$out/report" "$out/book"
