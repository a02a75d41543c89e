"""Runs commands and says what they took: by hyperfine, or by GNU time where the peak of memory is asked for."""

import json
import os
import re
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path


@dataclass
class Cost:
    """Seconds by the clock, and core-seconds of user and system."""

    wall: float
    core: float


@dataclass
class Peak:
    """What GNU time says: seconds by the clock, peak of resident memory and what was written, in bytes."""

    wall: float
    memory: int
    written: int


def run(command: list[str], **options) -> subprocess.CompletedProcess:
    """Runs a command that must succeed, and shows what it says where it does not."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, **options)
    if done.returncode != 0:
        raise SystemExit(f"bench: {' '.join(command)[:300]} ends with {done.returncode}:\n{done.stderr[-2000:]}")
    return done


def shell(script: str) -> list[str]:
    return ["bash", "-euo", "pipefail", "-c", script]


def cost(command: list[str], env: dict[str, str] | None = None, runs: int = 1) -> Cost:
    """Measures a command by hyperfine; means, where it runs more than once."""
    # What was written before is not to be waited for when a tool makes its files durable.
    os.sync()
    with tempfile.NamedTemporaryFile(suffix=".json") as export:
        line = ["hyperfine", "--shell=none", "--style=none", f"--runs={runs}", "--export-json", export.name]
        run([*line, quoted(command)], env={**os.environ, **(env or {})})
        result = json.loads(Path(export.name).read_text())["results"][0]
    return Cost(result["mean"], result["user"] + result["system"])


def quoted(command: list[str]) -> str:
    return " ".join("'" + word.replace("'", "'\\''") + "'" for word in command)


def peak(command: list[str], stdin: Path, env: dict[str, str] | None = None) -> Peak:
    """Measures one run of a command by `/usr/bin/time -v`."""
    os.sync()
    with stdin.open() as document, tempfile.NamedTemporaryFile(mode="r") as report:
        line = ["/usr/bin/time", "-v", "-o", report.name, *command]
        run(line, stdin=document, env={**os.environ, **(env or {})})
        text = report.read()

    def value(name: str) -> str:
        return re.search(rf"{re.escape(name)}.*: ([0-9:.]+)$", text, re.M).group(1)

    wall = sum(float(part) * 60**place for place, part in enumerate(reversed(value("Elapsed").split(":"))))
    memory = int(value("Maximum resident set size")) * 1024
    return Peak(wall, memory, int(value("File system outputs")) * 512)
