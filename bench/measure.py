"""What one interval costs: CPU and memory of a process, the client's word for bytes and latency."""

import json
import os
import statistics
import subprocess
import sys
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(REPOSITORY / "tests"))

from support.testing import BUILD  # noqa: E402

LOAD = BUILD / "bench" / "bench_load"
FLOOR = BUILD / "bench" / "bench_floor"
WALK = BUILD / "bench" / "bench_walk"
GB = 1e9
_CPU_CLOCK_OF_PROCESS = 2  # CPUCLOCK_SCHED, in the id of a foreign process's clock

# The system under test has a core of its own; clients and neighbours share the other one.
_CORES = sorted(os.sched_getaffinity(0))
TEST_CORE, CLIENT_CORE = _CORES[-1], _CORES[0]


@dataclass
class Interval:
    """One measured interval of a product or a floor."""
    cpu_s: float = 0
    bytes: int = 0
    seconds: float = 0
    client_cpu_s: float = 0  # of the load client, for the sum of all
    p50_ms: float | None = None
    p99_ms: float | None = None
    peak_bytes: int = 0
    busy: float = 0  # of all cores, over what was measured here; above 1.2, somebody else worked

    @property
    def cost(self) -> float:
        return self.cpu_s / (self.bytes / GB)

    @property
    def mb_s(self) -> float:
        return self.bytes / 1e6 / self.seconds


@dataclass
class Row:
    """A path: its intervals, product and floor in turn. Each figure is that of one pair, the one
    whose ratio is the median; the spread is over all pairs. So what stands in a row fits together:
    s/GB divided by the floor's is what it is times the floor."""
    name: str
    target: float | None = None  # CPU seconds per GB to aim at
    product: list[Interval] = field(default_factory=list)
    floor: list[Interval] = field(default_factory=list)

    @property
    def ratios(self) -> list[float]:
        return [p.cost / f.cost for p, f in zip(self.product, self.floor)]

    @property
    def middle(self) -> tuple[Interval, Interval]:
        """The pair with the median ratio; of an even number of pairs the dearer one."""
        ratio = statistics.median_high(self.ratios)
        return list(zip(self.product, self.floor))[self.ratios.index(ratio)]

    @property
    def times_floor(self) -> float:
        product, floor = self.middle
        return product.cost / floor.cost

    @property
    def missed(self) -> bool:
        return self.target is not None and self.middle[0].cost > self.target

    def as_json(self) -> dict:
        def listed(intervals):
            return [asdict(i) | {"s_per_gb": i.cost, "mb_s": i.mb_s} for i in intervals]
        result = {"path": self.name, "target_s_per_gb": self.target,
                  "product": listed(self.product), "floor": listed(self.floor)}
        product, floor = self.middle
        return result | {"s_per_gb": product.cost, "floor_s_per_gb": floor.cost,
                         "times_floor": self.times_floor,
                         "times_floor_least": min(self.ratios),
                         "times_floor_most": max(self.ratios)}


@dataclass
class Latencies:
    """Of the batches that were due within one interval."""
    batches: int
    seconds: float
    p50_ms: float
    p99_ms: float
    max_ms: float

    LEAST = 200  # batches: with fewer, p99 is one of the two slowest

    @classmethod
    def within(cls, samples: list[tuple[float, float]], begin: float, end: float) -> "Latencies":
        """`samples`: when each was due and how long it took, in seconds."""
        took = sorted(took for due, took in samples if begin <= due <= end)
        if len(took) < cls.LEAST:
            raise SystemExit(f"bench: {len(took)} batches in {end - begin:.3f} s say nothing "
                             "of a p99")
        def share(of: float) -> float:
            return round(took[int(of * (len(took) - 1))] * 1e3, 3)
        return cls(len(took), end - begin, share(0.5), share(0.99), share(1))


@dataclass
class Beside:
    """One run of a paced producer: before and while something else happens."""
    undisturbed: Latencies
    disturbed: Latencies
    busy: float = 0  # as that of an Interval


@dataclass
class BesideRow:
    """Its figures are those of one run, the one whose disturbed p99 is the median."""
    name: str
    aim_p99_ms: float
    runs: list[Beside] = field(default_factory=list)

    @property
    def p99s_ms(self) -> list[float]:
        return [run.disturbed.p99_ms for run in self.runs]

    @property
    def middle(self) -> Beside:
        """Of an even number of runs the slower one."""
        return self.runs[self.p99s_ms.index(statistics.median_high(self.p99s_ms))]

    @property
    def missed(self) -> bool:
        return self.middle.disturbed.p99_ms >= self.aim_p99_ms

    def as_json(self) -> dict:
        return {"path": self.name, "aim_p99_ms": self.aim_p99_ms, "missed": self.missed,
                "runs": [asdict(run) for run in self.runs], **asdict(self.middle),
                "p99_ms_least": min(self.p99s_ms), "p99_ms_most": max(self.p99s_ms)}


