"""Formats the results of a run as tables in Markdown."""

import os
import platform
import subprocess
from datetime import date
from pathlib import Path

from .speed import Image, core_of_public_tools, limit, median

BEGIN, END = "<!-- bench: begin -->", "<!-- bench: end -->"
MIB = 1 << 20
# The requests in turn of a rebuild: the transfer of the changed layer, and ten.
TRANSFER_AND_TEN = 11


def machine() -> str:
    """Describes the machine, the versions of the programs, and the date."""
    cpu = next(line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line)
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / (1 << 30)
    versions = {
        "igzip": first_line("igzip", "--version"),
        "OpenSSL": first_line("openssl", "version").split()[1],
        "Linux": platform.release().split("-")[0],
    }
    named = ", ".join(f"{name} {version.split()[-1]}" for name, version in versions.items())
    return f"{os.cpu_count()} × {cpu}, {memory:.0f} GiB, {named}, {date.today():%Y-%m-%d}"


def first_line(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return (done.stdout or done.stderr).splitlines()[0]


def table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def verdict(value: float, most: float) -> str:
    return "met" if value <= most else "**missed**"


def ratios(image: Image, rounds: list[dict]) -> str:
    """Returns the times of all commands, and those of the tools as multiples of the limit."""
    seconds = []
    for name in rounds[0]:
        wall, core = (median(rounds, lambda costs: getattr(costs[name], kind)) for kind in ("wall", "core"))
        seconds.append([name, f"{wall:.2f}" if wall else "–", f"{core:.2f}"])
    index = median(rounds, lambda costs: limit(costs)[0])
    whole = median(rounds, lambda costs: limit(costs)[1])
    rows = [
        ["limit of an index", f"{index:.2f} s", "1.00", "", ""],
        ratio(rounds, "soci-index", 0, 1.2, "`soci-index`, layers in the store"),
        ["limit of the pipeline", f"{whole:.2f} s", "1.00", "", ""],
        ratio(rounds, "pipeline, docker-registry", 1, 1.15, "pipeline, docker-registry (no referrers API)"),
        ratio(rounds, "pipeline, olareg", 1, 1.05, "pipeline, olareg (referrers API)"),
        cores(image, rounds),
    ]
    head = table(["command, median", "s", "core-s"], seconds)
    return head + "\n" + table(["figure", "measured", "ratio", "target", ""], rows)


def ratio(rounds: list[dict], name: str, which: int, most: float, title: str) -> list[str]:
    value = median(rounds, lambda costs: costs[name].wall / limit(costs)[which])
    wall = median(rounds, lambda costs: costs[name].wall)
    return [title, f"{wall:.2f} s", f"{value:.2f}", f"≤ {most:.2f}", verdict(value, most)]


def cores(image: Image, rounds: list[dict]) -> list[str]:
    value = median(rounds, lambda costs: costs["soci-index"].core / core_of_public_tools(costs))
    gigabyte = median(rounds, lambda costs: costs["soci-index"].core) / (image.uncompressed / 1e9)
    return ["core-seconds for a GB of tar, to `igzip` and two `openssl`", f"{gigabyte:.2f}", f"{value:.2f}", "≤ 0.92", verdict(value, 0.92)]


def memory(rows: list[dict]) -> str:
    lines = []
    for row in rows:
        numbers = [f"{row[name] / MIB:.1f}" for name in ("peak", "in work", "bound")]
        lines.append([str(row["jobs"]), row["from"], *numbers, verdict(row["peak"], row["bound"])])
    return table(["`--jobs`", "layers from", "peak, MiB", "ztocs in work, MiB", "target: 48 + 1.3 × these", ""], lines)


def disk(image: Image, rows: list[dict]) -> str:
    store = next(row["written"] for row in rows if "written" in row)
    ztocs = sum(image.ztocs)
    beside = (store["all"] - ztocs) / 1000
    return (
        f"Layers of {image.compressed / 1e6:.0f} MB come from a registry; the store then holds {store['all'] / 1e6:.2f} MB: "
        f"{ztocs / 1e6:.2f} MB of ztocs, and {beside:.0f} kB of manifests, configurations, indexes and notes. Its largest file "
        f"is the largest ztoc ({store['largest'] / 1e6:.2f} MB).\n"
    )


def start(tools: dict[str, float], plan: float) -> str:
    rows = [[f"`{tool} --version`", f"{wall * 1000:.1f}", "< 10", verdict(wall, 0.01)] for tool, wall in tools.items()]
    rows.append(["`soci-plan`, 1,000 layers", f"{plan * 1000:.1f}", "< 50", verdict(plan, 0.05)])
    return table(["command", "ms", "target", ""], rows)


def growth(rows: list[dict], many: dict, tiny: dict) -> str:
    lines = []
    for row in rows:
        beside = row["peak"] - 1.3 * row["ztoc"]
        rate = row["tar"] / 1e6 / row["wall"]
        sizes = [f"{row['tar'] / 1e6:,.0f}", f"{row['wall']:.2f}", f"{rate:,.0f}"]
        lines.append([*sizes, f"{row['peak'] / MIB:.1f}", f"{row['ztoc'] / MIB:.1f}", f"{beside / MIB:.1f}"])
    head = ["tar, MB", "s", "MB/s", "peak, MiB", "ztoc, MiB", "peak − 1.3 × ztoc"]
    most = 48 * MIB + 1.3 * many["ztoc"]
    sizes = [f"{value / MIB:.1f}" for value in (many["peak"], many["ztoc"], most)]
    of_files = table(
        ["files of 1 KB in one layer", "s", "peak, MiB", "ztoc, MiB", "target: 48 + 1.3 × it", ""],
        [[f"{many['files']:,}", f"{many['wall']:.2f}", *sizes, verdict(many["peak"], most)]],
    )
    return (
        table(head, lines)
        + f"\n{of_files}"
        + f"\n{tiny['images']:,} tiny images in one run of the pipe: {tiny['wall']:.1f} s with {tiny['requests']:,} requests, "
        f"{tiny['wall'] / tiny['requests'] * 1000:.2f} ms for each; `curl` takes {tiny['curl'] / tiny['requests'] * 1000:.2f} ms "
        "for a small GET over a connection that stays open.\n"
    )


def rebuild(measured: list[tuple[str, dict]]) -> str:
    lines = []
    for kind, row in measured:
        numbers = [str(row["requests"]), f"{row['in turn']:.1f}", f"≤ {TRANSFER_AND_TEN}", verdict(round(row["in turn"]), TRANSFER_AND_TEN)]
        lines.append([kind, f"{row['wall']:.2f}", f"{row['fetched'] / 1000:.0f}", *numbers])
    head = ["registry", "s", "kB fetched, without the new layer", "requests", "of these in turn", "target", ""]
    return table(head, lines)


def write(document: Path, text: str) -> None:
    """Writes the tables between their marks in the document."""
    before, rest = document.read_text().split(BEGIN)
    after = rest.split(END)[1]
    document.write_text(f"{before}{BEGIN}\n\n{text}\n{END}{after}")


def network(measured: dict) -> str:
    """Returns the times, requests and peaks of the networks with a limit, and their ratios."""
    rows = []
    for limit in ("connection", "client"):
        for row in measured[limit]:
            count = "default" if row.connections is None else f"{row.connections}"
            rows.append([limit, count, f"{row.wall:.2f}", f"{row.requests:.0f}", f"{row.peak / MIB:.1f}"])
    default = measured["connection"][-1]
    best = min(measured["connection"][:-1], key=lambda row: row.wall)
    one, adaptive = measured["client"]
    slower, more = default.wall / best.wall, adaptive.requests / one.requests
    most = 48 * MIB + 1.3 * measured["ztoc"]
    figures = [
        [f"default, relative to the best `--connections` ({best.connections})", f"{slower:.2f}", "≤ 1.10", verdict(slower, 1.1)],
        ["requests of the pipe where the client is limited, relative to `--connections 1`", f"{more:.2f}", "≤ 1.20", verdict(more, 1.2)],
        ["peak of the default, MiB", f"{default.peak / MIB:.1f}", f"≤ {most / MIB:.1f}", verdict(default.peak, most)],
    ]
    head = table(["limit of 90 MB/s for each", "`--connections`", "s", "requests", "peak, MiB"], rows)
    return head + "\n" + table(["figure", "measured", "target", ""], figures)


def tiny(measured: dict) -> str:
    """Returns the times and requests of many tiny images, in work at a time and one after the other."""
    rows = []
    for kind, name in (("in-turn", "each after the document of the one before"), ("at-once", "all at once")):
        row = measured[kind]
        rows.append([name, f"{row['wall']:.1f}", f"{row['requests']}", f"{row['requests'] / measured['images']:.1f}"])
    faster = measured["in-turn"]["wall"] / measured["at-once"]["wall"]
    head = table([f"{measured['images']} images", "s", "requests", "for each image"], rows)
    requests = measured["at-once"]["requests"] / measured["images"]
    figures = [
        ["times faster", f"{faster:.1f}", "≥ 8", verdict(8, faster)],
        ["requests for each image", f"{requests:.1f}", "≤ 14", verdict(round(requests, 1), 14)],
    ]
    return head + "\n" + table(["figure", "measured", "target", ""], figures)
