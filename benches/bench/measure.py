"""Runs commands and measures them: with hyperfine, or with GNU time for the peak of memory."""

import json
import os
import re
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path


@dataclass
class Cost:
    """Elapsed seconds, and core-seconds in user and system mode."""

    wall: float
    core: float


@dataclass
class Peak:
    """The figures of GNU time: elapsed seconds, the peak of resident memory in bytes, and the bytes written."""

    wall: float
    memory: int
    written: int


def run(command: list[str], **options) -> subprocess.CompletedProcess:
    """Runs a command that must succeed. If it fails, exits with its messages."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, **options)
    if done.returncode != 0:
        raise SystemExit(f"bench: {' '.join(command)[:300]} exits with status {done.returncode}:\n{done.stderr[-2000:]}")
    return done


def shell(script: str) -> list[str]:
    return ["bash", "-euo", "pipefail", "-c", script]


def cost(command: list[str], env: dict[str, str] | None = None, runs: int = 1) -> Cost:
    """Measures a command with hyperfine. Returns means if it runs more than once."""
    # Otherwise a tool that syncs its files would wait for earlier writes of other programs.
    os.sync()
    with tempfile.NamedTemporaryFile(suffix=".json") as export:
        line = ["hyperfine", "--shell=none", "--style=none", f"--runs={runs}", "--export-json", export.name]
        run([*line, quoted(command)], env={**os.environ, **(env or {})})
        result = json.loads(Path(export.name).read_text())["results"][0]
    return Cost(result["mean"], result["user"] + result["system"])


def quoted(command: list[str]) -> str:
    return " ".join("'" + word.replace("'", "'\\''") + "'" for word in command)


def peak(command: list[str], stdin: Path, env: dict[str, str] | None = None) -> Peak:
    """Measures one run of a command with `/usr/bin/time -v`."""
    os.sync()
    with stdin.open() as document, tempfile.NamedTemporaryFile(mode="r") as report:
        line = ["/usr/bin/time", "-v", "-o", report.name, *command]
        run(line, stdin=document, env={**os.environ, **(env or {})})
        text = report.read()

    def value(name: str) -> str:
        return re.search(rf"{re.escape(name)}.*: ([0-9:.]+)$", text, re.M).group(1)

    wall = sum(float(part) * 60**unit for unit, part in enumerate(reversed(value("Elapsed").split(":"))))
    memory = int(value("Maximum resident set size")) * 1024
    return Peak(wall, memory, int(value("File system outputs")) * 512)
