"""Checks what the pipeline pushed, by plain requests to the registry."""

import hashlib
import json
import subprocess
import tarfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from bench.registry import Registry

from .builder import Failure

INDEX = "application/vnd.oci.image.index.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
DOCKER = "application/vnd.docker.distribution.manifest"
ACCEPT = ", ".join([INDEX, MANIFEST, f"{DOCKER}.v2+json", f"{DOCKER}.list.v2+json"])
INDEX_DIGEST = "com.amazon.soci.index-digest"
LAYER_DIGEST = "com.amazon.soci.image-layer-digest"


def require(condition: bool, message: str) -> None:
    if not condition:
        raise Failure(message)


@dataclass
class Repository:
    """A repository in a registry."""

    registry: Registry
    name: str

    def read(self, kind: str, name: str) -> bytes:
        """Returns a manifest or blob. Checks its digest if `name` is one."""
        answer = self.registry.ask("GET", f"/v2/{self.name}/{kind}/{name}", Accept=ACCEPT)
        require(answer.status == 200, f"{kind}/{name}: the registry answers {answer.status}")
        found = f"sha256:{hashlib.sha256(answer.content).hexdigest()}"
        require(not name.startswith("sha256:") or name == found, f"{kind}/{name} has the digest {found}")
        return answer.content

    def tags(self) -> list[str]:
        answer = self.registry.ask("GET", f"/v2/{self.name}/tags/list")
        return sorted(json.loads(answer.content).get("tags", []))

    def manifest(self, name: str) -> dict:
        return json.loads(self.read("manifests", name))


def reason(layer: dict) -> str | None:
    """Returns why a layer of a document was skipped, or `None` if it was indexed."""
    if layer["plan"]["action"] == "skip":
        return layer["plan"].get("reason", "no reason")
    return layer.get("skipped") or (None if layer.get("ztoc") else "no reason")


def check_outcomes(document: dict, allowed: set[str]) -> tuple[list[dict], Counter]:
    """Returns the layers of the planned manifests and how many were skipped for each reason."""
    planned = [entry for entry in document["manifests"] if entry["plan"]["action"] == "index"]
    require(len(planned) == 1, f"{len(planned)} manifests are planned, expected 1")
    layers = planned[0]["layers"]
    require(bool(layers), "the image has no layers")
    skipped = Counter(filter(None, map(reason, layers)))
    require(set(skipped) == allowed, f"layers are skipped for {dict(skipped)}, expected {allowed or 'none'}")
    return layers, skipped


def check_index(repository: Repository, digest: str, indexed: list[dict], subject: dict | None) -> None:
    """Checks that a SOCI index has the ztocs of exactly these layers."""
    index = repository.manifest(digest)
    expected = {layer["descriptor"]["digest"]: layer["ztoc"]["digest"] for layer in indexed}
    found = {ztoc["annotations"][LAYER_DIGEST]: ztoc["digest"] for ztoc in index["layers"]}
    require(found == expected, f"SOCI index {digest} has the ztocs {found}, expected {expected}")
    require(index.get("subject", {}).get("digest") == (subject or {}).get("digest"), f"SOCI index {digest}: wrong subject")


def check_converted(repository: Repository, document: dict, layers: list[dict]) -> str | None:
    """Checks the image under the new tag, and returns the digest of its SOCI index, if it has one."""
    tag = document["push"]["tags"][0]["tag"].rsplit(":", 1)[1]
    root = repository.read("manifests", tag)
    pushed = document.get("converted") or document["root"]
    require(f"sha256:{hashlib.sha256(root).hexdigest()}" == pushed["digest"], f"tag {tag} is not {pushed['digest']}")
    if not document.get("converted"):
        return None
    images = [entry for entry in json.loads(root)["manifests"] if INDEX_DIGEST in entry.get("annotations", {})]
    require(len(images) == 1, f"{len(images)} converted manifests, expected 1")
    image = repository.manifest(images[0]["digest"])
    found = [layer["digest"] for layer in image["layers"]]
    require(found == [layer["descriptor"]["digest"] for layer in layers], f"the converted image has the layers {found}")
    return images[0]["annotations"][INDEX_DIGEST]


def tar_digests(layer: Path) -> list[bytes]:
    """Returns a line for each regular file of a layer, as the example `digests` prints it."""
    lines = []
    with tarfile.open(layer, "r:*", encoding="utf-8", errors="surrogateescape") as tar:
        for member in tar:
            if member.isreg():
                digest = hashlib.sha256(tar.extractfile(member).read()).hexdigest()
                lines.append(f"{digest}  {member.name}".encode("utf-8", "surrogateescape"))
    return lines


def check_files(repository: Repository, layer: dict, digests: Path, work: Path) -> None:
    """Reads each file of a layer through its ztoc, and compares it with what tarfile reads."""
    paths = [work / "ztoc", work / "layer"]
    for path, descriptor in zip(paths, [layer["ztoc"], layer["descriptor"]]):
        path.write_bytes(repository.read("blobs", descriptor["digest"]))
    done = subprocess.run([digests, *paths], capture_output=True, check=False)
    digest = layer["descriptor"]["digest"]
    require(done.returncode == 0, f"layer {digest} cannot be read through its ztoc: {done.stderr.decode()[-1000:]}")
    found, expected = done.stdout.splitlines(), tar_digests(paths[1])
    require(found == expected, f"layer {digest}: read {found} through its ztoc, expected {expected}")


def check_all(repository: Repository, document: dict, allowed: set[str], digests: Path, work: Path) -> tuple[int, Counter]:
    """Checks the outcome of a pipeline. Returns the number of layers and how many were skipped for each reason."""
    layers, skipped = check_outcomes(document, allowed)
    indexed = [layer for layer in layers if reason(layer) is None]
    version_2 = check_converted(repository, document, layers)
    require(bool(version_2) == bool(indexed), f"the SOCI index is {version_2}, with {len(indexed)} indexed layers")
    if indexed:
        entry = next(entry for entry in document["manifests"] if entry["plan"]["action"] == "index")
        check_index(repository, version_2, indexed, None)
        check_index(repository, entry["index"]["v1"]["digest"], indexed, entry["descriptor"])
        referrers = repository.manifest(entry["descriptor"]["digest"].replace(":", "-"))
        found = [referrer["digest"] for referrer in referrers["manifests"]]
        require(entry["index"]["v1"]["digest"] in found, f"the referrers are {found}")
    for layer in indexed:
        check_files(repository, layer, digests, work)
    return len(layers), skipped
