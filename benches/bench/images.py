"""Makes images for measurements: with a layer of a given size, and very small ones."""

import gzip
import hashlib
import io
import json
import subprocess
import tarfile
from pathlib import Path

MEDIA = "application/vnd.oci.image"
LAYER = f"{MEDIA}.layer.v1.tar+gzip"
END = bytes(1024)


def descriptor(media_type: str, content: bytes) -> dict:
    digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
    return {"mediaType": media_type, "digest": digest, "size": len(content)}


def config() -> bytes:
    return json.dumps({"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": []}}).encode()


def manifest(layer: dict) -> dict:
    of_config = descriptor(f"{MEDIA}.config.v1+json", config())
    return {"schemaVersion": 2, "mediaType": f"{MEDIA}.manifest.v1+json", "config": of_config, "layers": [layer]}


def cut(layer: Path, most: int) -> int:
    """Returns the end of the last entry that is complete within the first `most` bytes of a layer's tar."""
    with subprocess.Popen(["igzip", "-dc", str(layer)], stdout=subprocess.PIPE) as inflate:
        offset = 0
        with tarfile.open(fileobj=inflate.stdout, mode="r|") as archive:
            for entry in archive:
                if entry.offset > most:
                    break
                offset = entry.offset
        inflate.kill()
    return offset


def start_of(layer: Path, most: int, to: Path) -> int:
    """Compresses the start of a layer's tar, without the end blocks, as one gzip member. Returns its uncompressed length."""
    length = cut(layer, most)
    script = f"set +o pipefail; igzip -dc '{layer}' | head -c {length} | gzip -n >'{to}'"
    subprocess.run(["bash", "-c", script], check=True)
    return length


def layout(directory: Path, member: Path, times: int) -> None:
    """Makes an OCI layout of an image whose one layer repeats a gzip member, each time with the same entries."""
    blobs = directory / "blobs/sha256"
    blobs.mkdir(parents=True)
    (directory / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
    digest, size, content = hashlib.sha256(), 0, member.read_bytes()
    with (blobs / "new").open("wb") as layer:
        for part in [content] * times + [gzip.compress(END, mtime=0)]:
            layer.write(part)
            digest.update(part)
            size += len(part)
    (blobs / "new").rename(blobs / digest.hexdigest())
    of_layer = {"mediaType": LAYER, "digest": f"sha256:{digest.hexdigest()}", "size": size}
    root = json.dumps(manifest(of_layer)).encode()
    for blob in [config(), root]:
        (blobs / hashlib.sha256(blob).hexdigest()).write_bytes(blob)
    of_root = descriptor(f"{MEDIA}.manifest.v1+json", root)
    of_root["annotations"] = {"org.opencontainers.image.ref.name": "latest"}
    of_root["platform"] = {"architecture": "amd64", "os": "linux"}
    (directory / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [of_root]}))


def files(to: Path, count: int, size: int) -> None:
    """Compresses the tar of files of this size, without the end blocks, as one gzip member."""
    content = b"0123456789abcdef" * (size // 16 + 1)
    blocks = content[:size] + bytes(-size % 512)
    with gzip.GzipFile(to, "wb", compresslevel=1, mtime=0) as layer:
        for number in range(count):
            entry = tarfile.TarInfo(f"usr/share/{number // 1000}/file{number}")
            entry.size = size
            layer.write(entry.tobuf() + blocks)


def tiny_layer(number: int) -> bytes:
    """Returns a layer of one small file, which differs from all others."""
    tar = io.BytesIO()
    with tarfile.open(fileobj=tar, mode="w") as archive:
        entry = tarfile.TarInfo("number")
        content = str(number).encode()
        entry.size = len(content)
        archive.addfile(entry, io.BytesIO(content))
    return gzip.compress(tar.getvalue(), mtime=0)


def tiny(registry, count: int, group: str = "tiny") -> list[str]:
    """Pushes tiny images, each to a repository of its own below `group`, and returns their references."""
    references = []
    for number in range(count):
        repository = f"{group}/{number}"
        layer = tiny_layer(number)
        for media_type, content in [(LAYER, layer), (f"{MEDIA}.config.v1+json", config())]:
            registry.put_blob(repository, descriptor(media_type, content)["digest"], content)
        registry.put_manifest(repository, "v1", manifest(descriptor(LAYER, layer)))
        references.append(f"{registry.name}/{repository}:v1")
    return references
