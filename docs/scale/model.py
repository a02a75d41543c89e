#!/usr/bin/env python3
"""Computes the tables of docs/scale/README.md from measured figures, list prices and a simulation.

usage: docs/scale/model.py [--update docs/scale/README.md] [--index-core-s 3.7] ...

Every figure is an option. Its default is the value in the document, and `--help` names its source. Without
`--update` the tables go to stdout; with it, each replaces the table that follows its marker `<!-- table: NAME -->` in
the document. The text around the tables is not updated: check that it still agrees with them.

Units, unless a name says otherwise: MB = 10^6 bytes, MiB = 2^20 bytes, s = seconds, $ = US dollars. A core is one core
of the machine on which the figures were measured; a vCPU of a cloud has `--vcpu-speed` times its speed.
"""

import argparse
import dataclasses
import heapq
import math
import re
from dataclasses import dataclass
from pathlib import Path


def figure(value, source):
    """A number that can be changed by an option of its name; `source` states its unit and origin."""
    return dataclasses.field(default=value, metadata={"source": source})


@dataclass(frozen=True)
class Measured:
    """Figures measured on the machine that docs/performance.md describes."""

    image_mb: float = figure(749, "compressed MB of the measured image, all layers")
    layer_mb: float = figure(487, "compressed MB of its largest layer")
    layer_tar_mb: float = figure(1390, "MB of that layer's tar")
    layers: float = figure(9, "layers of the measured image that get a ztoc")
    index_core_s: float = figure(3.7, "core-s of soci-index for the image: `/usr/bin/time soci-index`")
    hash_core_s: float = figure(0.92, "core-s within, of SHA-256 of layers and spans: a profile of that run")
    other_core_s: float = figure(0.44, "core-s of the pipeline beside soci-index on stored layers (docs/performance.md)")
    scan_s: float = figure(1.75, "s of one thread to inflate and scan the largest layer")
    scan_share: float = figure(0.03, "part of scan_s beside inflating: checkpoints, tar headers (docs/performance.md)")
    waits_s: float = figure(0.35, "s in which a pipeline only waits, mainly before it reads a tag again; loopback")
    base_mib: float = figure(48, "MiB of peak memory beside the ztocs")
    ztoc_factor: float = figure(1.3, "MiB of peak memory for each MiB of ztoc in work")
    ztoc_mb: float = figure(23, "MB of ztocs pushed for the image")
    layer_ztoc_mb: float = figure(14, "MB of the largest layer's ztoc")
    requests: float = figure(30, "requests of one pipeline to the registry")
    tls_mb_s: float = figure(4300, "MB/s of one core for AES-128-GCM: `openssl speed -evp aes-128-gcm -decrypt`")
    serial_core_s: float = figure(2.01, "core-s of `rapidgzip -P 1 -d -c big.gz`, median of 6 (layer_mb)")
    speculative_core_s: float = figure(3.19, "core-s of `rapidgzip -P 4 -d -c big.gz`, median of 3")
    resolve_share: float = figure(0.06, "part of those that replaces markers: `rapidgzip -v -P 2`")


@dataclass(frozen=True)
class Assumed:
    """Assumptions, and figures that others report; none of them was measured here."""

    vcpu_speed: float = figure(1.0, "speed of a cloud's vCPU, as part of the measured core")
    request_ms: float = figure(30, "ms of one request to a registry in the same region, one after the other")
    connection_mb_s: float = figure(90, "MB/s of one connection to S3; its guide says 85 to 90 per request")
    lambda_mb_s: float = figure(75, "MB/s into one Lambda; users report 400 to 700 Mbit/s")
    fargate_mb_s: float = figure(125, "MB/s into one Fargate task; AWS publishes none")
    job_start_s: float = figure(15, "billed s of a Fargate task before the first tool runs")
    upload_mb_s: float = figure(25, "MB/s of one upload to ECR; users of ocync report 24 to 28")
    giant_mb: float = figure(20000, "compressed MB of the giant layer")
    chunk_mb: float = figure(4.194304, "compressed MB that one worker inflates at a time, as rapidgzip")
    chunks_per_core: float = figure(3, "chunks in memory for each core, at most")


