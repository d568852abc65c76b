"""./dev bench: what each path costs, beside the floor of the same path in the same run.

    run.py [--pairs N] [--rows WORD,...] [--long]   rows whose name contains one of the words

Prints tables and writes build/bench.json. docs/performance.md says how to read both.
"""

import argparse
import json
import os
import shutil
import signal
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import clusters
import failover
import idle
import loops
from beside import ColdReads, Creating, Deleting, NoRoom, produce_beside
from connections import ConnectionRow, Handshakes, IdleMemory
from lines import Ends, Line, LinePath
from measure import BUILD, BesideRow, LineRow, OverLine, Row
from mirror_maker import why_not
from paths import (MIB, Consume, Late, MirrorPath, Pack, PackingRouterPath, Produce, RouterPath,
                   Walk)
from reach import Tls
from support import network as hosts
from support.relay import Relay
from support.site import Mirror, Router, Site, cluster, link

LOOPBACK = "dev lo proto kernel scope host src 127.0.0.1 table local congctl cubic"
SET_UP_NAMESPACE = " && ".join([
    "ip link set lo up",
    f"ip route replace local 127.0.0.0/8 {LOOPBACK}",
    f"ip route replace local 127.0.0.1 {LOOPBACK}",
])
INSIDE = "ISTHMUS_BENCH_NAMESPACE"
CODECS = ("gzip", "snappy", "lz4", "zstd")


def enter_namespace() -> str:
    """Starts this script again in a network of its own, where every socket has the same congestion
    control: bbr costs up to four times as much on loopback as cubic. Says what was possible."""
    if INSIDE in os.environ:
        return os.environ[INSIDE]
    probe = subprocess.run(["unshare", "--net", "sh", "-c", SET_UP_NAMESPACE],
                           capture_output=True, text=True, check=False)
    if probe.returncode != 0:
        why = probe.stderr.strip().splitlines()
        return "the machine's own network (no private one: " + (why[0] if why else "?") + ")"
    os.environ[INSIDE] = "a private network with cubic"
    os.environ[hosts.INSIDE] = "own"
    again = f'{SET_UP_NAMESPACE} && exec "$@"'
    os.execvp("unshare", ["unshare", "--net", "sh", "-c", again, "sh", sys.executable, *sys.argv])


def answers_api_versions(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1) as connection:
            connection.sendall(struct.pack(">ihhih", 10, 18, 0, 1, -1))
            return len(connection.recv(4096)) > 0
    except OSError:
        return False


def seconds_to_answer(role, port: int) -> float:
    began = time.monotonic()
    role.launch()
    while not answers_api_versions(port):
        if time.monotonic() > began + 20:
            raise SystemExit(f"bench: {role.name} does not answer:\n{role.process.tail()}")
        time.sleep(0.001)
    return time.monotonic() - began


