"""The paths that are measured. Each can run its product and its floor, in any order and number."""

import itertools
import json
import os
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

from measure import (CLIENT_CORE, FLOOR, TEST_CORE, WALK, Interval, Meter, cpu_of, load,
                     load_command, pin, warm, words)
from reach import PLAIN, Plain
from support.processes import Process, answers, free_port
from support.site import Mirror, Site

MIB = 1 << 20
_numbers = itertools.count()


def new_topic(prefix: str = "bench") -> str:
    return f"{prefix}-{next(_numbers)}"


class Floor:
    """A floor program, for the length of one interval."""

    def __init__(self, directory: Path, kind: str, core: int = TEST_CORE, reach: Plain = PLAIN,
                 **arguments):
        self.reach = reach
        arguments |= reach.floor_listens
        self.port = free_port()
        number = next(_numbers)
        self.file = directory / f"floor-{number}.log"
        if kind == "broker":
            arguments |= {"file": self.file}
        command = [FLOOR, kind, *words(port=self.port, **arguments)]
        self.process = Process("floor", command, directory / f"floor-{number}.out").start()
        self.core = core

    def __enter__(self) -> "Floor":
        self.process.wait_ready(lambda: answers(self.port))
        pin(self.process.pid, self.core)
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.file.unlink(missing_ok=True)

    @property
    def pid(self) -> int:
        return self.process.pid

    def shape(self, batch: int) -> dict:
        return {"server": f"127.0.0.1:{self.port}", "topic": "t", "direct": 1, **shape(batch),
                **self.reach.floor_dials}


def shape(batch: int) -> dict:
    return {"batch": batch, "record": 1024, "timestamp": START_MS, "seed": 1}


SETTLE_S = 1  # after a backlog, before latency is measured
START_MS = int(time.time() * 1000)


def paced(where: dict, batch: int) -> dict:
    """Producing at a tenth of what a core can do, or less: latency without a queue."""
    rate = 100_000_000 if batch >= MIB else 20_000_000
    return load("produce", **where, rate=rate, seconds=2)


def with_latency(interval: Interval, said: dict) -> Interval:
    interval.p50_ms, interval.p99_ms = said["p50"] * 1e3, said["p99"] * 1e3
    return interval


class Topic:
    """A topic at a site, for the length of one interval."""

    def __init__(self, server: str, batch: int, prefix: str = "bench", partitions: int = 1):
        self.where = {"server": server, "topic": new_topic(prefix), "partitions": partitions}
        self.batch = batch

    def __enter__(self) -> dict:
        load("create", **self.where)
        return self.where | shape(self.batch)

    def __exit__(self, *_):
        load("delete", **self.where)


class Produce:
    def __init__(self, directory: Path, site: Site, batch: int, size: int, in_flight: int,
                 sync: bool = False, reach: Plain = PLAIN):
        self.directory, self.site, self.sync, self.reach = directory, site, sync, reach
        self.batch, self.size, self.in_flight = batch, size, in_flight

    def product(self) -> Interval:
        pin(self.site.process.pid, TEST_CORE)
        with Topic(self.site.bootstrap, self.batch) as where:
            return self.measure(self.site.process.pid, where | self.reach.client(self.site))

    def floor(self) -> Interval:
        with Floor(self.directory, "broker", reach=self.reach, sync=int(self.sync)) as floor:
            return self.measure(floor.pid, floor.shape(self.batch))

    def measure(self, pid: int, where: dict) -> Interval:
        warm(self.directory)
        meter = Meter(pid)
        said = load("produce", **where, bytes=self.size, in_flight=self.in_flight)
        interval = meter.stop(said["bytes"], said["seconds"])
        return with_latency(interval, paced(where, self.batch))


class Walk:
    """What a broker does with a batch before it takes it, in one thread and without a socket: its
    CRC (the floor), and the pass over its records."""

    def __init__(self, codec: str, record: int):
        self.arguments = {"codec": codec, "record": record}

    def product(self) -> Interval:
        return self.measure(walk=1)

    def floor(self) -> Interval:
        return self.measure(walk=0)

    def measure(self, walk: int) -> Interval:
        command = ["taskset", "-c", str(TEST_CORE), WALK, *words(**self.arguments, walk=walk)]
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
        said = json.loads(done.stdout)
        return Interval(said["cpu"], said["bytes"], said["cpu"])