@dataclass(frozen=True)
class Priced:
    """List prices of us-east-1 and quotas; docs/scale/README.md states the date and the source of each."""

    lambda_x86: float = figure(0.0000166667, "$ per GB-s (1024 MB) of Lambda on x86")
    lambda_arm: float = figure(0.0000133334, "$ per GB-s (1024 MB) of Lambda on arm64")
    lambda_request: float = figure(0.0000002, "$ per invocation of a Lambda")
    lambda_mb_per_vcpu: float = figure(1769, "MB of Lambda memory that come with one vCPU")
    lambda_limit_s: float = figure(900, "s that a Lambda may run")
    fargate_vcpu: float = figure(0.04048, "$ per vCPU-hour of Fargate, Linux on x86")
    fargate_gb: float = figure(0.004445, "$ per GB-hour of Fargate, Linux on x86")
    fargate_minimum_s: float = figure(60, "s: the least time for which a Fargate task is billed")
    fargate_spot: float = figure(0.3, "price of Fargate Spot as part of the list price (up to 70 % off)")
    node_spot: float = figure(0.4, "price of an EC2 Spot instance as part of the list price; an assumption")
    eks_hour: float = figure(0.10, "$ per hour of an EKS cluster")
    ecr_gb_month: float = figure(0.10, "$ per GB and month of ECR storage")
    nat_gb: float = figure(0.045, "$ per GB through a NAT gateway")


# On-demand nodes of us-east-1: name, vCPUs, $ per hour, Gbit/s that AWS states as baseline. Prices and bandwidths are
# those of the generated tables of karpenter-provider-aws (prices of 2026-01-19).
NODES = [
    ("c7i.4xlarge", 16, 0.714, 6.25),
    ("c7g.4xlarge", 16, 0.58, 7.5),
    ("c7gn.large", 2, 0.1248, 6.25),
    ("c7gn.4xlarge", 16, 0.9984, 50),
]

# Nodes of the EKS cluster whose hours are shown.
CLUSTER_NODES = 10

# MB of the Lambdas shown.
MEMORIES = [512, 768, 1024, 1769]

# vCPUs and GB of the Fargate tasks shown; both are sizes that Fargate offers.
TASKS = [(0.25, 0.5), (1, 2), (2, 4)]

# A mix of images: compressed MB, part of all images. An assumption; its median is 150 MB.
MIX = [(30, 0.20), (80, 0.20), (150, 0.30), (400, 0.20), (1200, 0.08), (5000, 0.02)]

# Default quotas of private ECR, requests a second for one account and region, and how many of them one image of so many
# layers takes. Uploaded are the ztocs and one configuration; manifests are those of one platform. How ECR counts the
# requests of the distribution protocol against its API's quotas is an assumption.
QUOTAS = [
    ("PutImage, versions 1 and 2", 10, lambda layers: 4),
    ("PutImage, version 2 only", 10, lambda layers: 3),
    ("PutImage, version 1 only", 10, lambda layers: 1),
    ("InitiateLayerUpload, CompleteLayerUpload", 100, lambda layers: layers + 1),
]

MILLION = 1_000_000
CORES = [2, 4, 16, 64]
GIGABITS = [1, 5, 12.5, 25, 50, 100]
GIANT_GIGABITS = [1, 2.5, 5, 6.25, 10, 25]
GIANT_CORES = [4, 8, 16]

# A network, in Gbit/s, that is never the limit.
NO_BOUND = 100


def mb_s(gigabits):
    """MB/s of a network of so many Gbit/s."""
    return gigabits * 125


