#!/usr/bin/env bash
# Builds the book from the pages that docs/SUMMARY.md lists, into target/book/html. Fails if mdbook
# warns, or if a link or an anchor leads nowhere.
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/setup.sh book
target=$(realpath "${CARGO_TARGET_DIR:-target}")
book=$target/book
log=$target/book.log

# mdbook wants all pages below one directory, at the places that links between them name.
rm -rf "$book"
mkdir -p "$book/src"
sources=(./*.md LICENSE docs tests/builders/README.md)
[[ ! -d deploy ]] || sources+=(deploy)
find "${sources[@]}" -type f -regex '.*\(LICENSE\|Dockerfile\|Jenkinsfile\|Jenkinsfile\|\.\(md\|svg\|png\|json\|txt\|ya?ml\)\)' \
  -exec cp --parents -t "$book/src" {} +
cp docs/book.toml "$book"
sed -E 's#\]\(#](docs/#; s#\]\(docs/\.\./#](#' docs/SUMMARY.md >"$book/src/SUMMARY.md"
rm -f "$book/src/docs/SUMMARY.md"

"$target/tools/book/bin/mdbook" build --dest-dir "$book/html" "$book" 2>"$log" || { cat "$log" >&2 && exit 1; }
if grep -E 'WARN|ERROR' "$log" >&2; then
  exit 1
fi
scripts/book/links.py "$book/html"
echo "the book is in $book/html/index.html" >&2