@dataclass
class OverLine:
    """A backlog over a line, and a larger one without. Of plain sockets: what they bring over the
    line, and what over one of that length without a rate, which is the relay's own limit."""
    far: Interval
    near: Interval
    line_mb_s: float | None = None
    relay_mb_s: float | None = None

    @property
    def times_near(self) -> float:
        """What a GB costs, for what it costs without a line."""
        return self.far.cost / self.near.cost

    def as_json(self) -> dict:
        def one(interval):
            return asdict(interval) | {"s_per_gb": interval.cost, "mb_s": interval.mb_s}
        return {"far": one(self.far), "near": one(self.near), "line_mb_s": self.line_mb_s,
                "relay_mb_s": self.relay_mb_s, "times_near": self.times_near}


@dataclass
class LineRow:
    """Its figures are those of one run, the one whose part of the line is the median; that of the
    peer, where there is one, is of one run of its own."""
    name: str
    aim_mb_s: float | None = None
    aim_peak_mb: float = 64
    runs: list[OverLine] = field(default_factory=list)
    peer: OverLine | None = None

    @property
    def shares(self) -> list[float]:
        return [run.far.mb_s / run.line_mb_s for run in self.runs]

    @property
    def middle(self) -> OverLine:
        """Of an even number of runs the slower one."""
        return self.runs[self.shares.index(statistics.median_low(self.shares))]

    @property
    def peak_mb(self) -> float:
        return max(run.far.peak_bytes for run in self.runs) / 1e6

    @property
    def missed(self) -> bool:
        slow = self.aim_mb_s is not None and self.middle.far.mb_s < self.aim_mb_s
        return slow or self.peak_mb > self.aim_peak_mb

    @property
    def noisy(self) -> bool:
        return any(i.busy > 1.2 for run in self.runs for i in (run.far, run.near))

    def as_json(self) -> dict:
        return {"path": self.name, "aim_mb_s": self.aim_mb_s, "aim_peak_mb": self.aim_peak_mb,
                "missed": self.missed, "runs": [run.as_json() for run in self.runs],
                "peer": self.peer and self.peer.as_json(), **self.middle.as_json()}


def cpu_of(pid: int) -> float:
    """User and system time of a process, with those of its threads that have ended."""
    return time.clock_gettime((~pid << 3) | _CPU_CLOCK_OF_PROCESS)


def machine_cpu() -> float:
    """All cores' busy time."""
    user, nice, system, _, _, irq, softirq = map(
        int, Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:8])
    return (user + nice + system + irq + softirq) / os.sysconf("SC_CLK_TCK")


def peak_of(pid: int) -> int:
    """The most memory that was resident since reset_peak()."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return 0


def reset_peak(pid: int) -> None:
    try:
        Path(f"/proc/{pid}/clear_refs").write_text("5")
    except OSError:
        pass  # the peak is then that of the whole run


def pin(pid: int, core: int) -> None:
    for task in os.listdir(f"/proc/{pid}/task"):
        os.sched_setaffinity(int(task), {core})


def words(**arguments) -> list[str]:
    return [f"{key}={value}" for key, value in arguments.items()]


def load_command(verb: str, **arguments) -> list[str]:
    return ["taskset", "-c", str(CLIENT_CORE), str(LOAD), verb, *words(**arguments)]


def load(verb: str, *before: str, **arguments) -> dict:
    """Runs the load client to its end; what it says, or SystemExit with its complaint. `before`:
    words of a command that starts it."""
    done = subprocess.run([*before, *load_command(verb, **arguments)], capture_output=True,
                          text=True, timeout=120)
    if done.returncode != 0:
        raise SystemExit(f"bench: {verb} {arguments}: {done.stderr.strip()}")
    return json.loads(done.stdout) if done.stdout.startswith("{") else {}


def all_at_once(commands: list[list[str]]) -> list[dict]:
    """Runs several load clients together; what each says."""
    clients = [subprocess.Popen(each, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
               for each in commands]
    said = [client.communicate(timeout=300) for client in clients]
    for client, (_, complaint) in zip(clients, said):
        if client.returncode != 0:
            raise SystemExit(f"bench: {' '.join(client.args)}: {complaint.strip()}")
    return [json.loads(line) for line, _ in said]


def warm(directory: Path, gigabytes: float = 1.2) -> None:
    """Memory that the host has not backed lately is dear at its first use: here, not there."""
    command = [FLOOR, "warm", *words(bytes=int(gigabytes * GB), file=directory / "warm")]
    subprocess.run(command, check=True)


class Meter:
    """Reads a process's counters at the beginning and end of an interval. `beside`: processes that
    work for it, which are no noise."""

    def __init__(self, pid: int, *beside: int):
        self.pid = pid
        self.beside = beside
        reset_peak(pid)
        self.beside_cpu = sum(map(cpu_of, beside))
        self.cpu = cpu_of(pid)
        self.children = os.times()
        self.machine = machine_cpu()

    def stop(self, bytes_moved: int, seconds: float) -> Interval:
        children = os.times()
        client = (children.children_user - self.children.children_user +
                  children.children_system - self.children.children_system)
        cpu = cpu_of(self.pid) - self.cpu
        own = cpu + client + sum(map(cpu_of, self.beside)) - self.beside_cpu
        busy = (machine_cpu() - self.machine) / max(own, 0.01)
        return Interval(cpu, bytes_moved, seconds, client, peak_bytes=peak_of(self.pid), busy=busy)