class Model:
    """Derived figures that several tables need."""

    def __init__(self, measured, assumed, priced):
        self.m, self.a, self.p = measured, assumed, priced

    def core_s(self, image_mb):
        """Core-seconds of an image of that size: the measured ones in proportion to its bytes, plus TLS."""
        measured = (self.m.index_core_s + self.m.other_core_s) / self.m.image_mb
        return image_mb * (measured + 1 / self.m.tls_mb_s)

    def gigabits_per_core(self):
        """Gbit/s that one core can process. Above that rate cores are the limit, below it the network."""
        return self.m.image_mb / self.core_s(self.m.image_mb) / 125

    def busy_s(self, image_mb, vcpus, network_mb_s):
        """Seconds of a machine for one image if it always has other images to work on."""
        return max(self.core_s(image_mb) / (vcpus * self.a.vcpu_speed), image_mb / network_mb_s)

    def crossover(self, vcpus):
        """Gbit/s above which this number of vCPUs is the limit, not the network."""
        return vcpus * self.a.vcpu_speed * self.gigabits_per_core()

    def fixed_s(self):
        """Seconds of one pipeline that depend on no bytes: waits, and requests one after the other."""
        return self.m.waits_s + self.m.requests * self.a.request_ms / 1000

    def layer_mb_s(self):
        """Compressed MB/s of one layer on one thread."""
        return self.m.layer_mb / self.m.scan_s

    def hash_mb_s(self):
        """MB/s of SHA-256 on one core; the measured time covers each byte twice, in its layer and in its span."""
        return 2 * self.m.image_mb / self.m.hash_core_s

    def alone_s(self, vcpus, network_mb_s, connection_mb_s=math.inf):
        """Seconds of the measured image alone. Its largest layer can be the limit, too."""
        layer = max(self.m.scan_s / self.a.vcpu_speed, self.m.layer_mb / connection_mb_s)
        return max(self.busy_s(self.m.image_mb, vcpus, network_mb_s), layer) + self.m.waits_s

    def memory_mib(self):
        """MiB of one pipeline of the measured image, all its ztocs in work."""
        return self.m.base_mib + self.m.ztoc_factor * self.m.ztoc_mb * MILLION / 2**20

    def work_factor(self):
        """Core-seconds of speculative inflating for each of serial inflating."""
        return self.m.speculative_core_s / self.m.serial_core_s


def table(header, rows):
    """A Markdown table; numbers are aligned to the right."""
    lines = [header, ["---"] + ["--:"] * (len(header) - 1)] + rows
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


def thousands(number):
    """A whole number of at most three significant digits, with commas."""
    digits = max(0, math.floor(math.log10(number)) - 2) if number >= 1 else 0
    return f"{round(number, -digits):,.0f}"


def both_units(speed):
    """MB/s, and the same in Gbit/s."""
    return f"{thousands(speed)} MB/s = {speed / 125:.1f} Gbit/s"


def derived(model):
    """The derived figures that the text uses."""
    m, image = model.m, model.m.image_mb
    rows = [
        ["core-seconds per image, TLS included", f"{model.core_s(image):.2f}"],
        ["Gbit/s that keep one core busy", f"{model.gigabits_per_core():.2f}"],
        ["one layer on one thread, compressed", both_units(model.layer_mb_s())],
        ["SHA-256 of a layer on one core", both_units(model.hash_mb_s())],
        ["ztocs, part of the layers' bytes", f"{100 * m.ztoc_mb / image:.1f} %"],
        ["MiB of memory per pipeline in flight", f"{model.memory_mib():.0f}"],
    ]
    return table(["figure", "value"], rows)


