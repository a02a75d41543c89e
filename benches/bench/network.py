"""Measures networks that limit each connection, or the client, through a proxy with these limits."""

import json
import shutil
import statistics
import subprocess
from dataclasses import dataclass
from pathlib import Path

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


class Network:
    """The proxy in front of a registry, until the object is closed."""

    def __init__(self, registry: Registry, *limits: str):
        program = run(["scripts/setup.sh", "network"]).stdout.strip()
        command = [program, f"-registry={registry.name}", f"-delay={DELAY}", *limits]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self.name = self.process.stdout.readline().strip()

    def close(self) -> int:
        """Returns how many requests the proxy has forwarded."""
        self.process.terminate()
        return int(self.process.communicate()[0])


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
            samples[choice].append((wall, network.close(), memory))
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
