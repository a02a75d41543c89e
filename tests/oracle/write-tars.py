#!/usr/bin/env python3
"""Writes tars of random folders: with tar and bsdtar in all their formats, and with Python.

    write-tars.py FOLDER TREES SEED
"""
import os
import random
import shutil
import subprocess
import sys
import tarfile
import tempfile

NAMES = ["usr", "lib", "a b", "\u00fc", "\udcff\udcfe", "n" * 90, "l" * 120, "x" * 240, ".wh.x", "-dash", "new\nline"]


def make_tree(root: str, rng: random.Random) -> None:
    folders, files = [root], []
    for number in range(rng.randrange(1, 14)):
        path = os.path.join(rng.choice(folders), f"{number}{rng.choice(NAMES)}")
        kind = rng.randrange(10)
        try:
            if kind < 5:
                with open(path, "wb") as file:
                    file.write(rng.randbytes(rng.randrange(50)) * rng.randrange(1 + (1 << rng.randrange(8))))
                    if rng.randrange(8) == 0:
                        file.truncate(rng.randrange(40_000))
                files.append(path)
            elif kind < 7:
                os.mkdir(path)
                folders.append(path)
            elif kind == 7:
                os.symlink(rng.choice(NAMES) * rng.randrange(1, 4), path)
            elif kind == 8 and files:
                os.link(rng.choice(files), path)
                continue
            else:
                os.mkfifo(path)
            describe(path, rng)
        except OSError:
            # A name too long, or a file system without extended attributes: the tree goes without.
            pass


def describe(path: str, rng: random.Random) -> None:
    seconds = rng.choice([0, 1, 1_700_000_000, 4_000_000_000, -5]) + rng.choice([0, 0.5, 0.123456789])
    os.utime(path, (seconds, seconds), follow_symlinks=False)
    if os.path.islink(path):
        return
    os.chmod(path, rng.randrange(0o10000) | 0o400)
    if os.geteuid() == 0 and rng.randrange(3) == 0:
        os.chown(path, rng.randrange(1 << 22), rng.randrange(1 << 31))
    if rng.randrange(4) == 0:
        os.setxattr(path, f"user.k{rng.randrange(9)}", rng.randbytes(rng.randrange(60)))


def write(name: str, command: list[str]) -> None:
    result = subprocess.run([*command[:1], "-c", "-f", name, *command[1:]], stderr=subprocess.DEVNULL, check=False)
    # tar leaves out what a format cannot hold, and reports it.
    if result.returncode not in (0, 1, 2):
        sys.exit(f"write-tars: {command} ended with {result.returncode}")


def write_all(root: str, prefix: str, rng: random.Random) -> None:
    for form in ["gnu", "oldgnu", "posix", "ustar", "v7"]:
        sparse = ["--sparse", f"--sparse-version={rng.choice(['0.0', '0.1', '1.0'])}"] if rng.randrange(4) == 0 else []
        xattrs = ["--xattrs"] if form == "posix" else []
        write(f"{prefix}-tar-{form}", ["tar", f"--format={form}", *xattrs, *sparse, "-C", root, "."])
    if shutil.which("bsdtar"):
        for form in ["pax", "ustar", "gnutar", "restricted"]:
            write(f"{prefix}-bsdtar-{form}", ["bsdtar", f"--format={form}", "-C", root, "."])
    for form in [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]:
        records = {"comment": "global"} if form == tarfile.PAX_FORMAT and rng.randrange(8) == 0 else {}
        try:
            with tarfile.open(f"{prefix}-python-{form}", "w", format=form, pax_headers=records) as archive:
                archive.add(root, arcname=rng.choice(["", "r", "./"]))
        except ValueError:
            # A format that cannot hold a value.
            pass


def main() -> None:
    folder, trees, seed = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    for number in range(trees):
        rng = random.Random(seed * 1_000_003 + number)
        with tempfile.TemporaryDirectory(prefix="write-tars-") as root:
            make_tree(root, rng)
            write_all(root, os.path.join(folder, f"{number:04}"), rng)


main()