def machine(model):
    """Images of the measured kind per hour, with several in flight."""

    def cell(cores, gigabits):
        rate = 3600 / model.busy_s(model.m.image_mb, cores, mb_s(gigabits))
        return f"{thousands(rate)} {'c' if gigabits > model.crossover(cores) else 'n'}"

    rows = [
        [f"{cores} vCPU", *(cell(cores, gigabits) for gigabits in GIGABITS), f"{model.crossover(cores):.1f}"]
        for cores in CORES
    ]
    rows.append(["GB/hour at `n`", *(f"{3.6 * mb_s(gigabits):,.0f}" for gigabits in GIGABITS), ""])
    header = ["images/hour", *(f"{gigabits:g} Gbit/s" for gigabits in GIGABITS), "crossover, Gbit/s"]
    return table(header, rows)


def alone(model):
    """Seconds and images per hour when one image is done after the other."""
    slow = model.a.connection_mb_s
    setups = [
        ("2 vCPU, loopback", 2, math.inf, math.inf),
        ("16 vCPU, 12.5 Gbit/s", 16, mb_s(12.5), math.inf),
        ("the same with `--connections 1` to S3", 16, mb_s(12.5), slow),
        ("the same, up to 7 connections to S3", 16, mb_s(12.5), 7 * slow),
    ]
    rows = []
    for name, cores, network, connection in setups:
        seconds = model.alone_s(cores, network, connection)
        rows.append([name, f"{seconds:.1f}", thousands(3600 / seconds)])
    return table(["one image at a time", "s", "images/hour"], rows)


def million(model, cost):
    """Two cells: the cost of a million images like the measured one, and of a million images of the mix."""
    mean = sum(part * cost(size) for size, part in MIX)
    return [thousands(MILLION * cost(model.m.image_mb)), thousands(MILLION * mean)]


def lambda_row(model, memory):
    """A million invocations with so many MB of memory."""
    p, vcpus = model.p, memory / model.p.lambda_mb_per_vcpu

    def seconds(size):
        return model.busy_s(size, vcpus, model.a.lambda_mb_s) + model.fixed_s()

    def dollars(size, price):
        return seconds(size) * memory / 1024 * price + p.lambda_request

    largest = (p.lambda_limit_s - model.fixed_s()) / model.busy_s(1, vcpus, model.a.lambda_mb_s) / 1000
    x86 = million(model, lambda size: dollars(size, p.lambda_x86))
    arm = million(model, lambda size: dollars(size, p.lambda_arm))
    return [f"{memory} MB", f"{vcpus:.2f}", f"{seconds(model.m.image_mb):.1f}", *x86, *arm, f"{largest:.0f}"]


def on_lambda(model):
    """A million images, one invocation each."""
    header = ["memory", "vCPU", "s per image", "x86, $", "x86, mix, $", "arm, $", "arm, mix, $", "largest image, GB"]
    return table(header, [lambda_row(model, memory) for memory in MEMORIES])


def task_row(model, vcpus, gb):
    """A million images as Fargate tasks of one size."""
    p, price = model.p, (vcpus * model.p.fargate_vcpu + gb * model.p.fargate_gb) / 3600

    def single(size):
        seconds = model.a.job_start_s + model.busy_s(size, vcpus, model.a.fargate_mb_s) + model.fixed_s()
        return price * max(p.fargate_minimum_s, seconds)

    def many(size):
        return price * model.busy_s(size, vcpus, model.a.fargate_mb_s)

    spot = million(model, lambda size: p.fargate_spot * many(size))
    return [f"{vcpus:g} vCPU, {gb:g} GB", *million(model, single), *million(model, many), *spot]


def on_fargate(model):
    """A million images as Fargate tasks: one image each, and many each."""
    header = ["task", "one image per job, $", "mix, $", "many per job, $", "mix, $", "many, Spot, $", "mix, $"]
    return table(header, [task_row(model, *task) for task in TASKS])


