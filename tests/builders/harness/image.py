"""The files of the image that every builder builds: tests/builders/image, and files that this module makes."""

import os
import random
import shutil
import subprocess
from pathlib import Path

SOURCE = Path(__file__).parent.parent / "image"


def random_bytes(size: int) -> bytes:
    """Returns the same bytes in each run."""
    return random.Random(1).randbytes(size)


def write_image(directory: Path) -> None:
    """Writes a Dockerfile and the directories `root` and `more` that it copies."""
    data, more = directory / "root/data", directory / "more/names"
    (data / "replaced").mkdir(parents=True)
    (data / "empty-directory").mkdir()
    more.mkdir(parents=True)
    shutil.copy(SOURCE / "Dockerfile", directory)
    # Larger than a span of 4 MiB, so that reading it needs a second checkpoint.
    (data / "random").write_bytes(random_bytes(9_000_000))
    (data / "text").write_text("".join(f"line {line}\n" for line in range(300_000)))
    (data / "zeros").write_bytes(bytes(5_000_000))
    (data / "removed").write_text("removed by the second layer")
    (data / "replaced/old").write_text("hidden by the second layer")
    (data / "empty").touch()
    (more / "größe").write_text("a name that is not ASCII")
    (more / ("long" * 50)).write_text("a name of 200 bytes")
    (more / "target").write_text("the target of links")
    os.link(more / "target", more / "hard-link")
    (more / "symbolic-link").symlink_to("target")
    (directory / "root/bin").mkdir()
    subprocess.run(["cc", "-static", "-Os", "-o", directory / "root/bin/change", SOURCE / "change.c"], check=True)
