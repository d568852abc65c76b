"""The paths that are measured. Each can run its product and its floor, in any order and number."""

import itertools
import json
import os
import subprocess
import time
from pathlib import Path

from measure import (CLIENT_CORE, FLOOR, TEST_CORE, WALK, Interval, Meter, cpu_of, load,
                     load_command, pin, warm, words)
from support.processes import Process, answers, free_port
from support.relay import Relay
from support.site import Mirror, Site

MIB = 1 << 20
_numbers = itertools.count()


def new_topic(prefix: str = "bench") -> str:
    return f"{prefix}-{next(_numbers)}"


class Floor:
    """A floor program, for the length of one interval."""

    def __init__(self, directory: Path, kind: str, core: int = TEST_CORE, **arguments):
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
        return {"server": f"127.0.0.1:{self.port}", "topic": "t", "direct": 1, **shape(batch)}


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
    """A topic of one partition at a site, for the length of one interval."""

    def __init__(self, server: str, batch: int, prefix: str = "bench"):
        self.where = {"server": server, "topic": new_topic(prefix)}
        self.batch = batch

    def __enter__(self) -> dict:
        load("create", **self.where)
        return self.where | shape(self.batch)

    def __exit__(self, *_):
        load("delete", **self.where)


class Produce:
    def __init__(self, directory: Path, site: Site, batch: int, size: int, in_flight: int,
                 sync: bool = False):
        self.directory, self.site, self.sync = directory, site, sync
        self.batch, self.size, self.in_flight = batch, size, in_flight

    def product(self) -> Interval:
        pin(self.site.process.pid, TEST_CORE)
        with Topic(self.site.bootstrap, self.batch) as where:
            return self.measure(self.site.process.pid, where)

    def floor(self) -> Interval:
        with Floor(self.directory, "broker", sync=int(self.sync)) as floor:
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

    def __init__(self, directory: Path, site: Site, size: int):
        self.directory, self.site, self.size = directory, site, size

    def product(self) -> Interval:
        pin(self.site.process.pid, TEST_CORE)
        with Topic(self.site.bootstrap, MIB) as where:
            interval = self.measure(self.site.process.pid, where)
        with Topic(self.site.bootstrap, 16384) as where:
            return with_latency(interval, end_to_end(where, where))

    def floor(self) -> Interval:
        with Floor(self.directory, "broker") as floor:
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


class MirrorPath:
    """A backlog is mirrored; CPU is the slope between 15 % and 95 % of the bytes, so that starting
    does not count. The mirror is started anew each time, which also tells when its first record
    is there."""

    def __init__(self, directory: Path, source: Site, target: Site, mirror: Mirror, size: int):
        self.directory, self.size = directory, size
        self.source, self.target, self.mirror = source, target, mirror
        self.first_record_s: list[float] = []

    def product(self) -> Interval:
        for site in (self.source, self.target):
            pin(site.process.pid, CLIENT_CORE)
        if self.mirror.alive:
            self.mirror.stop()
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

    def way_to(self, source: Floor) -> int:
        return source.port

    def slope(self, where: dict, produced: dict) -> Interval:
        end = produced["end"]
        watching = subprocess.Popen(
            load_command("watch", server=self.target.bootstrap, topic=where["topic"], until=end),
            stdout=subprocess.PIPE, text=True)
        time.sleep(0.1)
        launched = time.monotonic()
        self.mirror.launch()
        pin(self.mirror.process.pid, TEST_CORE)
        meter = begin = None
        for line in watching.stdout:
            at, offset = float(line.split()[0]), int(line.split()[1])
            if offset > 0 and meter is None:
                self.first_record_s.append(at - launched)
                meter = Meter(self.mirror.process.pid, self.source.process.pid,
                              self.target.process.pid)
            if meter and offset >= 0.15 * end and begin is None:
                begin = (cpu_of(meter.pid), at, offset)
            if begin and offset >= 0.95 * end:
                break
        cpu = cpu_of(meter.pid)
        watching.wait()
        moved = (offset - begin[2]) / end * (produced["bytes"] + MIB)
        interval = meter.stop(int(moved), at - begin[1])
        interval.cpu_s = cpu - begin[0]
        return interval

    def floor(self) -> Interval:
        with Floor(self.directory, "broker", CLIENT_CORE) as source, \
                Floor(self.directory, "broker", CLIENT_CORE) as target:
            produced = load("produce", **source.shape(MIB), bytes=self.size, in_flight=5)
            warm(self.directory)
            began = time.monotonic()
            command = ["taskset", "-c", str(TEST_CORE), FLOOR, "mirror",
                       *words(**{"from": self.way_to(source)}, to=target.port,
                              records=produced["end"])]
            mirror = subprocess.Popen(command)
            _, status, usage = os.wait4(mirror.pid, 0)
            if status != 0:
                raise SystemExit("bench: the mirror's floor failed")
            return Interval(usage.ru_utime + usage.ru_stime, produced["bytes"] + MIB,
                            time.monotonic() - began, peak_bytes=usage.ru_maxrss * 1024)


class FarMirrorPath(MirrorPath):
    """The same over a line that all connections to the source share: so long, and so wide. Its
    mirror is another process of the same link, so the two never run at once."""

    def __init__(self, directory: Path, source: Site, target: Site, mirror: Mirror, other: Mirror,
                 size: int, relay: Relay, round_trip_ms: int, rate: int):
        super().__init__(directory, source, target, mirror, size)
        self.other, self.relay, self.line = other, relay, "far"
        self.round_trip_ms, self.rate = round_trip_ms, rate

    def product(self) -> Interval:
        if self.other.alive:
            self.other.stop()
        for process in (self.source.process.pid, self.target.process.pid, self.relay.child.pid):
            pin(process, CLIENT_CORE)
        self.shape(self.line)
        try:
            with Topic(self.source.bootstrap, MIB, "mirrored") as where:
                produced = load("produce", **where, bytes=self.size, in_flight=5)
                warm(self.directory)
                return self.slope(where, produced)
        finally:
            if self.mirror.alive:
                self.mirror.stop()
            self.relay.delay(self.line, 0)
            self.relay.rate(self.line, 0)

    def shape(self, line: str) -> None:
        self.relay.delay(line, self.round_trip_ms // 2)
        self.relay.rate(line, self.rate)

    def way_to(self, source: Floor) -> int:
        line = f"floor-{next(_numbers)}"
        port = self.relay.route(line, source.port)
        self.shape(line)
        return port


class RouterPath:
    """The same client through the router; the floor is a relay that looks at nothing."""

    def __init__(self, directory: Path, site: Site, router, size: int, fetch: bool,
                 batch: int = MIB):
        self.directory, self.site, self.router = directory, site, router
        self.size, self.fetch, self.batch = size, fetch, batch

    def product(self) -> Interval:
        pin(self.router.process.pid, TEST_CORE)
        return self.measure(self.router.process.pid, {"server": self.router.bootstrap})

    def floor(self) -> Interval:
        with Floor(self.directory, "relay", to=self.site.ports["CLIENT"]) as relay:
            at = {"server": f"127.0.0.1:{relay.port}", "direct": 1}
            return self.measure(relay.pid, at)

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