def node_row(model, name, vcpus, hour, gigabits):
    """A million images on nodes of one kind."""

    def dollars(size):
        return hour / 3600 * model.busy_s(size, vcpus, mb_s(gigabits))

    seconds = model.busy_s(model.m.image_mb, vcpus, mb_s(gigabits))
    hours = MILLION * seconds / 3600
    bound = "cores" if gigabits > model.crossover(vcpus) else "network"
    spot = million(model, lambda size: model.p.node_spot * dollars(size))
    eks = thousands(hours / CLUSTER_NODES * model.p.eks_hour)
    return [name, bound, thousands(3600 / seconds), thousands(hours), *million(model, dollars), *spot, eks]


def on_nodes(model):
    """A million images on EC2 nodes that have several in flight; Batch adds nothing, EKS its hours."""
    header = ["node", "bound", "images/hour", "node-hours", "$", "mix, $", "Spot, $", "Spot, mix, $"]
    header.append(f"EKS, {CLUSTER_NODES} nodes, $ more")
    return table(header, [node_row(model, *node) for node in NODES])


def beside(model):
    """What a million images cost beside the machines."""
    p, m = model.p, model.m

    def storage(size):
        return size / 1000 * p.ecr_gb_month

    def ztocs(size):
        return storage(size) * m.ztoc_mb / m.image_mb

    rows = [
        ["ztocs in ECR, $ a month", *million(model, ztocs)],
        ["for comparison: the images themselves, $ a month", *million(model, storage)],
        ["layers through a NAT gateway, $ once; avoidable", *million(model, lambda size: size / 1000 * p.nat_gb)],
    ]
    return table(["beside the machines", "measured image", "mix"], rows)


def quotas(model):
    """The least time of a million images against ECR's default quotas."""
    rows = []
    for name, rate, calls in QUOTAS:
        each = calls(model.m.layers)
        hours = MILLION * each / rate / 3600
        gigabits = rate / each * model.m.image_mb / 125
        cores = rate / each * model.core_s(model.m.image_mb) / model.a.vcpu_speed
        then = [f"{rate / each:.1f}", f"{gigabits:,.0f}", f"{cores:,.0f}"]
        rows.append([name, f"{each:g}", rate, f"{hours:.1f}", *then])
    header = ["quota", "calls per image", "per s", "hours per million", "images/s", "Gbit/s then", "cores then"]
    return table(header, rows)


@dataclass(frozen=True)
class Chunk:
    """Seconds of one core that a chunk of the giant layer takes in each step."""

    decode: float
    sequence: float
    finish: float
    digest: float


def serial_chunk(model):
    """The current chain: inflating and scanning in one thread, digests in another."""
    mb = model.a.chunk_mb
    return Chunk(mb / model.layer_mb_s(), 0, mb / model.hash_mb_s() + mb / model.m.tls_mb_s, mb / model.hash_mb_s())


def speculative_chunk(model):
    """Two-stage inflating: with markers; in order, windows, checkpoints, tar; markers replaced, span hashed."""
    mb = model.a.chunk_mb
    scan = mb / model.layer_mb_s()
    inflate = scan * (1 - model.m.scan_share) * model.work_factor()
    decode = inflate * (1 - model.m.resolve_share) + mb / model.m.tls_mb_s
    finish = inflate * model.m.resolve_share + mb / model.hash_mb_s()
    return Chunk(decode, scan * model.m.scan_share, finish, mb / model.hash_mb_s())


# Steps of a chunk; a free core takes the waiting step with the lowest number first.
SEQUENCE, DIGEST, FINISH, DECODE, ARRIVE = range(5)


@dataclass(frozen=True)
class Setup:
    """Chunks of the layer, seconds in which the network brings one, cores, and chunks that memory has room for."""

    count: int
    arrival_s: float
    cores: int
    room: int
    speculative: bool


