"""Measures the pipe on an image of which one layer of five has changed, on a machine with an empty store."""

import gzip
import io
import os
import shutil
import statistics
import tarfile
from pathlib import Path

from .images import LAYER, MEDIA, config, descriptor, manifest
from .measure import cost, shell
from .network import Network
from .registry import Registry

REPOSITORY = "rebuild"
LAYERS = 5
LAYER_SIZE = 1_000_000
# Seconds that a request takes in the slower of the two networks that are compared.
DELAY = 0.1


def rebuild(registry: Registry, runs: int, work: Path) -> dict[str, float]:
    """Returns how many requests follow one another in a rebuild, how many there are, and the bytes that are fetched.

    A rebuild that takes `n` times the delay longer in a network with a delay has `n` requests that wait for one another.
    """
    layers = [random_layer() for _ in range(LAYERS)]
    push(registry, "v1", layers)
    index(f"{registry.name}/{REPOSITORY}:v1", work, "")
    times = {0.0: [], DELAY: []}
    for number in range(runs):
        for delay, walls in times.items():
            changed = random_layer()
            tag = f"changed-{number}-{delay}"
            push(registry, tag, [*layers[1:], changed])
            network = Network(registry, delay=f"{delay * 1000:.0f}ms")
            walls.append(index(f"{network.name}/{REPOSITORY}:{tag}", work, f"--reuse-from {network.name}/{REPOSITORY}:v1"))
            requests, received = network.close()
            counted = {"requests": requests, "fetched": received - len(changed)}
    at_once, delayed = (statistics.median(walls) for walls in times.values())
    return {"in turn": (delayed - at_once) / DELAY, "wall": at_once, **counted}


def index(reference: str, work: Path, plan: str) -> float:
    """Runs the pipe with an empty store, and returns its time in seconds."""
    store = work / "rebuilding"
    script = f"soci-pull -q {reference} | soci-plan -q --min-layer-size 0 {plan} | soci-index -q | soci-push -q"
    wall = cost(shell(script), {"SOCI_STORE": str(store)}).wall
    shutil.rmtree(store)
    return wall


def random_layer() -> bytes:
    """Returns a layer with one file that cannot be compressed."""
    tar = io.BytesIO()
    with tarfile.open(fileobj=tar, mode="w") as archive:
        entry = tarfile.TarInfo("file")
        entry.size = LAYER_SIZE
        archive.addfile(entry, io.BytesIO(os.urandom(LAYER_SIZE)))
    return gzip.compress(tar.getvalue(), mtime=0)


def push(registry: Registry, tag: str, layers: list[bytes]) -> None:
    """Pushes an image of these layers."""
    for media_type, content in [(f"{MEDIA}.config.v1+json", config())] + [(LAYER, layer) for layer in layers]:
        registry.put_blob(REPOSITORY, descriptor(media_type, content)["digest"], content)
    image = manifest({})
    image["layers"] = [descriptor(LAYER, layer) for layer in layers]
    registry.put_manifest(REPOSITORY, tag, image)
