"""Compares the tools with public ones, in rounds. Each command runs once in a round, so conditions are the same for all."""

import shutil
import statistics
from dataclasses import dataclass, field
from pathlib import Path

from .measure import Cost, cost, run, shell
from .registry import Registry, copy

# A round counts if two processes at once take at most this many times as long as one.
QUIET = 1.12


@dataclass
class Image:
    """The image that is measured. Its layers are files, in the store to which the planned document belongs."""

    registry: Registry
    repository: str
    layers: list[Path]
    digests: list[str]
    store: Path
    planned: Path
    compressed: int = 0
    # Bytes of the tar of each layer.
    tars: dict[Path, int] = field(default_factory=dict)
    ztocs: list[int] = field(default_factory=list)

    @property
    def uncompressed(self) -> int:
        return sum(self.tars.values())

    @property
    def reference(self) -> str:
        return f"{self.registry.name}/{self.repository}:v1"


def prepare(registry: Registry, repository: str, work: Path) -> Image:
    """Plans the image and downloads its layers into a store."""
    store, planned = work / "store", work / "planned.json"
    env = f"SOCI_STORE='{store}'"
    reference = f"{registry.name}/{repository}:v1"
    script = f"export {env}; soci-pull -q {reference} | soci-plan -q | soci-pull -q --layers >'{planned}'"
    run(shell(script))
    layers = registry.manifest(repository, "v1")["layers"]
    digests = [layer["digest"] for layer in sorted(layers, key=lambda layer: -layer["size"])]
    files = [store / "blobs/sha256" / digest.split(":")[1] for digest in digests]
    image = Image(registry, repository, files, digests, store, planned)
    image.compressed = sum(layer["size"] for layer in layers)
    sizes = run(shell(f"for f in {paths(files)}; do igzip -dc \"$f\" | wc -c; done")).stdout.split()
    image.tars = dict(zip(files, map(int, sizes), strict=True))
    return image


def paths(files: list[Path]) -> str:
    return " ".join(f"'{file}'" for file in files)


def disturbance(image: Image) -> float:
    """Returns how many times as long as one run of `igzip` two at once take: 1.0 if the machine gives two whole cores."""
    longest = image.layers[0]
    both = shell(f"igzip -dc '{longest}' & igzip -dc '{longest}'; wait")
    return cost(both).wall / cost(["igzip", "-dc", str(longest)]).wall


def one_round(image: Image, number: int, others: list[Registry], work: Path) -> dict[str, Cost]:
    """Measures every command once."""
    files = paths(image.layers)
    costs = {
        "igzip, longest layer": cost(["igzip", "-dc", str(image.layers[0])]),
        "igzip, all layers": cost(shell(f"for f in {files}; do igzip -dc \"$f\"; done")),
        "openssl, all layers": cost(shell(f"openssl dgst -sha256 {files}")),
    }
    before = image.registry.core_seconds()
    urls = (f"http://{image.registry.name}/v2/{image.repository}/blobs/{digest}" for digest in image.digests)
    costs["curl"] = cost(["curl", "-sSf", *(word for url in urls for word in ("-o", "/dev/null", url))])
    costs["registry"] = Cost(0, image.registry.core_seconds() - before)
    index = f"soci-index -q --force <'{image.planned}'"
    costs["soci-index"] = cost(shell(index), {"SOCI_STORE": str(image.store)})
    for kind, registry in zip(("docker-registry", "olareg"), others, strict=True):
        repository = f"round/{number}"
        copy(image.reference, f"{registry.name}/{repository}:v1")
        costs[f"pipeline, {kind}"] = pipeline(f"{registry.name}/{repository}:v1", work)
    return costs


def pipeline(reference: str, work: Path) -> Cost:
    """Measures the four tools on an image without an index, with an empty store."""
    store = work / "fresh"
    tools = f"soci-pull -q {reference} | soci-plan -q | soci-index -q | soci-push -q"
    measured = cost(shell(tools), {"SOCI_STORE": str(store)})
    shutil.rmtree(store)
    return measured


def limit(costs: dict[str, Cost]) -> tuple[float, float]:
    """Returns the least time of an index and of the whole pipeline on two cores, in seconds."""
    half = core_of_public_tools(costs) / 2
    index = max(costs["igzip, longest layer"].wall, half)
    fetch = (costs["curl"].core + costs["registry"].core) / 2
    return index, index + fetch


def core_of_public_tools(costs: dict[str, Cost]) -> float:
    return costs["igzip, all layers"].core + 2 * costs["openssl, all layers"].core


def median(rounds: list[dict[str, Cost]], value) -> float:
    return statistics.median(value(costs) for costs in rounds)