class World:
    """Two sites, a mirror and a router: the four processes of the smallest real installation."""

    def __init__(self, directory: Path):
        self.directory = directory
        self.seoul = Site(directory, "seoul", 1, durability="page_cache")
        self.tokyo = Site(directory, "tokyo", 2, durability="page_cache")
        self.durable = Site(directory, "durable", 3, durability="fsync")
        self.idle = Site(directory, "idle", 4, durability="page_cache")
        self.tls = Tls(directory, "seoul", "tokyo", "idle", "secure-mirror", "secure_router")
        for site in (self.seoul, self.tokyo, self.idle):
            self.tls.listen(site)
        mirrored = link(self.seoul, self.tokyo, topics="mirrored-.*")
        self.mirror = Mirror(directory, "mirror", {"seoul-tokyo": mirrored})
        self.far_mirror = Mirror(directory, "far-mirror", {"seoul-tokyo": dict(mirrored)})
        self.secure_mirror = self.tls.mirror(directory, "secure-mirror", self.seoul, self.tokyo,
                                             topics="mirrored-.*")
        self.relay: Relay | None = None
        self.ends: Ends | None = None
        self.router = Router(directory, "router", {"seoul": cluster(self.seoul)})
        self.secure_router = self.tls.router(directory, "secure_router", self.seoul)
        self.packing = {codec: Router(directory, f"router_{codec}", {"seoul": cluster(self.seoul)},
                                      [{"default": "seoul", "compression.type": codec}])
                        for codec in ("lz4", "zstd")}
        self.started: dict[str, list[float]] = {}

    def start(self, times: int) -> None:
        """Starts and stops as often as that, for the start-up times; leaves all running."""
        self.tls.make()
        self.relay = Relay()
        far = self.relay.route("far", self.seoul.ports["ROUTER_INSIDE"])
        self.seoul.advertise("ROUTER_INSIDE", far)
        source = {"bootstrap.servers": f"127.0.0.1:{far}"}
        self.far_mirror.config["links"]["seoul-tokyo"]["source"] = source
        self.ends = Ends(self.seoul, self.tokyo, self.relay, far)
        for role, port in ((self.seoul, self.seoul.ports["CLIENT"]),
                           (self.tokyo, self.tokyo.ports["CLIENT"]),
                           (self.durable, self.durable.ports["CLIENT"]),
                           (self.router, self.router.port)):
            for number in range(times):
                if number > 0:
                    role.stop()
                took = seconds_to_answer(role, port)
                self.started.setdefault(role.role, []).append(took)
                role.process.wait_ready(role.ready)

    @property
    def roles(self) -> tuple:
        """Who depends on another stands before it."""
        return (*self.packing.values(), self.secure_router, self.router, self.secure_mirror,
                self.far_mirror, self.mirror, self.idle, self.durable, self.tokyo, self.seoul)

    def stop(self) -> None:
        for role in self.roles:
            if role.alive:
                role.stop()
        if self.relay:
            self.relay.close()

    def rows(self) -> list[tuple[Row, object]]:
        work, seoul, big, small = self.directory, self.seoul, 1_000_000_000, 400_000_000
        tls, secure_mirror, secure_router = self.tls, self.secure_mirror, self.secure_router
        self.mirroring = MirrorPath(work, seoul, self.tokyo, self.mirror, big, (secure_mirror,))
        return [
            (Row("produce, 1 MiB batches", 0.6), Produce(work, seoul, MIB, big, 5)),
            (Row("produce, 16 KiB batches", 1.2), Produce(work, seoul, 16384, small, 64)),
            (Row("produce, 1 MiB batches, TLS", 0.8),
             Produce(work, seoul, MIB, big, 5, reach=tls)),
            (Row("produce, 16 KiB batches, TLS"),
             Produce(work, seoul, 16384, small, 64, reach=tls)),
            (Row("produce, 1 MiB batches, fsync"),
             Produce(work, self.durable, MIB, big, 5, sync=True)),
            (Row("produce, 16 KiB batches, fsync"),
             Produce(work, self.durable, 16384, small, 64, sync=True)),
            (Row("walk, 1 KiB records", 0.2), Walk("none", 1024)),
            (Row("walk, 100 B records", 0.2), Walk("none", 100)),
            *((Row(f"walk, {codec}"), Walk(codec, 1024)) for codec in CODECS),
            *((Row(f"pack, {codec}"), Pack(codec)) for codec in self.packing),
            (Row("consume", 0.1), Consume(work, seoul, big)),
            (Row("consume, TLS", 0.6), Consume(work, seoul, big, tls)),
            (Row("mirror", 0.4), self.mirroring),
            (Row("mirror, TLS", 0.9),
             MirrorPath(work, seoul, self.tokyo, secure_mirror, big, (self.mirror,), tls)),
            (Row("router, produce", 0.25), RouterPath(work, seoul, self.router, big, False)),
            (Row("router, fetch", 0.25), RouterPath(work, seoul, self.router, big, True)),
            (Row("router, produce, TLS", 1.0),
             RouterPath(work, seoul, secure_router, big, False, reach=tls)),
            (Row("router, fetch, TLS", 1.0),
             RouterPath(work, seoul, secure_router, big, True, reach=tls)),
            (Row("router, produce, 16 KiB"),
             RouterPath(work, seoul, self.router, small, False, 16384)),
            *((Row(f"router, produce, {codec}"),
               PackingRouterPath(work, seoul, router, small, codec))
              for codec, router in self.packing.items()),
        ]

    def line_rows(self) -> list[tuple[LineRow, LinePath]]:
        def path(line: Line, partitions: int, size: int, has_peer: bool = True) -> LinePath:
            return LinePath(self.directory, self.ends, self.far_mirror, self.mirror, line,
                            partitions, size, has_peer)

        long = Line(80, 125_000_000)
        return [
            (LineRow("mirror, 80 ms, 1 partition", 115), path(long, 1, 1_000_000_000)),
            (LineRow("mirror, 80 ms, 64 partitions", 115), path(long, 64, 1_000_000_000)),
            (LineRow("mirror, 1 MB/s"), path(Line(20, 1_000_000), 1, 24_000_000)),
            # A fetch of a tuned MirrorMaker 2 takes longer there than it waits for any.
            (LineRow("mirror, 128 KB/s"), path(Line(20, 128_000), 1, 6_000_000, has_peer=False)),
        ]

    def connection_rows(self) -> list[tuple[ConnectionRow, object]]:
        work, seoul = self.directory, self.seoul
        return [
            (ConnectionRow("handshake, CPU ms"), Handshakes(work, seoul, self.tls, resumed=False)),
            (ConnectionRow("handshake, resumed, CPU ms"),
             Handshakes(work, seoul, self.tls, resumed=True)),
            (ConnectionRow("idle connection, KiB"), IdleMemory(self.idle, self.tls)),
        ]

    def beside_rows(self) -> list[tuple[BesideRow, object]]:
        seoul, aim_ms = self.seoul, 10
        return [
            (BesideRow("produce beside: 1,000 partitions created", aim_ms), Creating(seoul, 1000)),
            (BesideRow("produce beside: 5 GB deleted", aim_ms), Deleting(seoul, 5_000_000_000)),
            (BesideRow("produce beside: cold reads", aim_ms), ColdReads(seoul, 1_500_000_000)),
        ]


