"""How long nobody leads: three brokers with 3,000 partitions, of which the one that leads most is
killed, sleeps, or is cut off, again and again; a stock producer tells how long its partitions had
no acknowledgement.

Nothing here is believed whose history has an anomaly (tests/support/anomalies.py).
"""

import random
import statistics
import time
from collections import Counter, defaultdict
from dataclasses import asdict, dataclass, field
from pathlib import Path

import measure  # noqa: F401  finds tests/
from support import anomalies, history
from support.cluster import Cluster
from support.network import Network
from support.processes import wait_for
from support.workload import Workload

PARTITIONS = 3000
SAMPLED = 40
SESSION_MS = 3000
TOPIC = "led"
# Of one partition, a second: what is shorter than two of their intervals is not seen.
RATE = 40
# By itself librdkafka asks who leads when a connection ends, is told of the dead leader still, and
# asks again after its interval: that, not the cluster, would be what is measured.
ASKS_MS = 100


@dataclass
class Failover:
    """One fault: how many partitions its victim led, and for each sampled one of them the longest
    time without an acknowledgement."""
    led: int
    silent_s: list[float]

    @property
    def worst_s(self) -> float:
        return max(self.silent_s)


@dataclass
class FailoverRow:
    name: str
    aim_s: float | None = None
    runs: list[Failover] = field(default_factory=list)

    @property
    def worst_s(self) -> float:
        return max(run.worst_s for run in self.runs)

    @property
    def missed(self) -> bool:
        return self.aim_s is not None and self.worst_s >= self.aim_s

    def as_json(self) -> dict:
        return {"fault": self.name, "aim_s": self.aim_s, "missed": self.missed,
                "worst_s": self.worst_s, "runs": [asdict(run) for run in self.runs]}


COLUMNS = ("no leader", "times", "led", "worst s", "aim", "worst of each: p50", "least",
           "partitions: p50", "p99", "")


def cells(row: FailoverRow) -> list[str]:
    worsts = [run.worst_s for run in row.runs]
    every = sorted(silent for run in row.runs for silent in run.silent_s)
    return [row.name, str(len(row.runs)), str(min(run.led for run in row.runs)),
            f"{row.worst_s:.2f}", "-" if row.aim_s is None else f"{row.aim_s:.2f}",
            f"{statistics.median(worsts):.2f}", f"{min(worsts):.2f}",
            f"{statistics.median(every):.2f}", f"{every[int(0.99 * (len(every) - 1))]:.2f}",
            "missed" if row.missed else ""]


def rows() -> list[FailoverRow]:
    """With the goal of each; what waits for a session to end has none but that."""
    return [FailoverRow("leader killed (-9)", 1.0),
            FailoverRow("leader stands still"),
            FailoverRow("leader cut off")]


class Failovers:
    """A cluster, and faults of one kind after the other."""

    def __init__(self, directory: Path):
        self.directory = directory
        self.network = Network()
        self.cluster = Cluster(directory, self.network, ["client"], SESSION_MS)
        # Of all rows: they share the topic.
        self.sent: list[history.Operation] = []
        self.written: set[str] = set()

    def __enter__(self) -> "Failovers":
        self.cluster.start()
        self.cluster.create({TOPIC: PARTITIONS}, deadline_s=120)
        return self

    def __exit__(self, *_):
        self.cluster.close()
        self.network.close()

    def run(self, row: FailoverRow, times: int) -> None:
        rng = random.Random(times)
        chosen = [f"{TOPIC}-{i}" for i in rng.sample(range(PARTITIONS), SAMPLED)]
        name = row.name.split()[-1].strip("(-)")
        workload = Workload(self.cluster.clients[0], self.cluster.bootstrap, self.directory,
                            f"failover-{name}", topics=self.cluster.topics, partitions=chosen,
                            idempotent=1, plain=0, assigned=0, rate=RATE * SAMPLED,
                            producer_options={"topic.metadata.refresh.interval.ms": ASKS_MS})
        faults: list[tuple[float, float, dict[str, int]]] = []
        with workload:
            time.sleep(3)
            for number in range(times):
                faults.append(self.one(row.name))
                print(f"    {row.name} {number + 1}/{times}", flush=True)
            workload.end()
        sends = history.read([workload.history])
        self.sent += sends
        self.written.update(chosen)
        found = anomalies.check(self.sent + self.cluster.read_all(sorted(self.written)))
        if found:
            raise SystemExit(f"bench: {row.name}: {anomalies.told(found)}")
        for given_up in workload.noted():
            print(f"    a producer was given up: {given_up}", flush=True)
        row.runs += [failover_of(sends, *fault) for fault in faults]

    def one(self, name: str) -> tuple[float, float, dict[str, int]]:
        """When it began, when all was whole again, and who led what before."""
        leaders = {key: p.leader for key, p in self.cluster.partitions().items()}
        most = Counter(leaders.values()).most_common(1)[0][0]
        victim = next(each for each in self.cluster.brokers if each.node_id == most)
        led = {key: leader for key, leader in leaders.items() if leader == most}
        everyone = [host for host in self.network.hosts if host is not victim.host]
        began = history.now()
        if "killed" in name:
            victim.kill()
        elif "still" in name:
            victim.process.pause()
        else:
            for host in everyone:
                self.network.cut(host, victim.host)
                self.network.cut(victim.host, host)
        wait_for(lambda: self.leads_nothing(most), "others lead", 60)
        time.sleep(2)
        if "still" in name:
            victim.process.resume()
        self.network.heal()
        if "killed" not in name:
            victim.process.child.wait(60)  # its session is lost
        victim.start(60)
        wait_for(self.cluster.is_whole, "all replicas are in sync", 120)
        time.sleep(1)
        return began, history.now(), led

    def leads_nothing(self, node: int) -> bool:
        partitions = self.cluster.partitions()
        return len(partitions) == PARTITIONS and all(p.leader not in (node, -1)
                                                     for p in partitions.values())


def failover_of(sends: list[history.Send], began: float, ended: float,
                led: dict[str, int]) -> Failover:
    """From the acknowledgements of each partition that the victim led."""
    acked: dict[str, list[float]] = defaultdict(list)
    for send in sends:
        if send.outcome == history.OK and send.partition in led and began - 1 < send.ended <= ended:
            acked[send.partition].append(send.ended)
    silent = []
    for times in acked.values():
        times.sort()
        silent.append(max(b - a for a, b in zip(times, [*times[1:], ended])))
    return Failover(len(led), silent)