class Simulation:
    """Chunks of one layer: they arrive in order at the network's speed, and cores work on them.

    DECODE needs the chunk's bytes, and unless `speculative` its predecessor's DECODE. SEQUENCE and DIGEST go in order.
    FINISH follows SEQUENCE. A chunk leaves memory after DIGEST and FINISH; if memory has no room, the network waits.
    """

    def __init__(self, chunk, setup):
        self.cost = {DECODE: chunk.decode, SEQUENCE: chunk.sequence, FINISH: chunk.finish, DIGEST: chunk.digest}
        self.setup = setup
        self.free, self.now, self.waiting, self.events = setup.cores, 0.0, [], []
        self.requested = self.arrived = self.held = self.peak = 0
        self.next = {SEQUENCE: 0, DIGEST: 0, DECODE: 0}
        self.decoded, self.half_done = set(), set()

    def run(self):
        """Seconds until the last chunk is done, and the most chunks that were in memory."""
        after = {
            SEQUENCE: self.after_sequence,
            DIGEST: self.after_digest,
            FINISH: self.release,
            DECODE: self.after_decode,
            ARRIVE: self.after_arrival,
        }
        self.request()
        while self.events:
            self.now, step, index = heapq.heappop(self.events)
            if step != ARRIVE:
                self.free += 1
            after[step](index)
            self.start()
        return self.now, self.peak

    def start(self):
        """Gives waiting steps to free cores."""
        while self.free and self.waiting:
            step, index = heapq.heappop(self.waiting)
            self.free -= 1
            heapq.heappush(self.events, (self.now + self.cost[step], step, index))

    def request(self):
        """Requests the next chunk if the one before has arrived and memory has room."""
        due = self.requested == self.arrived and self.requested < self.setup.count
        if due and self.held < self.setup.room:
            heapq.heappush(self.events, (self.now + self.setup.arrival_s, ARRIVE, self.requested))
            self.requested += 1
            self.held += 1
            self.peak = max(self.peak, self.held)

    def in_order(self, step, index, ready):
        """Queues a step of a chunk if the chunk is next in order. Otherwise its predecessor queues it later."""
        if index == self.next[step] and ready and index < self.setup.count:
            heapq.heappush(self.waiting, (step, index))

    def after_arrival(self, index):
        self.arrived += 1
        self.in_order(DIGEST, index, True)
        if self.setup.speculative:
            heapq.heappush(self.waiting, (DECODE, index))
        else:
            self.in_order(DECODE, index, True)
        self.request()

    def after_digest(self, index):
        self.next[DIGEST] += 1
        self.in_order(DIGEST, index + 1, index + 1 < self.arrived)
        self.release(index)

    def after_decode(self, index):
        self.decoded.add(index)
        self.in_order(SEQUENCE, index, True)
        if not self.setup.speculative:
            self.next[DECODE] += 1
            self.in_order(DECODE, index + 1, index + 1 < self.arrived)

    def after_sequence(self, index):
        self.next[SEQUENCE] += 1
        heapq.heappush(self.waiting, (FINISH, index))
        self.in_order(SEQUENCE, index + 1, index + 1 in self.decoded)

    def release(self, index):
        """The first of DIGEST and FINISH marks the chunk, the second frees its memory."""
        if index in self.half_done:
            self.held -= 1
            self.request()
        self.half_done.add(index)


def giant_run(model, gigabits, cores, speculative):
    """Seconds and peak MiB of the giant layer's chunks."""
    chunk = speculative_chunk(model) if speculative else serial_chunk(model)
    count = math.ceil(model.a.giant_mb / model.a.chunk_mb)
    arrival = model.a.chunk_mb / mb_s(gigabits)
    setup = Setup(count, arrival, cores, int(model.a.chunks_per_core * cores), speculative)
    seconds, peak = Simulation(chunk, setup).run()
    ratio = model.m.layer_tar_mb / model.m.layer_mb
    return seconds, peak * model.a.chunk_mb * (1 + 2 * ratio) * MILLION / 2**20