COLUMNS = ("path", "s/GB", "from-to", "floor", "from-to", "x floor", "from-to", "aim", "MB/s",
           "floor", "p50 ms", "p99 ms", "floor p50", "floor p99", "peak MB", "")
LINE_COLUMNS = ("path", "MB/s", "from-to", "line", "relay", "aim", "s/GB", "peak MB",
                "no line: MB/s", "s/GB", "x s/GB", "peak MB",
                "MM2: MB/s", "s/GB", "peak MB", "no line: MB/s", "s/GB", "")
CONNECTION_COLUMNS = ("of TLS", "costs", "from-to", "floor", "from-to", "x floor", "from-to")
BESIDE_COLUMNS = ("path", "p50 ms", "p99 ms", "from-to", "max ms", "aim", "for s",
                  "undisturbed p50", "p99", "max", "")


def spread(values: list[float], form: str) -> str:
    return f"{min(values):{form}}-{max(values):{form}}"


def marks(missed: bool, noisy: bool) -> str:
    return ", ".join(["missed"] * missed + ["noisy"] * noisy)


def cells(row: Row) -> list[str]:
    def text(value, form):
        return "-" if value is None else format(value, form)
    noisy = any(i.busy > 1.2 for i in row.product + row.floor)
    product, floor = row.middle
    return [
        row.name,
        f"{product.cost:.3f}",
        spread([i.cost for i in row.product], ".3f"),
        f"{floor.cost:.3f}",
        spread([i.cost for i in row.floor], ".3f"),
        f"{row.times_floor:.2f}",
        spread(row.ratios, ".2f"),
        text(row.target, ".2f"),
        f"{product.mb_s:.0f}",
        f"{floor.mb_s:.0f}",
        text(product.p50_ms, ".2f"),
        text(product.p99_ms, ".2f"),
        text(floor.p50_ms, ".2f"),
        text(floor.p99_ms, ".2f"),
        f"{max(i.peak_bytes for i in row.product) / 1e6:.0f}",
        marks(row.missed, noisy),
    ]


def line_cells(row: LineRow) -> list[str]:
    run, peer = row.middle, row.peer
    none = ["-"] * 5
    return [
        row.name,
        f"{run.far.mb_s:.2f}",
        spread([each.far.mb_s for each in row.runs], ".2f"),
        f"{run.line_mb_s:.2f}",
        f"{run.relay_mb_s:.0f}",
        "-" if row.aim_mb_s is None else f"{row.aim_mb_s:.0f}",
        f"{run.far.cost:.3f}",
        f"{row.peak_mb:.0f}",
        f"{run.near.mb_s:.0f}",
        f"{run.near.cost:.3f}",
        f"{run.times_near:.2f}",
        f"{max(each.near.peak_bytes for each in row.runs) / 1e6:.0f}",
        *(peer_cells(peer) if peer else none),
        marks(row.missed, row.noisy),
    ]


def peer_cells(peer: OverLine) -> list[str]:
    return [f"{peer.far.mb_s:.2f}", f"{peer.far.cost:.3f}", f"{peer.far.peak_bytes / 1e6:.0f}",
            f"{peer.near.mb_s:.0f}", f"{peer.near.cost:.3f}"]


