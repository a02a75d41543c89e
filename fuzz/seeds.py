#!/usr/bin/env python3
"""Writes the seeds of the fuzz targets: what the tests have of layers, ztocs, documents and images.

    seeds.py FOLDER [TARGET...]

Each target gets a folder of its own. A seed begins with the parameters that the target takes first.
"""
import gzip
import io
import json
import os
import sys
import tarfile
import zlib

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
MAX_SEED = 40_000
MAX_ZTOC = 120_000

ANSWERS = [
    b'www-authenticate: Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:team/app:pull"\n\n'
    b'{"errors":[{"code":"UNAUTHORIZED","message":"authentication required","detail":null}]}',
    b'www-authenticate: Basic realm="https://1.dkr.ecr.us-east-1.amazonaws.com/",service="ecr.amazonaws.com"\n\n',
    b'www-authenticate: Negotiate, Bearer realm=https://a/t service=s\nretry-after: Wed, 21 Oct 2026 07:28:00 GMT\n\n'
    b'{"error":"invalid_grant","error_description":"x"}',
    b'location: https://bucket.s3.amazonaws.com/x?X-Amz-Signature=1\ncontent-range: bytes 1-8/9\nretry-after: 120\n\n'
    b"<Error><Code>AccessDenied</Code><Message>Request has expired</Message></Error>",
    b'location: /v2/team/app/blobs/uploads/1?_state=a\nlink: </v2/team/app/referrers/x?n=2>; rel="next"\n'
    b"docker-content-digest: sha256:00\noci-filters-applied: artifactType\n\n",
    b'content-type: application/json\nx-amzn-errortype: com.amazon#AccessDeniedException:http://x\n\n'
    b'{"__type":"AccessDeniedException","message":"User: arn:aws:iam::1:user/a is not authorized to perform: ecr:GetAuthorizationToken"}',
    b'\n{"authorizationData":[{"authorizationToken":"QVdTOmE=","expiresAt":1.5}]}',
    b'location: http://169.254.169.254/latest\n\n{"token":"a","access_token":"b","expires_in":300}',
]

REFERENCES = [
    "debian", "debian:12", "public.ecr.aws/docker/library/debian:12", "localhost:5000/a/b:v1", "[::1]:5000/a",
    "r.example/a@sha256:" + "0" * 64, "r/a:v@sha512:" + "1" * 128, "oci:dir:tag", "oci:dir@sha256:" + "2" * 64,
    "oci-archive:image.tar", "docker-archive:image.tar:debian:12", "docker://debian", "linux/arm/v7", "linux/amd64,arm64",
    "10MiB", "1.5GB", "4096", "30s", "2m", "true", "sha256:" + "a" * 64, "1.dkr.ecr.us-east-1.amazonaws.com/a:b",
]

CREDENTIALS = [
    (b"r.example", {"auths": {"r.example": {"auth": "YTpi"}}}, b'{"Username":"a","Secret":"b","ServerURL":"r.example"}'),
    (b"docker.io", {"auths": {"https://index.docker.io/v1/": {"identitytoken": "t"}}, "credsStore": "desktop"},
     b'{"Username":"<token>","Secret":"t"}'),
    (b"1.dkr.ecr.us-east-1.amazonaws.com", {"credHelpers": {"1.dkr.ecr.us-east-1.amazonaws.com": "ecr-login"}}, b"{}"),
    (b"123456789012.dkr-ecr.cn-north-1.on.amazonwebservices.com.cn", {"auths": {"a": {"username": "u", "password": "p"}}}, b""),
]


class Writer:
    """Writes seeds with numbers as names."""

    def __init__(self, folder: str, targets: list[str]) -> None:
        self.folder, self.targets, self.counts = folder, targets, {}

    def write(self, target: str, data: bytes, limit: int = MAX_SEED) -> None:
        if (self.targets and target not in self.targets) or len(data) > limit:
            return
        number = self.counts.get(target, 0)
        self.counts[target] = number + 1
        os.makedirs(os.path.join(self.folder, target), exist_ok=True)
        with open(os.path.join(self.folder, target, f"seed-{number:04}"), "wb") as file:
            file.write(data)


def parameters(mode: int, span: int, seed: int) -> bytes:
    return bytes([mode]) + span.to_bytes(2, "little") + seed.to_bytes(2, "little")


