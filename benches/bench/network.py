"""Measures networks that limit each connection, or the client, through a proxy with these limits."""

import json
import os
import shutil
import statistics
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from . import images
from .bounds import ztoc_sizes
from .measure import peak, run, shell
from .registry import Registry
from .speed import Image

MB = 1000 * 1000
MIB = 1 << 20
# S3 gives one connection 85 to 90 MB/s (docs/scale/README.md).
CONNECTION = 90 * MB
DELAY = "10ms"
FIXED = (1, 2, 3, 4, 6, 8)
TINY_DELAY = "20ms"


class Network:
    """The proxy in front of a registry, until the object is closed."""

    def __init__(self, registry: Registry, *limits: str, delay: str = DELAY):
        program = run(["scripts/setup.sh", "network"]).stdout.strip()
        command = [program, f"-registry={registry.name}", f"-delay={delay}", *limits]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self.name = self.process.stdout.readline().strip()

    def close(self) -> tuple[int, int]:
        """Returns how many requests the proxy has forwarded, and how many bytes of answers."""
        self.process.terminate()
        requests, received = self.process.communicate()[0].split()
        return int(requests), int(received)


@dataclass
class Measured:
    """The medians for one number of connections, or for the default (`None`)."""

    connections: int | None
    wall: float
    requests: float
    peak: float


def one_layer(image: Image, registry: Registry, repository: str) -> str:
    """Tags an image of the largest layer alone."""
    manifest = registry.manifest(repository, "v1")
    manifest["layers"] = [max(manifest["layers"], key=lambda layer: layer["size"])]
    registry.put_manifest(repository, "largest", manifest)
    return f"{repository}:largest"


def pipe(network: Network, name: str, connections: int | None, work: Path) -> tuple[float, float]:
    """Returns the seconds of the pipe for the layer, which is indexed anew, and the peak of the tool with the largest one."""
    env = {"SOCI_STORE": str(work / "network"), "SOCI_FORCE": "true"}
    if connections:
        env["SOCI_CONNECTIONS"] = str(connections)
    script = f"soci-pull -q {network.name}/{name} | soci-plan -q --min-layer-size 0 | soci-index -q | soci-push -q"
    used = peak(shell(script), Path("/dev/null"), env)
    shutil.rmtree(work / "network")
    return used.wall, used.memory


def rounds(registry: Registry, name: str, limits: list[str], choices: list[int | None], count: int, work: Path) -> list[Measured]:
    """Measures each number of connections `count` times, in turn, in the same network."""
    samples = {choice: [] for choice in choices}
    for _ in range(count):
        for choice in choices:
            network = Network(registry, *limits)
            wall, memory = pipe(network, name, choice, work)
            samples[choice].append((wall, network.close()[0], memory))
    return [Measured(choice, *(statistics.median(column) for column in zip(*found))) for choice, found in samples.items()]


def measure(image: Image, registry: Registry, repository: str, count: int, work: Path) -> dict:
    """Measures the largest layer where each connection is limited, and where the client is."""
    name = one_layer(image, registry, repository)
    script = f"SOCI_STORE='{work}/sizes' soci-pull -q {registry.name}/{name} | SOCI_STORE='{work}/sizes' soci-plan -q | SOCI_STORE='{work}/sizes' soci-index -q"
    ztoc = sum(ztoc_sizes(json.loads(run(shell(script)).stdout)))
    shutil.rmtree(work / "sizes")
    return {
        "ztoc": ztoc,
        "connection": rounds(registry, name, [f"-connection={CONNECTION}"], [*FIXED, None], count, work),
        "client": rounds(registry, name, [f"-client={CONNECTION}"], [1, None], count, work),
    }


def index_all(references: list[str], at_once: bool, work: Path) -> float:
    """Returns the seconds of one pipe for images, of which it gets all at once, or each after the document of the one before."""
    env = {**os.environ, "SOCI_STORE": str(work / "tiny")}
    script = "soci-pull -q | soci-plan -q --min-layer-size 0 | soci-index -q | soci-push -q"
    began = time.monotonic()
    pipe = subprocess.Popen(shell(script), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=env)
    lines = [line + "\n" for line in references]
    for part in [lines] if at_once else [[line] for line in lines]:
        pipe.stdin.writelines(part)
        pipe.stdin.flush()
        documents = [json.loads(pipe.stdout.readline()) for _ in part]
        assert not any("error" in document for document in documents)
    pipe.stdin.close()
    assert pipe.wait() == 0
    shutil.rmtree(work / "tiny")
    return time.monotonic() - began


def tiny(registry: Registry, count: int, work: Path) -> dict:
    """Measures one pipe over many tiny images, with several in work at a time and with one."""
    measured = {"images": count}
    for at_once in (False, True):
        network = Network(registry, delay=TINY_DELAY)
        prefix = "at-once" if at_once else "in-turn"
        references = images.tiny(registry, count, prefix)
        references = [reference.replace(registry.name, network.name) for reference in references]
        wall = index_all(references, at_once, work)
        measured[prefix] = {"wall": wall, "requests": network.close()[0]}
    return measured
