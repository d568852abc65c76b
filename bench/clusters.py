"""Three brokers beside three of Apache Kafka: what a GB with acks=all costs all processes together.

Both clusters run at once and are measured in turn, on the same core, with the same clients: for
each broker a few producers, each to a partition of its own that this broker leads and the two
others copy. One alone would say nothing of Kafka, which looks at the next request of a connection
when the one before is answered.
"""

import os
import statistics
import time
from collections import defaultdict
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Iterator

from measure import (GB, TEST_CORE, all_at_once, cpu_of, load_command, machine_cpu, peak_of, pin,
                     reset_peak, warm)
from paths import MIB, new_topic, shape
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient, NewTopic
from support.kafka import start_cluster
from support.processes import Process, wait_for
from support.site import Broker
from support.zookeeper import Zookeeper

BROKERS = 3
PRODUCERS = 8  # of each broker
PARTITIONS = 2 * BROKERS * PRODUCERS
# A virtual machine compiles what is used often: before that it is not Kafka that one measures.
WARM_BYTES = 1_000_000_000


@dataclass
class ClusterInterval:
    """One interval of one cluster: CPU and peaks of all its processes."""
    cpu_s: float = 0
    coordinator_cpu_s: float = 0  # of it ZooKeeper's, where there is one
    bytes: int = 0
    seconds: float = 0
    p50_ms: float = 0
    p99_ms: float = 0
    peak_bytes: int = 0           # of the brokers
    coordinator_peak_bytes: int = 0
    busy: float = 0               # as that of an Interval

    @property
    def cost(self) -> float:
        return self.cpu_s / (self.bytes / GB)

    @property
    def mb_s(self) -> float:
        return self.bytes / 1e6 / self.seconds


@dataclass
class ClusterRow:
    """Each figure is that of the pair whose ratio is the median; spreads are over all pairs."""
    name: str
    batch: int
    durability: str = "page_cache"
    aim_ratio: float | None = 0.25
    aim_peak_mb: float = 150
    ours: list[ClusterInterval] = field(default_factory=list)
    kafka: list[ClusterInterval] = field(default_factory=list)

    @property
    def ratios(self) -> list[float]:
        return [a.cost / b.cost for a, b in zip(self.ours, self.kafka)]

    @property
    def middle(self) -> tuple[ClusterInterval, ClusterInterval]:
        ratio = statistics.median_high(self.ratios)
        return list(zip(self.ours, self.kafka))[self.ratios.index(ratio)]

    @property
    def peak_mb(self) -> float:
        return max(each.peak_bytes for each in self.ours) / 1e6

    @property
    def missed(self) -> bool:
        dear = self.aim_ratio is not None and statistics.median_high(self.ratios) > self.aim_ratio
        return dear or self.peak_mb > self.aim_peak_mb

    @property
    def noisy(self) -> bool:
        return any(each.busy > 1.2 for each in self.ours + self.kafka)

    def as_json(self) -> dict:
        def listed(intervals):
            return [asdict(i) | {"s_per_gb": i.cost, "mb_s": i.mb_s} for i in intervals]
        return {"path": self.name, "aim_ratio": self.aim_ratio, "aim_peak_mb": self.aim_peak_mb,
                "missed": self.missed, "ratios": self.ratios, "ours": listed(self.ours),
                "kafka": listed(self.kafka)}


COLUMNS = ("path", "s/GB", "of it ZK", "Kafka s/GB", "ratio", "from-to", "aim", "MB/s", "Kafka",
           "p50 ms", "p99 ms", "Kafka p50", "p99", "peak MB", "ZK", "aim", "Kafka", "")


def cells(row: ClusterRow, marks: str) -> list[str]:
    ours, kafka = row.middle
    zookeeper = max(each.coordinator_peak_bytes for each in row.ours) / 1e6
    ratios = row.ratios
    return [row.name, f"{ours.cost:.3f}", f"{ours.coordinator_cpu_s / (ours.bytes / GB):.3f}",
            f"{kafka.cost:.3f}", f"{ours.cost / kafka.cost:.2f}",
            f"{min(ratios):.2f}-{max(ratios):.2f}",
            "-" if row.aim_ratio is None else f"{row.aim_ratio:.2f}",
            f"{ours.mb_s:.0f}", f"{kafka.mb_s:.0f}", f"{ours.p50_ms:.2f}", f"{ours.p99_ms:.2f}",
            f"{kafka.p50_ms:.2f}", f"{kafka.p99_ms:.2f}", f"{row.peak_mb:.0f}", f"{zookeeper:.0f}",
            f"{row.aim_peak_mb:.0f}", f"{max(each.peak_bytes for each in row.kafka) / 1e6:.0f}",
            marks]


def rows() -> list[ClusterRow]:
    """A sync for each acknowledgement is ours alone: Kafka has no such setting that is used."""
    return [ClusterRow("cluster, 16 KiB batches", 16384),
            ClusterRow("cluster, 1 MiB batches", MIB),
            ClusterRow("cluster, 16 KiB batches, fsync", 16384, "fsync", aim_ratio=None)]


