"""What producers at a fixed rate notice of other work of the same broker.

One producer runs all the time. Latency is taken of the batches that were due while nothing else
happened, and of those that were due while the disturbance lasted: from the request that began it
until it was over.
"""

import json
import os
import shutil
import subprocess
import time
from pathlib import Path

from measure import Beside, Latencies, Meter, TEST_CORE, load, load_command, pin
from paths import MIB, SETTLE_S, Topic, new_topic, shape
from support.site import Site

UNDISTURBED_S = 2
LONGEST_S = 60  # of a producer
RATE, BATCH = 20_000_000, 16384


class NoRoom(Exception):
    """The disk has too little for what the row would write."""


class Disturbance:
    """What is done beside the producer. Prepared on entry, tidied up on exit."""

    bytes_needed = 0

    def __init__(self, site: Site):
        self.site = site

    def __enter__(self) -> "Disturbance":
        return self

    def __exit__(self, *_):
        pass

    def run(self) -> tuple[float, float]:
        """Does it; when it began and when it was over, on the monotonic clock."""
        raise NotImplementedError


class Creating(Disturbance):
    """Of one topic with many partitions, until the answer."""

    def __init__(self, site: Site, partitions: int):
        super().__init__(site)
        self.partitions = partitions

    def __enter__(self) -> "Creating":
        self.topic = {"server": self.site.bootstrap, "topic": new_topic()}
        self.created = False
        return self

    def run(self) -> tuple[float, float]:
        said = aside("create", **self.topic, partitions=self.partitions)
        self.created = True
        return said["began"], said["ended"]

    def __exit__(self, *_):
        if self.created:
            load("delete", **self.topic)


class Big(Disturbance):
    """Work on a topic of many bytes, all of which are on disk, and nothing of it in memory."""

    def __init__(self, site: Site, size: int):
        super().__init__(site)
        self.bytes_needed = size

    def __enter__(self) -> "Big":
        self.topic = {"server": self.site.bootstrap, "topic": new_topic()}
        load("create", **self.topic)
        self.there = True
        try:
            self.produced = load("produce", **self.topic, **shape(MIB), bytes=self.bytes_needed,
                                 in_flight=5)
            for file in self.folder.iterdir():
                out_of_memory(file)
        except BaseException:
            self.__exit__()
            raise
        return self

    @property
    def folder(self) -> Path:
        return self.site.data / f"{self.topic['topic']}-0"

    def __exit__(self, *_):
        if self.there:
            self.there = False
            load("delete", **self.topic)


class Deleting(Big):
    """Until the files are gone."""

    def run(self) -> tuple[float, float]:
        said = aside("delete", **self.topic)
        self.there = False
        ended = said["ended"]
        while any(self.site.data.glob("*-delete")):
            time.sleep(0.005)
            ended = time.monotonic()
        return said["began"], ended


class ColdReads(Big):
    """By one consumer, as fast as it can."""

    def run(self) -> tuple[float, float]:
        before = read_from_disk(self.site.process.pid)
        said = aside("consume", **self.topic, **shape(MIB), records=self.produced["end"],
                     fetch=MIB)  # Kafka's max.partition.fetch.bytes
        came = read_from_disk(self.site.process.pid) - before
        if came < 0.9 * said["bytes"]:
            raise SystemExit(f"bench: of {said['bytes']} cold bytes only {came} came from the disk")
        return said["began"], said["ended"]


def aside(verb: str, **arguments) -> dict:
    """The load client, where it gives its core at once to the one that measures."""
    return load(verb, "chrt", "--idle", "0", **arguments)


def out_of_memory(file: Path) -> None:
    """Writes the file's pages to the disk and drops them from the page cache."""
    descriptor = os.open(file, os.O_RDONLY)
    try:
        os.fsync(descriptor)
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    finally:
        os.close(descriptor)


def read_from_disk(pid: int) -> int:
    """Bytes that the process has made the disk read so far."""
    for line in Path(f"/proc/{pid}/io").read_text().splitlines():
        if line.startswith("read_bytes:"):
            return int(line.split()[1])
    return 0


def check_room(site: Site, disturbance: Disturbance) -> None:
    needed = disturbance.bytes_needed + 2_000_000_000
    free = shutil.disk_usage(site.data).free
    if free < needed:
        raise NoRoom(f"{needed / 1e9:.0f} GB are needed in {site.data}, "
                     f"and {free / 1e9:.1f} are free")


class Producer:
    """Runs until stop(), which says when each batch was due and how long it took, in seconds."""

    def __init__(self, where: dict):
        command = load_command("produce", **where, rate=RATE, seconds=LONGEST_S, samples=1)
        self.child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                      text=True)

    def stop(self) -> list[tuple[float, float]]:
        self.child.terminate()
        said, complaint = self.child.communicate(timeout=60)
        if self.child.returncode != 0:
            raise SystemExit(f"bench: a paced producer: {complaint.strip()}")
        return json.loads(said)["samples"]

    def __enter__(self) -> "Producer":
        return self

    def __exit__(self, *_):
        if self.child.poll() is None:
            self.child.kill()
            self.child.wait()


def produce_beside(site: Site, disturbance: Disturbance) -> Beside:
    check_room(site, disturbance)
    pid = site.process.pid
    pin(pid, TEST_CORE)
    with Topic(site.bootstrap, BATCH) as where, disturbance:
        time.sleep(SETTLE_S)
        meter = Meter(pid)
        with Producer(where) as producer:
            time.sleep(SETTLE_S)
            quiet_from = time.monotonic()
            time.sleep(UNDISTURBED_S)
            quiet_to = time.monotonic()
            began, ended = disturbance.run()
            samples = producer.stop()
        # A disturbance that outlasts the producer ends with it.
        ended = min(ended, max(due for due, _ in samples))
        busy = meter.stop(1, 1).busy
        return Beside(Latencies.within(samples, quiet_from, quiet_to),
                      Latencies.within(samples, began, ended), busy)
