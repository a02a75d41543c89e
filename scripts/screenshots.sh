#!/usr/bin/env bash
# Makes the screenshots in docs/report: the HTML report on the documents of soci-report's tests, in
# headless Chromium, light and dark.
#   screenshots.sh [DIRECTORY]   writes them there instead of docs/report
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/setup.sh build screenshots
out=$(realpath -m "${1:-docs/report}")
mkdir -p "$out"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# report NAME FIRST LAST: writes the report on these lines of the documents.
report() {
  sed -n "$2,$3p" soci-report/tests/report/golden/images.jsonl |
    cargo run --quiet --locked -p soci-report -- -q --format html >"$work/$1.html" || true
}

# screenshot NAME SCHEME HEIGHT: 0 is the dark colour scheme, 1 the light one.
screenshot() {
  local theme=light
  (($2)) || theme=dark
  chromium --headless=new --no-sandbox --disable-gpu --hide-scrollbars --user-data-dir="$work/profile" \
    --blink-settings=preferredColorScheme="$2" --window-size="1100,$3" \
    --screenshot="$work/shot.png" "file://$work/$1.html" 2>"$work/log" ||
    { cat "$work/log" >&2 && exit 1; }
  pngquant --force --speed 1 --strip 64 --output "$out/$1-$theme.png" "$work/shot.png"
}

report images 1 99
report layers 1 1
for scheme in 0 1; do
  screenshot images "$scheme" 1250
  screenshot layers "$scheme" 1150
done
ls -l "$out"