class Consume:
    """From the page cache: what was produced just before."""

    def __init__(self, directory: Path, site: Site, size: int, reach: Plain = PLAIN):
        self.directory, self.site, self.size, self.reach = directory, site, size, reach

    def product(self) -> Interval:
        pin(self.site.process.pid, TEST_CORE)
        at = self.reach.client(self.site)
        with Topic(self.site.bootstrap, MIB) as where:
            interval = self.measure(self.site.process.pid, where | at)
        with Topic(self.site.bootstrap, 16384) as where:
            return with_latency(interval, end_to_end(where | at, where | at))

    def floor(self) -> Interval:
        with Floor(self.directory, "broker", reach=self.reach) as floor:
            return self.measure(floor.pid, floor.shape(MIB))

    def measure(self, pid: int, where: dict) -> Interval:
        warm(self.directory)
        end = load("produce", **where, bytes=self.size, in_flight=5)["end"]
        meter = Meter(pid)
        said = load("consume", **where, records=end)
        return meter.stop(said["bytes"], said["seconds"])


def end_to_end(produce_at: dict, consume_at: dict) -> dict:
    """From the moment at which a batch was due to its arrival at a consumer: 16 KiB batches, 20
    MB/s, two seconds. What the consumer says."""
    seconds, rate = 2, 20_000_000
    per_batch = 15  # records of 1 KiB in 16 KiB
    batches = int(rate * seconds / (per_batch * 1024 * 1.02))
    command = load_command("consume", **consume_at, records=batches * per_batch, stamped=1)
    consumer = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    load("produce", **produce_at, rate=rate, seconds=seconds)
    try:
        said, _ = consumer.communicate(timeout=30)
    except subprocess.TimeoutExpired:
        consumer.kill()
        raise SystemExit("bench: a consumer did not get all that was produced") from None
    if consumer.returncode != 0:
        raise SystemExit("bench: a consumer of stamped batches failed")
    return json.loads(said)


class Late(SystemExit):
    """What was mirrored did not arrive in time, or in a way of which nothing can be said."""


class Backlog:
    """What a mirror brings to the target while its end there is watched. CPU and MB/s are the slope
    between 15 % and 95 % of it, so that starting does not count. Where `crossed` tells how many
    bytes a line has carried, the first are 15 % of these: over a narrow one what arrives comes in
    large pieces, and one that came alone would have taken no time."""

    def __init__(self, watched: dict, produced: dict, beside: tuple[int, ...], patience_s: float,
                 crossed: Callable[[], int] | None = None):
        self.watched, self.beside, self.patience_s = watched, beside, patience_s
        self.end, self.bytes = produced["end"], produced["bytes"] + MIB
        self.crossed = crossed
        self.first_record_s: float | None = None
        self.begin: tuple[float, float, float] | None = None  # CPU, when, how much of it

    def move(self, mirror, core: int | None = TEST_CORE) -> Interval:
        """Launches it, on that core alone if one is given."""
        watching = subprocess.Popen(load_command("watch", **self.watched, until=self.end),
                                    stdout=subprocess.PIPE, text=True)
        enough = threading.Timer(self.patience_s, watching.kill)
        enough.start()
        looking = None
        try:
            time.sleep(0.1)
            launched = time.monotonic()
            mirror.launch()
            pid = mirror.process.pid
            if core is not None:
                pin(pid, core)
            if self.crossed:
                looking = threading.Thread(target=self.look_at_the_line, args=(pid, watching))
                looking.start()
            return self.follow(watching, pid, launched)
        finally:
            enough.cancel()
            watching.kill()
            watching.wait()
            if looking:
                looking.join()

    def look_at_the_line(self, pid: int, watching: subprocess.Popen) -> None:
        before = self.crossed()
        while watching.poll() is None:
            share = (self.crossed() - before) / self.bytes
            if share >= 0.15:
                self.begin = (cpu_of(pid), time.monotonic(), share)
                return
            time.sleep(0.005)

    def follow(self, watching: subprocess.Popen, pid: int, launched: float) -> Interval:
        meter = None
        for line in watching.stdout:
            at, offset = float(line.split()[0]), int(line.split()[1])
            share = offset / self.end
            if offset > 0 and meter is None:
                self.first_record_s = at - launched
                meter = Meter(pid, *self.beside)
            if not self.crossed and self.begin is None and share >= 0.15:
                self.begin = (cpu_of(pid), at, share)
            elif self.begin and share >= 0.95:
                cpu, since, part = self.begin
                interval = meter.stop(int((share - part) * self.bytes), at - since)
                interval.cpu_s = cpu_of(pid) - cpu
                return interval
        raise Late(f"bench: a backlog did not arrive within {self.patience_s:.0f} s, or all "
                   f"at once: {self.watched}")


