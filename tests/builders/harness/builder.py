"""Runs the files that describe builders. README.md beside this directory describes their functions."""

import subprocess
from dataclasses import dataclass
from pathlib import Path

DIRECTORY = Path(__file__).parent.parent
# Defines what a file may leave out, and calls one of its functions.
SHELL = 'set -euo pipefail; skips() { :; }; . "$0"; "$@"'


class Failure(Exception):
    """Why a builder failed, or how the result of its image is wrong."""


@dataclass
class Builder:
    """A builder that is described by a file."""

    name: str
    environment: dict[str, str]

    def call(self, *arguments: str, directory: Path | None = None) -> str:
        """Calls a function of the file and returns its output without the last line feed."""
        command = ["bash", "-c", SHELL, str(DIRECTORY / f"{self.name}.sh"), *arguments]
        done = subprocess.run(command, env=self.environment, cwd=directory, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise Failure(f"`{arguments[0]}` exits with status {done.returncode}:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
        return done.stdout.rstrip("\n")

    def version(self) -> str:
        return self.call("version") or "unknown"

    def skips(self) -> set[str]:
        """Returns the reasons for which layers of the image must be skipped."""
        return set(self.call("skips").split())

    def build(self, destination: str, directory: Path) -> str:
        """Builds the image in an empty directory. Returns the reference to it."""
        return self.call("build", destination, directory=directory).splitlines()[-1]


def all_names() -> list[str]:
    return sorted(path.stem for path in DIRECTORY.glob("*.sh"))