def inflate(layer: bytes) -> bytes:
    """Returns the output of all members, as far as they can be inflated."""
    output = b""
    while layer[:2] == b"\x1f\x8b":
        stream = zlib.decompressobj(31)
        try:
            output += stream.decompress(layer, 1 << 20)
        except zlib.error:
            break
        if not stream.eof:
            break
        layer = stream.unused_data
    return output


def write_layers(writer: Writer, files: dict[str, bytes]) -> None:
    for number, (path, layer) in enumerate(sorted(files.items())):
        if not path.endswith("/layer") or path.startswith("images/"):
            continue
        tar = layer
        if layer[:2] == b"\x1f\x8b":
            writer.write("gzip", parameters(0, 1000, number) + layer)
            # A deflate stream without the plain header of ten bytes.
            writer.write("gzip", parameters(1, 100, number) + layer[10:])
            tar = inflate(layer)
        writer.write("tar", parameters(0, 700, number) + tar)
        writer.write("layer", parameters(number % 10, 600, number) + tar)
        ztoc = files.get(path.removesuffix("layer") + "ztoc")
        if ztoc and len(layer) < 1 << 15:
            head = parameters(number % 2, 1000, len(layer))
            writer.write("ztoc", head + layer + ztoc, MAX_ZTOC)


def write_images(writer: Writer, files: dict[str, bytes]) -> None:
    layouts: dict[str, dict[str, bytes]] = {}
    for path, data in sorted(files.items()):
        if path.startswith("images/") and "/layout/" in path:
            image, name = path.split("/layout/", 1)
            layouts.setdefault(image, {})[name] = data
    for layout in layouts.values():
        documents = [data for name, data in sorted(layout.items()) if data[:1] == b"{" and name != "oci-layout"]
        writer.write("manifest", b"\0\xff" + b"\0".join(documents))
        for document in documents:
            writer.write("manifest", b"\0\x01" + document)
        index = layout.get("index.json", b"{}")
        blob = max(documents, key=len)
        writer.write("layout", b"\2" + layout.get("oci-layout", b"{}") + b"\0" + index + b"\0" + blob)
        small = {name: data for name, data in layout.items() if len(data) < 4000}
        writer.write("layout", b"\0" + make_tar(small))
    config = json.dumps({"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": []}}).encode()
    manifest = json.dumps([{"Config": "c.json", "RepoTags": ["a:latest"], "Layers": ["l/layer.tar"]}]).encode()
    archive = {"manifest.json": manifest, "c.json": config, "l/layer.tar": make_tar({"f": b"x"})}
    writer.write("layout", b"\1" + make_tar(archive))
    writer.write("layout", b"\1" + gzip.compress(make_tar(archive), mtime=0))


def make_tar(files: dict[str, bytes]) -> bytes:
    output = io.BytesIO()
    with tarfile.open(fileobj=output, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    # Without the padding to a record of twenty blocks.
    return output.getvalue().rstrip(b"\0").ljust(1) + bytes(1536)


def write_documents(writer: Writer) -> None:
    for folder, _, names in sorted(os.walk(os.path.join(ROOT, "tests/documents"))):
        for name in sorted(names):
            with open(os.path.join(folder, name), "rb") as file:
                for line in file.read().splitlines():
                    writer.write("document", line)
    writer.write("document", b'{"version":1,"image":"r/a:v","error":{"stage":"soci-pull","exit":69,"message":"m"},"mine":[1.10,1e400]}')


def main() -> None:
    writer = Writer(sys.argv[1], sys.argv[2:])
    with tarfile.open(os.path.join(ROOT, "tests/goldens.tar.gz")) as archive:
        members = [member for member in archive if member.isfile() and member.size < 1 << 20]
        files = {member.name: archive.extractfile(member).read() for member in members}
    write_layers(writer, files)
    write_images(writer, files)
    write_documents(writer)
    for answer in ANSWERS:
        writer.write("answer", b"\0\x91\x01" + answer)
    for reference in REFERENCES:
        writer.write("reference", reference.encode())
    for registry, config, reply in CREDENTIALS:
        writer.write("credentials", registry + b"\0" + json.dumps(config).encode() + b"\0" + reply)


main()