def giant(model):
    """Seconds of the giant layer by network and cores."""
    rows = []
    for gigabits in GIANT_GIGABITS:
        serial, _ = giant_run(model, gigabits, GIANT_CORES[0], False)
        fast = [giant_run(model, gigabits, cores, True)[0] for cores in GIANT_CORES]
        connections = math.ceil(mb_s(gigabits) / model.a.connection_mb_s)
        row = [f"{gigabits:g}", f"{connections}", f"{model.a.giant_mb / mb_s(gigabits):.0f}", f"{serial:.0f}"]
        rows.append([*row, *(f"{seconds:.0f}" for seconds in fast), f"{serial / fast[-1]:.1f}"])
    header = ["Gbit/s", "connections to S3", "s to download", "serial, s"]
    return table([*header, *(f"{cores} cores, s" for cores in GIANT_CORES), f"gain at {GIANT_CORES[-1]}"], rows)


def giant_price_row(model, cores, speculative):
    """Time, core-seconds and memory of serial or speculative inflating, if the network is not the limit."""
    chunk = speculative_chunk(model) if speculative else serial_chunk(model)
    work = model.a.giant_mb / model.a.chunk_mb * sum(dataclasses.astuple(chunk))
    seconds, memory = giant_run(model, NO_BOUND, cores, speculative)
    memory = thousands(memory) if speculative else f"{model.m.base_mib:.0f}"
    name = f"speculative, {cores} cores" if speculative else "serial"
    return [name, f"{seconds:.0f}", thousands(model.a.giant_mb / seconds), thousands(work), memory]


def giant_price(model):
    """The cost of the speed, and the time that remains for the layer's own ztoc."""
    rows = [giant_price_row(model, GIANT_CORES[0], False)]
    rows += [giant_price_row(model, cores, True) for cores in GIANT_CORES]
    ztoc = model.a.giant_mb * model.m.layer_ztoc_mb / model.m.layer_mb
    memory = thousands(ztoc * model.m.ztoc_factor * MILLION / 2**20)
    push = f"{ztoc / model.a.upload_mb_s:.0f}"
    rows.append([f"its ztoc of {thousands(ztoc)} MB: pushed in one stream, held", push, "", "", memory])
    return table(["giant layer, network no bound", "s", "compressed MB/s", "core-s", "MiB"], rows)


TABLES = [derived, machine, alone, on_lambda, on_fargate, on_nodes, beside, quotas, giant, giant_price]


def updated(text, name, lines):
    """The document with the table after one marker replaced."""
    marker = f"<!-- table: {name} -->\n"
    text, found = re.subn(marker + r"(?:\|[^\n]*\n)*", lambda _: marker + lines + "\n", text)
    if found != 1:
        raise SystemExit(f"the document has {found} markers `{marker.strip()}`; expected one")
    return text


def options():
    """The command line: one option per figure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--update", type=Path, metavar="FILE", help="write the tables into this document")
    for kind in (Measured, Assumed, Priced):
        group = parser.add_argument_group(kind.__name__.lower(), kind.__doc__)
        for field in dataclasses.fields(kind):
            text = field.metadata["source"].replace("%", "%%") + " (default: %(default)s)"
            name = "--" + field.name.replace("_", "-")
            group.add_argument(name, type=float, default=field.default, help=text, metavar="N")
    return parser.parse_args()


def chosen(kind, arguments):
    """The figures of one kind, from the command line."""
    return kind(**{field.name: getattr(arguments, field.name) for field in dataclasses.fields(kind)})


def main():
    arguments = options()
    model = Model(*(chosen(kind, arguments) for kind in (Measured, Assumed, Priced)))
    tables = {build.__name__: build(model) for build in TABLES}
    if not arguments.update:
        print("\n\n".join(f"<!-- table: {name} -->\n{lines}" for name, lines in tables.items()))
        return
    text = arguments.update.read_text(encoding="utf-8")
    for name, lines in tables.items():
        text = updated(text, name, lines)
    arguments.update.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
