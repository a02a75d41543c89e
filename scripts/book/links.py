#!/usr/bin/env python3
"""Checks the links of the built book: those within it by their target and anchor, others by form.

usage: links.py DIRECTORY_OF_HTML
Prints each link that leads nowhere.
"""

import pathlib
import re
import sys
from html.parser import HTMLParser
from urllib.parse import unquote, urlsplit


class Page(HTMLParser):
    """Collects the anchors and the links of a page."""

    def __init__(self, text):
        super().__init__()
        self.anchors, self.links = set(), []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        for name, value in attributes:
            if name in ("id", "name") and value:
                self.anchors.add(value)
            elif name in ("href", "src") and value is not None and tag != "base":
                self.links.append(value)
            elif name == "srcset" and value:
                self.links += [part.split()[0] for part in value.split(",")]


def problem(root, pages, page, link):
    """Returns what is wrong with a link of a page, or None."""
    parts = urlsplit(link)
    if parts.scheme or parts.netloc:
        well_formed = parts.scheme == "https" and "." in parts.netloc and not re.search(r"\s", link)
        return None if well_formed else "is not a well-formed https link"
    target = page
    if parts.path:
        target = (page.parent / unquote(parts.path)).resolve()
        if not target.is_relative_to(root) or not target.is_file():
            return "leads to no page or file of the book"
    if parts.fragment and target in pages and unquote(parts.fragment) not in pages[target].anchors:
        return "names an anchor that the page lacks"
    return None


def main():
    root = pathlib.Path(sys.argv[1]).resolve()
    pages = {path: Page(path.read_text()) for path in sorted(root.rglob("*.html"))}
    problems, links = [], 0
    for path, page in pages.items():
        # The table of contents and the page for unknown addresses are relative to other pages.
        if path.name in ("toc.html", "404.html"):
            continue
        for link in page.links:
            links += 1
            if found := problem(root, pages, path, link):
                problems.append(f"{path.relative_to(root)}: {link} {found}")
    if not links:
        problems.append("no page was built")
    print(f"book: {len(pages)} pages, {links} links, {len(problems)} problems", file=sys.stderr)
    for line in problems:
        print(f"book: {line}", file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