def beside_cells(row: BesideRow) -> list[str]:
    def three(of):
        return [f"{value:.2f}" for value in (of.p50_ms, of.p99_ms, of.max_ms)]
    p50, p99, slowest = three(row.middle.disturbed)
    noisy = any(run.busy > 1.2 for run in row.runs)
    return [row.name, p50, p99, spread(row.p99s_ms, ".2f"), slowest, f"{row.aim_p99_ms:.0f}",
            f"{row.middle.disturbed.seconds:.1f}", *three(row.middle.undisturbed),
            marks(row.missed, noisy)]


def connection_cells(row: ConnectionRow) -> list[str]:
    product, floor, ratio = row.middle
    return [row.name, f"{product:.3f}", spread(row.product, ".3f"), f"{floor:.3f}",
            spread(row.floor, ".3f"), f"{ratio:.2f}", spread(row.ratios, ".2f")]


def print_table(columns: tuple[str, ...], rows: list[list[str]]) -> None:
    if not rows:
        return
    print()
    lines = [list(columns), *rows]
    widths = [max(len(line[i]) for line in lines) for i in range(len(columns))]
    for line in lines:
        name = line[0].ljust(widths[0])
        print("  ".join([name, *(c.rjust(w) for c, w in zip(line[1:], widths[1:]))]).rstrip())


def print_rest(result: dict) -> None:
    print(f"\nIn {result['network']}; s/GB: CPU of the process named. A row is the pair with "
          "the median of\nproduct / floor; from-to is over all pairs.")
    for role, took in result["start_s"].items():
        what = "the first mirrored record" if role == "mirror" else "an answer"
        print(f"{role}: {took:.3f} s from its start to {what}")
    peaks = ", ".join(f"{name} {size / 1e6:.0f}" for name, size in result["peak_bytes"].items())
    total = sum(result["peak_bytes"].values()) / 1e6
    if peaks:  # of rows that were run
        print(f"memory at the peak, MB: {peaks}; together {total:.0f} (aim: below 256)")


def run(world: World, pairs: int, kills: int, wanted: list[str], network: str) -> dict:
    world.start(times=3)
    rows, peaks = [], {}
    for row, path in world.rows():
        if not is_wanted(row.name, wanted):
            continue
        for number in range(pairs):
            row.product.append(path.product())
            row.floor.append(path.floor())
            print(f"    {row.name} {number + 1}/{pairs}: {row.product[-1].cost:.3f} s/GB, "
                  f"floor {row.floor[-1].cost:.3f}", flush=True)
            note_peaks(world, peaks)
        rows.append(row)
    world.started["mirror"] = world.mirroring.first_record_s
    connections = run_connections(world, pairs, wanted)
    lines = run_lines(world, pairs, wanted, peaks)
    beside = run_beside(world, pairs, wanted, peaks)
    world.stop()
    beside_kafka = run_clusters(world.directory, pairs, wanted)
    failovers = run_failovers(world.directory, kills, wanted)
    idling = [row for row in idle.rows() if is_wanted(row.name, wanted)]
    idle.run(world.directory, idling, pairs)
    looping = [row for row in loops.rows() if is_wanted(row.name, wanted)]
    if looping:
        loops.run(world.directory, looping, pairs)
    result = {
        "network": network,
        "rows": [row.as_json() for row in rows],
        "connections": [row.as_json() for row in connections],
        "lines": [row.as_json() for row in lines],
        "beside": [row.as_json() for row in beside],
        "clusters": [row.as_json() for row in beside_kafka],
        "failovers": [row.as_json() for row in failovers],
        "idle": [row.as_json() for row in idling],
        "loops": [row.as_json() for row in looping],
        "start_s": {r: statistics.median(t) for r, t in world.started.items() if t},
        "peak_bytes": peaks,
    }
    print_table(COLUMNS, [cells(row) for row in rows])
    print_table(CONNECTION_COLUMNS, [connection_cells(row) for row in connections])
    print_table(LINE_COLUMNS, [line_cells(row) for row in lines])
    print_table(BESIDE_COLUMNS, [beside_cells(row) for row in beside])
    print_table(clusters.COLUMNS, [clusters.cells(row, marks(row.missed, row.noisy))
                                   for row in beside_kafka])
    print_table(failover.COLUMNS, [failover.cells(row) for row in failovers])
    print_table(idle.COLUMNS, [idle.cells(row) for row in idling])
    print_table(loops.COLUMNS, [loops.cells(row, marks(False, row.noisy)) for row in looping])
    print_rest(result)
    return result


