#!/usr/bin/env python3
"""Measures the tools on an image that it makes, against public tools in the same run; see docs/performance.md.

usage: benches/bench.py [--rounds N] [--no-write] [--profile NAME] [--only PART]...
The tools are those in $CARGO_TARGET_DIR/dist, or in another directory there with `--profile`. The image and the registry
of a run stay in $CARGO_TARGET_DIR/bench for the next run.
"""

import argparse
import os
import shutil
import sys
import tempfile
from pathlib import Path

from bench import bounds, network, rebuild, report, speed
from bench.measure import run
from bench.registry import Registry

ROOT = Path(__file__).resolve().parent.parent
REPOSITORY = "bench/large"
WHEELS_MB = "600"
PARTS = ["speed", "memory", "start", "growth", "network", "rebuild"]


def say(text: str) -> None:
    print(f"bench: {text}", file=sys.stderr, flush=True)


def make_image(registry: Registry) -> None:
    """Makes the image, unless the registry's directory holds it from an earlier run."""
    if registry.manifest(REPOSITORY, "v1"):
        return
    say("making an image of a Debian root and large wheels; this takes some minutes")
    run(["scripts/make-image.sh", f"{registry.name}/{REPOSITORY}:v1", WHEELS_MB])


def measure_rounds(image: speed.Image, wanted: int, registries: list[Registry], work: Path) -> tuple[list[dict], int]:
    """Measures `wanted` rounds. Leaves out a round if the machine did not give two whole cores before and after it."""
    costs, number = [], 0
    while len(costs) < wanted and number < 4 * wanted:
        say(f"round {len(costs) + 1} of {wanted}")
        before = speed.disturbance(image)
        measured = speed.one_round(image, number, registries, work)
        worst = max(before, speed.disturbance(image))
        number += 1
        if worst <= speed.QUIET:
            costs.append(measured)
        else:
            say(f"two at once took {worst:.2f} times as long as one: another program uses the machine; repeating the round")
    if not costs:
        raise SystemExit("bench: other programs used the machine in every round")
    return costs, number - len(costs)


def measure(parts: list[str], rounds: int, docker: Registry, olareg: Registry, work: Path) -> str:
    image = speed.prepare(docker, REPOSITORY, work)
    sizes = (f"{len(image.layers)} layers, {image.compressed / 1e6:,.0f} MB compressed", f"{image.uncompressed / 1e6:,.0f} MB of tar")
    text = [f"On {report.machine()}; an image of {', '.join(sizes)}.\n"]
    if "speed" in parts:
        costs, disturbed = measure_rounds(image, rounds, [docker, olareg], work)
        text += [f"### Time, {len(costs)} rounds, {disturbed} left out\n", report.ratios(image, costs)]
    if "memory" in parts:
        say("memory")
        rows = bounds.memory(image, work)
        text += ["### Memory\n", report.memory(rows), "### Disk\n", report.disk(image, rows)]
    if "start" in parts:
        say("start")
        planned = bounds.plan(image, 1000, work, runs=20)
        text += ["### Start\n", report.start(bounds.start(runs=50), planned)]
    if "growth" in parts:
        say("growth")
        rows = bounds.growth(image, work)
        text += ["### Growth\n", report.growth(rows, bounds.many_files(300_000, work), bounds.tiny(docker, 1000, work))]
    if "rebuild" in parts:
        say("rebuild")
        measured = [(kind, rebuild.rebuild(registry, 5, work)) for kind, registry in (("olareg", olareg), ("docker-registry", docker))]
        text += ["### Rebuild with one new layer of five\n", report.rebuild(measured)]
    if "network" in parts:
        say("network")
        measured = network.measure(image, docker, REPOSITORY, 3, work)
        text += ["### Network, one layer, 10 ms a request, medians of 3\n", report.network(measured)]
        text += ["### Tiny images, 20 ms a request\n", report.tiny(network.tiny(olareg, 200, work))]
    return "\n".join(text)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--profile", default="dist", help="the Cargo profile of the tools: dist (the default) or release")
    parser.add_argument("--no-write", action="store_true", help="print the tables, and do not write them")
    parser.add_argument("--only", action="append", choices=PARTS, help="measure only this part, and do not write the tables")
    arguments = parser.parse_args()
    target = Path(os.environ.get("CARGO_TARGET_DIR", "target")).resolve()
    os.environ["PATH"] = f"{target / arguments.profile}:{os.environ['PATH']}"
    os.chdir(ROOT)
    kept = target / "bench"
    kept.mkdir(parents=True, exist_ok=True)
    # The tools would reuse the ztocs of an earlier run.
    for repositories in ("round", "tiny", rebuild.REPOSITORY):
        shutil.rmtree(kept / "registry/docker/registry/v2/repositories" / repositories, ignore_errors=True)
    work = Path(tempfile.mkdtemp(dir=kept))
    docker = Registry.docker(work, kept / "registry")
    olareg = Registry.olareg(work)
    try:
        make_image(docker)
        text = measure(arguments.only or PARTS, arguments.rounds, docker, olareg, work)
    finally:
        docker.close()
        olareg.close()
        shutil.rmtree(work)
    print(text)
    if not (arguments.no_write or arguments.only):
        report.write(ROOT / "docs/performance.md", text)
        say("written to docs/performance.md")


if __name__ == "__main__":
    main()
