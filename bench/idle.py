"""What a cluster of three brokers costs that has 1,000 partitions and nothing to do; and its
memory, then and under load.

Everything on the loopback of the run's own network is theirs: followers that ask their leaders, and
the brokers' word to ZooKeeper.
"""

import statistics
import time
from collections import defaultdict
from dataclasses import asdict, dataclass, field
from pathlib import Path

from clusters import BROKERS, Ours, leaders_of, produce
from measure import TEST_CORE, cpu_of, peak_of, pin, reset_peak
from paths import new_topic, shape
from confluent_kafka.admin import AdminClient, NewTopic
from support.processes import wait_for

PARTITIONS = 1000
SECONDS = 20
SETTLE_S = 15   # after the topic was made, until what that began has ended
BUSY = 24       # at most so many partitions are written under load, among the idle ones
LOAD_BYTES = 600_000_000


@dataclass
class Idle:
    """One cluster: over some seconds in which nobody asks it for anything, and under load after."""
    cpu_s: float              # of the brokers together
    coordinator_cpu_s: float  # ZooKeeper's
    seconds: float
    line_bytes: int           # between all of them, with TCP's headers
    pss_bytes: int            # of the brokers together, what they share counted once
    peak_bytes: int           # the sum of their peaks under load
    load_cpu_s: float = 0
    load_bytes: int = 1

    @property
    def cpu_percent(self) -> float:
        return 100 * self.cpu_s / self.seconds


@dataclass
class IdleRow:
    """Its figures are those of the run with the median CPU."""
    name: str
    partitions: int
    aim_percent: float = 1
    aim_peak_mb: float = 150
    runs: list[Idle] = field(default_factory=list)

    @property
    def middle(self) -> Idle:
        cpu = [run.cpu_percent for run in self.runs]
        return self.runs[cpu.index(statistics.median_high(cpu))]

    @property
    def peak_mb(self) -> float:
        return max(run.peak_bytes for run in self.runs) / 1e6

    @property
    def missed(self) -> bool:
        return self.middle.cpu_percent > self.aim_percent or self.peak_mb > self.aim_peak_mb

    def as_json(self) -> dict:
        return {"path": self.name, "partitions": self.partitions, "missed": self.missed,
                "aim_percent": self.aim_percent, "aim_peak_mb": self.aim_peak_mb,
                "runs": [asdict(run) | {"cpu_percent": run.cpu_percent} for run in self.runs]}


COLUMNS = ("three brokers", "CPU %", "from-to", "aim", "ZK CPU %", "kB/s", "PSS MB",
           "load: s/GB", "peak MB", "aim", "")


def cells(row: IdleRow) -> list[str]:
    run = row.middle
    cpu = [each.cpu_percent for each in row.runs]
    return [row.name, f"{run.cpu_percent:.2f}", f"{min(cpu):.2f}-{max(cpu):.2f}",
            f"{row.aim_percent:.2f}", f"{100 * run.coordinator_cpu_s / run.seconds:.2f}",
            f"{run.line_bytes / run.seconds / 1e3:.1f}", f"{run.pss_bytes / 1e6:.0f}",
            f"{run.load_cpu_s / (run.load_bytes / 1e9):.3f}", f"{row.peak_mb:.0f}",
            f"{row.aim_peak_mb:.0f}", "missed" if row.missed else ""]


def rows() -> list[IdleRow]:
    return [IdleRow("idle partitions: 3", 3),
            IdleRow(f"idle partitions: {PARTITIONS:,}", PARTITIONS)]


def line_bytes() -> int:
    """That the loopback of this network has carried."""
    for line in Path("/proc/net/dev").read_text().splitlines():
        name, _, counts = line.partition(":")
        if name.strip() == "lo":
            return int(counts.split()[0])
    raise SystemExit("bench: no loopback")


def pss_of(pid: int) -> int:
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    return 0


def create(cluster: Ours, partitions: int) -> tuple[str, list[int]]:
    """A topic; and those of its partitions that are written later, of each broker as many."""
    admin = AdminClient({"bootstrap.servers": cluster.bootstrap})
    topic = new_topic("idle")
    wish = NewTopic(topic, num_partitions=partitions, replication_factor=BROKERS)
    admin.create_topics([wish])[topic].result(60)
    leaders = wait_for(lambda: leaders_of(admin, topic, partitions), "all are in sync", 120)
    led: dict[int, list[int]] = defaultdict(list)
    for index, leader in sorted(leaders.items()):
        led[leader].append(index)
    return topic, [index for each in led.values() for index in each[:BUSY // BROKERS]]


def measure(cluster: Ours, partitions: int) -> Idle:
    everybody = cluster.processes + cluster.coordinators
    for process in everybody:
        pin(process.pid, TEST_CORE)
    topic, busy = create(cluster, partitions)
    time.sleep(SETTLE_S)
    cpu = {process: cpu_of(process.pid) for process in everybody}
    began, line = time.monotonic(), line_bytes()
    time.sleep(SECONDS)
    seconds, carried = time.monotonic() - began, line_bytes() - line
    spent = {process: cpu_of(process.pid) - cpu[process] for process in everybody}
    pss = sum(pss_of(process.pid) for process in cluster.processes)
    for process in cluster.processes:
        reset_peak(process.pid)
    cpu = {process: cpu_of(process.pid) for process in cluster.processes}
    said = produce(cluster, [{"topic": topic, "partition": index} for index in busy],
                   **shape(16384), bytes=LOAD_BYTES // len(busy), in_flight=8)
    time.sleep(0.5)  # what followers still copy
    return Idle(
        cpu_s=sum(spent[each] for each in cluster.processes),
        coordinator_cpu_s=sum(spent[each] for each in cluster.coordinators),
        seconds=seconds, line_bytes=carried, pss_bytes=pss,
        peak_bytes=sum(peak_of(process.pid) for process in cluster.processes),
        load_cpu_s=sum(cpu_of(process.pid) - cpu[process] for process in cluster.processes),
        load_bytes=sum(each["bytes"] for each in said))


def run(directory: Path, chosen: list[IdleRow], times: int) -> None:
    """Fills the rows; each time with a cluster of its own."""
    for row in chosen:
        for number in range(times):
            place = directory / f"idle-{row.partitions}-{number}"
            place.mkdir()
            with Ours(place, "page_cache") as cluster:
                row.runs.append(measure(cluster, row.partitions))
            last = row.runs[-1]
            print(f"    {row.name} {number + 1}/{times}: {last.cpu_percent:.2f} % of a core, "
                  f"{last.line_bytes / last.seconds / 1e3:.1f} kB/s, "
                  f"{last.pss_bytes / 1e6:.0f} MB, under load {last.peak_bytes / 1e6:.0f}",
                  flush=True)