class Ours:
    def __init__(self, directory: Path, durability: str):
        self.zookeeper = Zookeeper(directory / f"ours-{durability}")
        connect = self.zookeeper.connect("/isthmus")
        self.brokers = [Broker(directory / f"ours-{durability}", "busan", 3, 301 + i, connect,
                               18_000, durability=durability) for i in range(BROKERS)]

    def __enter__(self) -> "Ours":
        self.zookeeper.start()
        for broker in self.brokers:
            broker.start()
        return self

    def __exit__(self, *_):
        for broker in self.brokers:
            broker.__exit__()
        self.zookeeper.kill()

    @property
    def bootstrap(self) -> str:
        return self.brokers[0].bootstrap

    @property
    def processes(self) -> list[Process]:
        return [broker.process for broker in self.brokers]

    @property
    def coordinators(self) -> list[Process]:
        return [self.zookeeper.process]


class Kafkas:
    coordinators: list[Process] = []

    def __init__(self, directory: Path):
        self.directory = directory
        self.brokers: list = []

    def __enter__(self) -> "Kafkas":
        self.brokers = start_cluster(
            self.directory, BROKERS, options=("-Xmx1g", "-Xms1g"), default_replication_factor=3,
            min_insync_replicas=2, offsets_topic_replication_factor=3)
        return self

    def __exit__(self, *_):
        for broker in self.brokers:
            broker.kill()

    @property
    def bootstrap(self) -> str:
        return self.brokers[0].bootstrap

    @property
    def processes(self) -> list[Process]:
        return [broker.process for broker in self.brokers]


def leaders_of(admin: AdminClient, topic: str, partitions: int = PARTITIONS) -> dict[int, int]:
    """Of each partition, once all replicas of all are in sync; before that none."""
    try:
        told = admin.list_topics(topic, timeout=10).topics[topic].partitions
    except KafkaException:
        return {}
    whole = len(told) == partitions and all(
        len(each.isrs) == BROKERS and each.leader >= 0 for each in told.values())
    return {index: each.leader for index, each in told.items()} if whole else {}


@contextmanager
def partitions(cluster) -> Iterator[list[dict]]:
    """As many as there are producers, for each broker that leads them, of one topic."""
    admin = AdminClient({"bootstrap.servers": cluster.bootstrap})
    topic = new_topic("cluster")
    wish = NewTopic(topic, num_partitions=PARTITIONS, replication_factor=BROKERS)
    admin.create_topics([wish])[topic].result(60)
    leaders = wait_for(lambda: leaders_of(admin, topic), "all partitions are led", 60)
    chosen: dict[int, list[int]] = defaultdict(list)
    for index, leader in sorted(leaders.items()):
        chosen[leader].append(index)
    if len(chosen) < BROKERS or any(len(led) < PRODUCERS for led in chosen.values()):
        raise SystemExit(f"bench: leaders are unevenly spread: {dict(chosen)}")
    yield [{"topic": topic, "partition": index}
           for led in chosen.values() for index in led[:PRODUCERS]]
    admin.delete_topics([topic])[topic].result(60)


def produce(cluster, where: list[dict], **arguments) -> list[dict]:
    """To all at once; what each producer says."""
    return all_at_once([load_command("produce", server=cluster.bootstrap, **each, **arguments)
                        for each in where])


def measure(directory: Path, cluster, batch: int, size: int) -> ClusterInterval:
    everybody = cluster.processes + cluster.coordinators
    for process in everybody:
        pin(process.pid, TEST_CORE)
    with partitions(cluster) as where:
        warm(directory)
        for process in everybody:
            reset_peak(process.pid)
        cpu = {process: cpu_of(process.pid) for process in everybody}
        machine, client = machine_cpu(), children_cpu()
        said = produce(cluster, where, **shape(batch), bytes=size // len(where),
                       in_flight=8 if batch < MIB else 2)
        # What followers still copy belongs to it.
        time.sleep(0.5)
        spent = {process: cpu_of(process.pid) - cpu[process] for process in everybody}
        own = sum(spent.values()) + children_cpu() - client
        interval = ClusterInterval(
            cpu_s=sum(spent.values()),
            coordinator_cpu_s=sum(spent[each] for each in cluster.coordinators),
            bytes=sum(each["bytes"] for each in said),
            seconds=max(each["ended"] for each in said) - min(each["began"] for each in said),
            peak_bytes=sum(peak_of(each.pid) for each in cluster.processes),
            coordinator_peak_bytes=sum(peak_of(each.pid) for each in cluster.coordinators),
            busy=(machine_cpu() - machine) / max(own, 0.01))
        # Far below what a core can do.
        rate = 500_000 if batch < MIB else 1_000_000
        paced = produce(cluster, where, **shape(batch), rate=rate, seconds=4)
    interval.p50_ms = statistics.median(each["p50"] for each in paced) * 1e3
    interval.p99_ms = max(each["p99"] for each in paced) * 1e3
    return interval


def children_cpu() -> float:
    times = os.times()
    return times.children_user + times.children_system


def run(directory: Path, chosen: list[ClusterRow], pairs: int, size: int = 600_000_000) -> None:
    """Fills the rows."""
    with Kafkas(directory) as kafka:
        measure(directory, kafka, 16384, WARM_BYTES)
        for durability in dict.fromkeys(row.durability for row in chosen):
            with Ours(directory, durability) as ours:
                measure(directory, ours, 16384, size // 4)
                for row in (row for row in chosen if row.durability == durability):
                    for number in range(pairs):
                        row.ours.append(measure(directory, ours, row.batch, size))
                        row.kafka.append(measure(directory, kafka, row.batch, size))
                        print(f"    {row.name} {number + 1}/{pairs}: {row.ours[-1].cost:.3f} s/GB, "
                              f"Kafka {row.kafka[-1].cost:.3f}", flush=True)
