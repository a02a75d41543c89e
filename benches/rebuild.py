#!/usr/bin/env python3
"""Measures the pipe on an image again after one small layer has changed, as a build in CI changes it.

usage: rebuild.py HOST/REPOSITORY:TAG [RUNS]     a registry on loopback that speaks plain HTTP

Indexes the image with an empty store. Then each run pushes the image with another layer of 1 MB on
top, and measures the pipe on it twice: with the store of the first run, and with an empty store and
`--reuse-from HOST/REPOSITORY:TAG`, so that ztocs come from the SOCI index in the registry.
"""

import gzip
import hashlib
import http.client
import io
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time

TOOLS = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", "target")).resolve() / "dist"
TYPES = "application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json"


class Registry:
    """A registry, and one repository in it."""

    def __init__(self, reference):
        self.host, _, rest = reference.partition("/")
        self.repository, _, self.tag = rest.rpartition(":")

    def request(self, method, path, body=None, headers=None):
        connection = http.client.HTTPConnection(self.host)
        connection.request(method, path, body, headers or {})
        response = connection.getresponse()
        content = response.read()
        if response.status >= 300:
            sys.exit(f"{method} {path}: {response.status} {content[:200]}")
        return response, content

    def get(self, kind, name):
        return json.loads(self.request("GET", f"/v2/{self.repository}/{kind}/{name}", None, {"Accept": TYPES})[1])

    def push_blob(self, content):
        digest = "sha256:" + hashlib.sha256(content).hexdigest()
        response, _ = self.request("POST", f"/v2/{self.repository}/blobs/uploads/")
        location = response.headers["Location"].split(self.host)[-1]
        separator = "&" if "?" in location else "?"
        self.request("PUT", f"{location}{separator}digest={digest}", content, {"Content-Type": "application/octet-stream"})
        return {"digest": digest, "size": len(content)}

    def push_with_layer(self, tag):
        """Pushes the image with one more layer of 1 MB."""
        manifest = self.get("manifests", self.tag)
        config = self.get("blobs", manifest["config"]["digest"])
        file, tar = os.urandom(1_000_000), io.BytesIO()
        with tarfile.open(fileobj=tar, mode="w") as archive:
            member = tarfile.TarInfo(f"app/{tag}")
            member.size = len(file)
            archive.addfile(member, io.BytesIO(file))
        config["rootfs"]["diff_ids"].append("sha256:" + hashlib.sha256(tar.getvalue()).hexdigest())
        layer = self.push_blob(gzip.compress(tar.getvalue()))
        manifest["layers"].append({"mediaType": manifest["layers"][0]["mediaType"], **layer})
        manifest["config"] |= self.push_blob(json.dumps(config).encode())
        body = json.dumps(manifest)
        self.request("PUT", f"/v2/{self.repository}/manifests/{tag}", body, {"Content-Type": manifest["mediaType"]})


def pipe(reference, store, plan=""):
    """Runs the pipe, and returns its time in seconds."""
    names = ["soci-pull -- " + reference, f"soci-plan --min-layer-size 0 {plan}", "soci-index", "soci-push"]
    command = "set -o pipefail; " + " | ".join(f"{TOOLS}/{name}" for name in names)
    began = time.monotonic()
    subprocess.run(["bash", "-c", command], check=True, capture_output=True, env={**os.environ, "SOCI_STORE": store})
    return time.monotonic() - began


def main():
    registry = Registry(sys.argv[1])
    runs = int(sys.argv[2]) if len(sys.argv) > 2 else 5
    times = {"kept store": [], "empty store": []}
    with tempfile.TemporaryDirectory() as work:
        print(f"first index, empty store: {pipe(sys.argv[1], f'{work}/store'):.2f} s")
        for run in range(runs):
            reuse = f"--reuse-from {sys.argv[1]}"
            for name, store, plan in [("kept store", f"{work}/store", ""), ("empty store", f"{work}/{run}", reuse)]:
                tag = f"rebuild-{os.getpid()}-{run}-{name.split()[0]}"
                registry.push_with_layer(tag)
                times[name].append(pipe(f"{registry.host}/{registry.repository}:{tag}", store, plan))
    for name, values in times.items():
        print(f"rebuild, {name}: median {statistics.median(values):.2f} s of {runs} ({min(values):.2f} to {max(values):.2f})")


if __name__ == "__main__":
    main()
