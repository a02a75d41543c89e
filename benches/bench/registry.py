"""Registries on loopback: Debian's docker-registry, which has no referrers API, and olareg, which has it."""

import http.client
import json
import os
import socket
import subprocess
from pathlib import Path

from .measure import run

ACCEPT = "application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Registry:
    """A registry that runs until the object is closed."""

    def __init__(self, command: list[str], port: int, log: Path):
        self.name = f"127.0.0.1:{port}"
        self.log = log
        with log.open("wb") as output:
            self.process = subprocess.Popen(command, stdout=output, stderr=output)
        while True:
            try:
                self.ask("GET", "/v2/")
                return
            except OSError:
                if self.process.poll() is not None:
                    raise SystemExit(f"bench: {command[0]} did not start: {log.read_text()[-1000:]}")

    @classmethod
    def docker(cls, directory: Path, data: Path) -> "Registry":
        port = free_port()
        config = {
            "version": 0.1,
            "log": {"level": "error", "accesslog": {"disabled": False}},
            "storage": {"filesystem": {"rootdirectory": str(data)}},
            "http": {"addr": f"127.0.0.1:{port}"},
        }
        path = directory / "registry.json"
        path.write_text(json.dumps(config))
        return cls(["docker-registry", "serve", str(path)], port, directory / "registry.log")

    @classmethod
    def olareg(cls, directory: Path) -> "Registry":
        port = free_port()
        program = run(["scripts/setup.sh", "olareg"]).stdout.strip()
        data = str(directory / "olareg")
        return cls([program, "serve", "--port", str(port), "--dir", data], port, directory / "olareg.log")

    def close(self) -> None:
        self.process.terminate()
        self.process.wait()

    def ask(self, method: str, path: str, body: bytes | None = None, **headers: str) -> http.client.HTTPResponse:
        connection = http.client.HTTPConnection(self.name)
        connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
        answer = connection.getresponse()
        answer.content = answer.read()
        connection.close()
        return answer

    def core_seconds(self) -> float:
        """Returns the core-seconds that the process has used so far."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def requests(self) -> int:
        """Returns the number of requests in the log of docker-registry."""
        return self.log.read_bytes().count(b' HTTP/1.1" ')

    def manifest(self, repository: str, name: str) -> dict | None:
        answer = self.ask("GET", f"/v2/{repository}/manifests/{name}", Accept=ACCEPT)
        return json.loads(answer.content) if answer.status == 200 else None

    def put_blob(self, repository: str, digest: str, content: bytes) -> None:
        location = self.ask("POST", f"/v2/{repository}/blobs/uploads/").headers["Location"]
        path = location.split(self.name, 1)[-1]
        path += f"{'&' if '?' in path else '?'}digest={digest}"
        answer = self.ask("PUT", path, content, Content_Type="application/octet-stream")
        assert answer.status == 201, answer.content

    def put_manifest(self, repository: str, tag: str, manifest: dict) -> None:
        path = f"/v2/{repository}/manifests/{tag}"
        answer = self.ask("PUT", path, json.dumps(manifest).encode(), Content_Type=manifest["mediaType"])
        assert answer.status == 201, answer.content


def copy(image: str, to: str) -> None:
    """Copies an image without changes."""
    plain = ["--src-tls-verify=false", "--dest-tls-verify=false", "--preserve-digests"]
    run(["skopeo", "--insecure-policy", "copy", "-q", *plain, f"docker://{image}", f"docker://{to}"])