def run_connections(world: World, pairs: int, wanted: list[str]) -> list[ConnectionRow]:
    chosen = [each for each in world.connection_rows() if is_wanted(each[0].name, wanted)]
    for row, what in chosen:
        for number in range(pairs):
            row.product.append(what.product())
            row.floor.append(what.floor())
            print(f"    {row.name} {number + 1}/{pairs}: {row.product[-1]:.3f}, floor "
                  f"{row.floor[-1]:.3f}", flush=True)
    return [row for row, _ in chosen]


def run_lines(world: World, pairs: int, wanted: list[str], peaks: dict) -> list[LineRow]:
    chosen = [each for each in world.line_rows() if is_wanted(each[0].name, wanted)]
    missing = why_not()
    if any(path.has_peer for _, path in chosen) and missing:
        print(f"    MirrorMaker 2 is left out: {missing}", flush=True)
    for row, path in chosen:
        times = path.times(pairs)
        for number in range(times):
            row.runs.append(path.run())
            last = row.runs[-1]
            print(f"    {row.name} {number + 1}/{times}: {last.far.mb_s:.2f} MB/s of "
                  f"{last.line_mb_s:.2f}", flush=True)
            note_peaks(world, peaks)
        if path.has_peer and not missing:
            row.peer = peer_of(row, path)
    return [row for row, _ in chosen]


def peer_of(row: LineRow, path: LinePath) -> OverLine | None:
    """Its failure is not ours: the row then stands alone."""
    try:
        peer = path.run_peer()
    except Late as failure:
        print(f"    {row.name}, MirrorMaker 2 is left out: {failure}", flush=True)
        return None
    print(f"    {row.name}, MirrorMaker 2: {peer.far.mb_s:.2f} MB/s", flush=True)
    return peer


def run_beside(world: World, pairs: int, wanted: list[str], peaks: dict) -> list[BesideRow]:
    rows = []
    for row, disturbance in world.beside_rows():
        if not is_wanted(row.name, wanted):
            continue
        try:
            for number in range(pairs):
                row.runs.append(produce_beside(world.seoul, disturbance))
                last = row.runs[-1]
                print(f"    {row.name} {number + 1}/{pairs}: p99 {last.disturbed.p99_ms:.2f} ms, "
                      f"undisturbed {last.undisturbed.p99_ms:.2f}", flush=True)
                note_peaks(world, peaks)
        except NoRoom as lacking:
            print(f"    {row.name}: left out, {lacking}", flush=True)
        if row.runs:
            rows.append(row)
    return rows


def run_clusters(directory: Path, pairs: int, wanted: list[str]) -> list[clusters.ClusterRow]:
    chosen = [row for row in clusters.rows() if is_wanted(row.name, wanted)]
    lacking = why_not()
    if chosen and lacking:
        print(f"    clusters are left out: {lacking}", flush=True)
    if not chosen or lacking:
        return []
    clusters.run(directory, chosen, pairs)
    return chosen


def run_failovers(directory: Path, kills: int, wanted: list[str]) -> list[failover.FailoverRow]:
    """Kills are what has a goal; a third as often the others, which wait for a session to end."""
    chosen = [row for row in failover.rows() if is_wanted(row.name, wanted)]
    if not chosen:
        return []
    with failover.Failovers(directory / "failover") as failovers:
        for row in chosen:
            failovers.run(row, kills if "killed" in row.name else max(1, kills // 3))
    return chosen


def is_wanted(name: str, words: list[str]) -> bool:
    return not words or any(word in name for word in words)


def note_peaks(world: World, peaks: dict) -> None:
    for role in (world.seoul, world.tokyo, world.mirror, world.router):
        if role.alive:
            peaks[role.name] = max(peaks.get(role.name, 0), role.process.usage()[1])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, default=3, help="intervals of each, A-B-A-B")
    parser.add_argument("--rows", default="", help="only those whose name has one of the words")
    parser.add_argument("--long", action="store_true", help="100 kills of a leader, not 10")
    chosen = parser.parse_args()
    network = enter_namespace()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that all that was started ends
    directory = Path(tempfile.mkdtemp(prefix="bench-", dir=BUILD))
    world = World(directory)
    try:
        wanted = [word for word in chosen.rows.split(",") if word]
        result = run(world, chosen.pairs, 100 if chosen.long else 10, wanted, network)
    finally:
        world.stop()
        shutil.rmtree(directory, ignore_errors=True)
    (BUILD / "bench.json").write_text(json.dumps(result, indent=2) + "\n")
    print(f"all intervals: {BUILD / 'bench.json'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
