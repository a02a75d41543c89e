#!/usr/bin/env python3
"""Measures a backfill of many tiny images on loopback; see docs/backfill.md.

usage: benches/backfill.py [--images N] [--profile NAME]
Prints the seconds and the requests for each image: for the first run, and for runs in which nothing is left to do.
The tools are those in $CARGO_TARGET_DIR/dist, or in another directory there with `--profile`.
"""

import argparse
import os
import shutil
import tempfile
import time
from pathlib import Path

from bench import images
from bench.measure import run, shell
from bench.registry import Registry

ROOT = Path(__file__).resolve().parent.parent


def block() -> str:
    """Returns the commands of docs/backfill.md that index what is left."""
    page = (ROOT / "docs/backfill.md").read_text()
    return next(block for block in page.split("```sh\n")[1:] if "finished.txt" in block).split("```")[0]


def measure(registry: Registry, work: Path, count: int) -> list[tuple[str, float, float]]:
    """Returns the name, the seconds and the requests for each image of each run."""
    references = images.tiny(registry, count)
    (work / "references.txt").write_text("\n".join(references) + "\n")
    pushed = work / "pushed.jsonl"
    pushed.write_text("")
    rows = []

    def row(name: str, left: int, store: str, version: str) -> None:
        variables = f"SOCI_STORE='{work}/{store}' SOCI_MIN_LAYER_SIZE=0 SOCI_INDEX_VERSION={version} SOCI_LOG_LEVEL=error"
        before, began = registry.requests(), time.monotonic()
        run(shell(f"cd '{work}'; export {variables} SOCI_RETRY_WAIT=0.001; {{ {block()} }} || true"))
        seconds = time.monotonic() - began
        todo = (work / "todo.txt").read_text().split()
        assert len(todo) == left, f"{len(todo)} images were left, not {left}"
        rows.append((name, seconds, (registry.requests() - before) / count))

    row("the first one, both index versions", count, "first", "both")
    row("again, with `pushed.jsonl`", 0, "first", "both")
    pushed.write_text("")
    row("again, without `pushed.jsonl`, with the store, both versions", count, "first", "both")
    pushed.write_text("")
    row("the same, `SOCI_INDEX_VERSION=v2`", count, "first", "v2")
    pushed.write_text("")
    row("again, without both: another machine, or a sweep", count, "second", "both")
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument("--profile", default="dist", help="the Cargo profile of the tools: dist (the default) or release")
    arguments = parser.parse_args()
    target = Path(os.environ.get("CARGO_TARGET_DIR", "target")).resolve()
    os.environ["PATH"] = f"{target / arguments.profile}:{os.environ['PATH']}"
    os.chdir(ROOT)
    work = Path(tempfile.mkdtemp(dir=target))
    registry = Registry.docker(work, work / "registry")
    try:
        rows = measure(registry, work, arguments.images)
    finally:
        registry.close()
        shutil.rmtree(work)
    print(f"| run over {arguments.images:,} images | s | requests for each image |\n| --- | --: | --: |")
    for name, seconds, requests in rows:
        print(f"| {name} | {seconds:,.1f} | {requests:,.0f} |")


if __name__ == "__main__":
    main()
