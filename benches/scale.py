#!/usr/bin/env python3
"""Computes the tables of docs/scale.md from measured figures; those of the document are the defaults.

usage: benches/scale.py [--core-seconds S] [--image-mb MB] [--ztoc-mb MB] [--inflate-mbs MB/s] [--digest-mbs MB/s] [--extra X]
"""

import argparse
from dataclasses import dataclass

# List prices in US dollars, us-east-1, x86.
LAMBDA_GB_SECOND = 0.0000166667
LAMBDA_REQUEST = 0.20 / 1e6
LAMBDA_MB_OF_ONE_CORE = 1769
FARGATE_CORE_HOUR = 0.04048
FARGATE_GB_HOUR = 0.004445
NODE_HOUR, NODE_CORES = 0.1785, 4  # c7i.xlarge
CLUSTER_HOUR = 0.10
SPOT = 0.30  # what is left of a price
ECR_GB_MONTH = 0.10
# Requests a second that ECR takes of an account in a region, by default.
ECR_PUT_IMAGE = 10
ECR_COMPLETE_UPLOAD = 100


@dataclass
class Figures:
    """What was measured: core-seconds, MB, and MB/s of compressed bytes on one core."""

    core_seconds: float
    image: float
    ztoc: float
    layers: int
    inflate: float
    digest: float
    extra: float
    ratio: float


def table(head: list[str], rows: list[list[str]]) -> None:
    for line in [head, ["---"] * len(head), *rows]:
        print("| " + " | ".join(line) + " |")
    print()


def mbs(gigabits: float) -> float:
    return gigabits * 1000 / 8


def per_hour(figures: Figures) -> None:
    """Images an hour on one machine, by cores and network; what bounds them is named."""
    networks = [1, 5, 12.5, 25, 50, 100]
    rows = []
    for cores in (2, 4, 16, 64):
        row = [str(cores)]
        for network in networks:
            by_core = cores / figures.core_seconds
            by_network = mbs(network) / figures.image
            bound = "network" if by_network < by_core else "inflate"
            row.append(f"{3600 * min(by_core, by_network):,.0f} ({bound})")
        rows.append(row)
    table(["cores", *(f"{network:g} Gbit/s" for network in networks)], rows)
    even = figures.image * 8 / 1000 / figures.core_seconds
    print(f"Network and inflate are even at {even:.2f} Gbit/s for a core.\n")


def million(figures: Figures) -> None:
    """Dollars for a million images, computing only."""
    core_hours = 1e6 * figures.core_seconds / 3600
    on_lambda = 1e6 * (figures.core_seconds * LAMBDA_MB_OF_ONE_CORE / 1024 * LAMBDA_GB_SECOND + LAMBDA_REQUEST)
    fargate = core_hours * (FARGATE_CORE_HOUR + 2 * FARGATE_GB_HOUR)
    single = 1e6 * 60 / 3600 * (FARGATE_CORE_HOUR + 2 * FARGATE_GB_HOUR)
    nodes = core_hours / NODE_CORES * NODE_HOUR
    hours = core_hours / (20 * NODE_CORES)
    rows = [
        ["Lambda, 1,769 MB or less", f"{on_lambda:,.0f}", "–"],
        ["Batch on Fargate, 1 vCPU and 2 GB, many images a task", f"{fargate:,.0f}", f"{fargate * SPOT:,.0f}"],
        ["Batch on Fargate, one image a task (a minute is the least)", f"{single:,.0f}", f"{single * SPOT:,.0f}"],
        ["Kubernetes, 20 × c7i.xlarge", f"{nodes + hours * CLUSTER_HOUR:,.0f}", f"{nodes * SPOT + hours * CLUSTER_HOUR:,.0f}"],
    ]
    table(["where", "on demand, $", "spot, $"], rows)
    storage = figures.ztoc * 1e6 / 1000 * ECR_GB_MONTH
    manifests = 1e6 * 3 / ECR_PUT_IMAGE / 3600
    uploads = 1e6 * (figures.layers + 1) / ECR_COMPLETE_UPLOAD / 3600
    print(f"Core-hours: {core_hours:,.0f}. Keeping the ztocs in ECR: ${storage:,.0f} a month.")
    print(f"Least time by ECR's quotas: {manifests:.0f} h for PutImage, {uploads:.0f} h for CompleteLayerUpload.\n")


def speculative(figures: Figures, size: float, chunk: float, network: float, cores: int) -> float:
    """Seconds until one layer of `size` MB is done.

    Chunks of `chunk` MB arrive one after the other. The first free core takes the next one; without its window, decoding
    costs `extra` times as much. A chunk is resolved once the one before it is. One core digests the layer meanwhile.
    """
    chunks = int(size / chunk)
    free = [0.0] * (cores - 1)
    resolved = digested = 0.0
    for number in range(chunks):
        arrived = (number + 1) * chunk / mbs(network)
        core = free.index(min(free))
        factor = figures.extra if number else 1.0
        free[core] = max(free[core], arrived) + chunk / figures.inflate * factor
        resolved = max(resolved, free[core])
        digested = max(digested, arrived) + chunk / figures.digest
    return max(resolved, digested)


def serial(figures: Figures, size: float, network: float) -> float:
    return size / min(mbs(network), figures.inflate)


def giant(figures: Figures, size: float, chunk: float) -> None:
    """Seconds for one giant layer."""
    rows = []
    for network in (1, 2.5, 5, 10, 12.5, 25, 50, 100):
        row = [f"{network:g}", f"{serial(figures, size, network):.0f}"]
        for cores in (4, 8, 16):
            row.append(f"{speculative(figures, size, chunk, network, cores):.0f}")
        rows.append(row)
    table(["Gbit/s", "one core inflates", "4 cores", "8 cores", "16 cores"], rows)
    even = figures.inflate * 8 / 1000
    print(f"One core keeps up with {even:.1f} Gbit/s; the layer's digest with {figures.digest * 8 / 1000:.1f} Gbit/s.")
    # A byte that may yet be unknown takes two, beside the compressed ones.
    memory = 15 * chunk * (1 + 2 * figures.ratio)
    print(f"16 cores hold {memory:,.0f} MB in chunks of {chunk:g} MB.\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--core-seconds", type=float, default=4.3, help="of the pipeline for one image")
    parser.add_argument("--image-mb", type=float, default=749, help="of an image, compressed")
    parser.add_argument("--ztoc-mb", type=float, default=23, help="of all ztocs of an image")
    parser.add_argument("--layers", type=int, default=9, help="with a ztoc, of an image")
    parser.add_argument("--inflate-mbs", type=float, default=277, help="compressed, on one core, with checkpoints")
    parser.add_argument("--digest-mbs", type=float, default=1700, help="of the layer's SHA-256 on one core")
    parser.add_argument("--extra", type=float, default=1.7, help="work of decoding without a window, as a multiple")
    parser.add_argument("--ratio", type=float, default=2.9, help="of tar to compressed bytes")
    given = parser.parse_args()
    figures = Figures(
        given.core_seconds, given.image_mb, given.ztoc_mb, given.layers, given.inflate_mbs, given.digest_mbs, given.extra, given.ratio
    )
    print("## One machine\n")
    per_hour(figures)
    print("## A million images\n")
    million(figures)
    print("## One giant layer (20 GB)\n")
    giant(figures, 20000, 4)


if __name__ == "__main__":
    main()