class MirrorPath:
    """A backlog is mirrored. The mirror is started anew each time, which also tells when its first
    record is there. `others`: of the same link, which must not run meanwhile."""

    def __init__(self, directory: Path, source: Site, target: Site, mirror: Mirror, size: int,
                 others: tuple[Mirror, ...] = (), reach: Plain = PLAIN):
        self.directory, self.size, self.reach = directory, size, reach
        self.source, self.target, self.mirror, self.others = source, target, mirror, others
        self.first_record_s: list[float] = []

    def product(self) -> Interval:
        for site in (self.source, self.target):
            pin(site.process.pid, CLIENT_CORE)
        for running in (self.mirror, *self.others):
            if running.alive:
                running.stop()
        with Topic(self.source.bootstrap, MIB, "mirrored") as where:
            end = load("produce", **where, bytes=self.size, in_flight=5)
            warm(self.directory)
            interval = self.slope(where, end)
        there = {"server": self.target.bootstrap}
        with Topic(self.source.bootstrap, 16384, "mirrored") as where:
            there |= {"topic": where["topic"], **shape(16384)}
            load("watch", server=there["server"], topic=there["topic"], until=0)
            time.sleep(SETTLE_S)
            return with_latency(interval, end_to_end(where, there))

    def slope(self, where: dict, produced: dict) -> Interval:
        watched = {"server": self.target.bootstrap, "topic": where["topic"]}
        beside = (self.source.process.pid, self.target.process.pid)
        backlog = Backlog(watched, produced, beside, patience_s=60)
        interval = backlog.move(self.mirror)
        self.first_record_s.append(backlog.first_record_s)
        return interval

    def floor(self) -> Interval:
        with Floor(self.directory, "broker", CLIENT_CORE, self.reach) as source, \
                Floor(self.directory, "broker", CLIENT_CORE, self.reach) as target:
            produced = load("produce", **source.shape(MIB), bytes=self.size, in_flight=5)
            warm(self.directory)
            began = time.monotonic()
            command = ["taskset", "-c", str(TEST_CORE), FLOOR, "mirror",
                       *words(**{"from": source.port}, to=target.port, records=produced["end"],
                               **self.reach.floor_dials)]
            mirror = subprocess.Popen(command)
            _, status, usage = os.wait4(mirror.pid, 0)
            if status != 0:
                raise SystemExit("bench: the mirror's floor failed")
            return Interval(usage.ru_utime + usage.ru_stime, produced["bytes"] + MIB,
                            time.monotonic() - began, peak_bytes=usage.ru_maxrss * 1024)


class Pack(Walk):
    """What a router's worker does with a batch: its checks and the codec; the codec alone."""

    def __init__(self, codec: str):
        super().__init__("none", 1024)
        self.arguments |= {"pack": codec}


class RouterPath:
    """The same client through the router; the floor is a relay that looks at nothing."""

    def __init__(self, directory: Path, site: Site, router, size: int, fetch: bool,
                 batch: int = MIB, reach: Plain = PLAIN):
        self.directory, self.site, self.router = directory, site, router
        self.size, self.fetch, self.batch, self.reach = size, fetch, batch, reach

    def product(self) -> Interval:
        if not self.router.alive:
            self.router.start()
        pin(self.router.process.pid, TEST_CORE)
        return self.measure(self.router.process.pid, self.reach.through(self.router.port))

    def floor(self) -> Interval:
        with Floor(self.directory, "relay", reach=self.reach, to=self.reach.port(self.site),
                   **self.reach.floor_dials) as relay:
            return self.measure(relay.pid, self.reach.through(relay.port) | {"direct": 1})

    def measure(self, pid: int, through: dict) -> Interval:
        pin(self.site.process.pid, CLIENT_CORE)
        with Topic(self.site.bootstrap, self.batch) as where:
            warm(self.directory)
            routed = where | through
            if self.fetch:
                end = load("produce", **where, bytes=self.size, in_flight=5)["end"]
                meter = Meter(pid, self.site.process.pid)
                said = load("consume", **routed, records=end)
                return meter.stop(said["bytes"], said["seconds"])
            meter = Meter(pid, self.site.process.pid)
            in_flight = 5 if self.batch >= MIB else 64
            said = load("produce", **routed, bytes=self.size, in_flight=in_flight)
            interval = meter.stop(said["bytes"], said["seconds"])
            return with_latency(interval, paced(routed, self.batch))


class PackingRouterPath(RouterPath):
    """Text, through a router whose route compresses it; the floor is the codec alone, without a
    socket."""

    def __init__(self, directory: Path, site: Site, router, size: int, codec: str):
        super().__init__(directory, site, router, size, fetch=False)
        self.codec_alone = Pack(codec)

    def floor(self) -> Interval:
        return self.codec_alone.floor()

    def measure(self, pid: int, through: dict) -> Interval:
        return super().measure(pid, through | {"text": 1})
