"""Measurements without a comparison to other tools: memory, bytes written, start, growth."""

import json
import os
import shutil
import time
from pathlib import Path

from . import images
from .measure import cost, peak, run, shell
from .registry import Registry
from .speed import Image

TOOLS = ["soci-pull", "soci-plan", "soci-index", "soci-push"]
MIB = 1 << 20
MB = 1000 * 1000


def ztoc_sizes(document: dict) -> list[int]:
    layers = (layer for entry in document["manifests"] for layer in entry.get("layers", []))
    sizes = {layer["ztoc"]["digest"]: layer["ztoc"]["size"] for layer in layers if "ztoc" in layer}
    return sorted(sizes.values(), reverse=True)


def memory(image: Image, work: Path) -> list[dict]:
    """Returns the peak memory of `soci-index` for several numbers of jobs, with layers from the store and the registry."""
    rows = []
    script = f"SOCI_STORE='{image.store}' soci-index -q --force <'{image.planned}'"
    image.ztocs = ztoc_sizes(json.loads(run(shell(script)).stdout))
    for jobs in (1, 2, 4, 8):
        for source in ("store", "registry"):
            store = image.store if source == "store" else work / "fresh"
            if source == "registry":
                run(shell(f"SOCI_STORE='{store}' soci-pull -q {image.reference} | soci-plan -q >'{work}/plan.json'"))
            plan = image.planned if source == "store" else work / "plan.json"
            command = ["soci-index", "-q", "--force", f"--jobs={jobs}"]
            used = peak(command, plan, {"SOCI_STORE": str(store)})
            in_work = sum(image.ztocs[:jobs])
            bound = 48 * MIB + 1.3 * in_work
            rows.append({"jobs": jobs, "from": source, "peak": used.memory, "in work": in_work, "bound": bound})
            if source == "registry":
                rows[-1]["written"] = written(store)
                shutil.rmtree(store)
    return rows


def written(store: Path) -> dict[str, int]:
    """Returns the bytes of all files in a store, and of the largest one."""
    sizes = [file.stat().st_size for file in store.rglob("*") if file.is_file()]
    return {"all": sum(sizes), "largest": max(sizes)}


def start(runs: int) -> dict[str, float]:
    """Returns the seconds until each tool has printed its version."""
    return {tool: cost([tool, "--version"], runs=runs).wall for tool in TOOLS}


def plan(image: Image, layers: int, work: Path, runs: int) -> float:
    """Returns the seconds that `soci-plan` takes for an image of this many layers."""
    document = json.loads(run(shell(f"SOCI_STORE='{work}/planning' soci-pull -q {image.reference}")).stdout)
    entry = next(entry for entry in document["manifests"] if entry.get("layers"))
    first = entry["layers"][0]
    entry["layers"] = []
    for number in range(layers):
        layer = json.loads(json.dumps(first))
        layer["descriptor"]["digest"] = f"sha256:{number:064x}"
        entry["layers"].append(layer)
    path = work / "many.json"
    path.write_text(json.dumps(document, separators=(",", ":")) + "\n")
    return cost(shell(f"soci-plan -q <'{path}'"), {"SOCI_STORE": f"{work}/planning"}, runs=runs).wall


def growth(image: Image, work: Path) -> list[dict]:
    """Returns time and memory for one layer of 10 MB to 10 GB of tar, made of a part of a layer of the image, repeated."""
    rows = []
    member = work / "member"
    whole = min(image.layers, key=lambda layer: abs(image.tars[layer] - 100 * MB))
    for most in (10 * MB, 100 * MB, 1000 * MB, 10000 * MB):
        length = images.start_of(whole, most, member)
        times = max(1, round(most / length))
        rows.append({"tar": length * times, **one_layer(member, times, work)})
    return rows


def many_files(count: int, work: Path) -> dict[str, float]:
    """Returns time and memory for one layer of many files of 1 KB."""
    member = work / "member"
    images.files(member, count, 1000)
    return {"files": count, **one_layer(member, 1, work)}


def one_layer(member: Path, times: int, work: Path) -> dict[str, float]:
    """Returns time, memory and the size of the ztoc for a layer that repeats a gzip member."""
    directory = work / "layout"
    images.layout(directory, member, times)
    env = {"SOCI_STORE": str(work / "growing")}
    planned = work / "growing.json"
    script = f"soci-pull -q oci:{directory} | soci-plan -q --min-layer-size 0 >'{planned}'"
    run(shell(f"export SOCI_STORE='{work}/growing'; {script}"))
    used = peak(["soci-index", "-q", "--force"], planned, env)
    document = json.loads(run(["soci-index", "-q"], stdin=planned.open(), env={**os.environ, **env}).stdout)
    shutil.rmtree(directory)
    shutil.rmtree(work / "growing")
    return {"wall": used.wall, "peak": used.memory, "ztoc": sum(ztoc_sizes(document))}


def tiny(registry: Registry, count: int, work: Path) -> dict[str, float]:
    """Returns the seconds for many tiny images in one pipe, and for the same number of requests by `curl`.

    The registry has no referrers API, so a push waits before it reads its tag again. The wait is the shortest that an option allows.
    """
    references = work / "references"
    references.write_text("\n".join(images.tiny(registry, count)) + "\n")
    before = registry.requests()
    script = f"soci-pull -q <'{references}' | soci-plan -q --min-layer-size 0 | soci-index -q | soci-push -q | wc -l"
    began = time.monotonic()
    done = int(run(shell(f"export SOCI_STORE='{work}/tiny' SOCI_RETRY_WAIT=0.001; {script}")).stdout)
    wall = time.monotonic() - began
    assert done == count, f"{done} documents of {count}"
    requests = registry.requests() - before
    urls = work / "urls"
    url = f'url = "http://{registry.name}/v2/tiny/{{}}/manifests/v1"\noutput = "/dev/null"\n'
    urls.write_text("".join(url.format(number % count) for number in range(requests)))
    curl = cost(["curl", "-sS", "-K", str(urls)])
    shutil.rmtree(work / "tiny")
    return {"images": count, "wall": wall, "requests": requests, "curl": curl.wall}
