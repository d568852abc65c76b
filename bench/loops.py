"""One broker with one loop and with two (broker.loops), the same clients, the same run.

Nothing is pinned: on a machine of two cores a second loop and the clients share them, as they would
there. So MB/s say what such a machine can do in all; CPU per GB is the broker's alone.
"""

import statistics
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

from measure import LOAD, Interval, Meter, all_at_once, load, warm, words
from paths import MIB, new_topic, shape
from support.site import Site

CLIENTS = 8     # at once, each with a partition of its own
PACED_S = 4
LOOPS = (1, 2)


@dataclass
class LoopsRow:
    """Each figure is that of the pair whose ratio is the median; the spread is over all pairs."""
    name: str
    batch: int
    fetch: bool = False
    runs: dict[int, list[Interval]] = field(default_factory=lambda: {n: [] for n in LOOPS})

    @property
    def ratios(self) -> list[float]:
        return [two.cost / one.cost for one, two in zip(self.runs[1], self.runs[2])]

    @property
    def middle(self) -> tuple[Interval, Interval]:
        ratio = statistics.median_high(self.ratios)
        return list(zip(self.runs[1], self.runs[2]))[self.ratios.index(ratio)]

    @property
    def noisy(self) -> bool:
        return any(each.busy > 1.2 for intervals in self.runs.values() for each in intervals)

    def as_json(self) -> dict:
        def listed(intervals):
            return [asdict(i) | {"s_per_gb": i.cost, "mb_s": i.mb_s} for i in intervals]
        return {"path": self.name, "ratios": self.ratios,
                **{f"loops_{n}": listed(intervals) for n, intervals in self.runs.items()}}


COLUMNS = ("broker.loops 1 and 2", "1: s/GB", "2: s/GB", "ratio", "from-to", "1: MB/s", "2: MB/s",
           "1: p50 ms", "p99", "2: p50 ms", "p99", "1: peak MB", "2: peak MB", "")


def cells(row: LoopsRow, marks: str) -> list[str]:
    one, two = row.middle

    def text(value):
        return "-" if value is None else f"{value:.2f}"
    return [row.name, f"{one.cost:.3f}", f"{two.cost:.3f}", f"{two.cost / one.cost:.2f}",
            f"{min(row.ratios):.2f}-{max(row.ratios):.2f}", f"{one.mb_s:.0f}", f"{two.mb_s:.0f}",
            text(one.p50_ms), text(one.p99_ms), text(two.p50_ms), text(two.p99_ms),
            f"{max(i.peak_bytes for i in row.runs[1]) / 1e6:.0f}",
            f"{max(i.peak_bytes for i in row.runs[2]) / 1e6:.0f}", marks]


def rows() -> list[LoopsRow]:
    return [LoopsRow("loops, produce, 16 KiB batches", 16384),
            LoopsRow("loops, produce, 1 MiB batches", MIB),
            LoopsRow("loops, consume", MIB, fetch=True)]


def at_once(verb: str, places: list[dict], **arguments) -> list[dict]:
    """A client for each place; what each says."""
    return all_at_once([[str(LOAD), verb, *words(**place, **arguments)] for place in places])


def measure(directory: Path, site: Site, row: LoopsRow, size: int) -> Interval:
    topic = {"server": site.bootstrap, "topic": new_topic("loops")}
    load("create", **topic, partitions=CLIENTS)
    places = [topic | {"partition": index} for index in range(CLIENTS)]
    load_of_each = {"bytes": size // CLIENTS, "in_flight": 8 if row.batch < MIB else 2}
    warm(directory)
    if row.fetch:
        ends = at_once("produce", places, **shape(row.batch), **load_of_each)
        places = [place | {"records": each["end"]} for place, each in zip(places, ends)]
        meter = Meter(site.process.pid)
        said = at_once("consume", places, **shape(row.batch))
    else:
        meter = Meter(site.process.pid)
        said = at_once("produce", places, **shape(row.batch), **load_of_each)
    seconds = max(each["ended"] for each in said) - min(each["began"] for each in said)
    interval = meter.stop(sum(each["bytes"] for each in said), seconds)
    if not row.fetch:
        # Far below what a core can do.
        rate = 2_500_000 if row.batch < MIB else 5_000_000
        paced = at_once("produce", places, **shape(row.batch), rate=rate, seconds=PACED_S)
        interval.p50_ms = statistics.median(each["p50"] for each in paced) * 1e3
        interval.p99_ms = max(each["p99"] for each in paced) * 1e3
    load("delete", **topic)
    time.sleep(0.5)
    return interval


def run(directory: Path, chosen: list[LoopsRow], pairs: int, size: int = 800_000_000) -> None:
    """Fills the rows: one loop, two loops, one loop, ... of two brokers that take turns."""
    sites = {loops: Site(directory, f"loops{loops}", 10 + loops, durability="page_cache",
                         loops=loops) for loops in LOOPS}
    try:
        for site in sites.values():
            site.start()
        for row in chosen:
            for number in range(pairs):
                for loops, site in sites.items():
                    row.runs[loops].append(measure(directory, site, row, size))
                one, two = row.runs[1][-1], row.runs[2][-1]
                print(f"    {row.name} {number + 1}/{pairs}: {one.cost:.3f} and {two.cost:.3f} "
                      f"s/GB, {one.mb_s:.0f} and {two.mb_s:.0f} MB/s", flush=True)
    finally:
        for site in sites.values():
            site.__exit__()
