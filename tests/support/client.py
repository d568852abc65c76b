"""Stock librdkafka, by Debian's python3-confluent-kafka, as a producer and as a member of a group,
each watched record by record.

    with Producer(bootstrap, "orders") as producer:
        producer.send([(b"key", ledger.mark("p1", 0, b"..."))])
        producer.flush_and_close()       # Failed if a record was not delivered
        producer.where["p1", 0]          # (partition, offset) of its acknowledgement

Acknowledgements and records are taken by a thread of their own and timed as they come: the longest
silence is the stand-still that a client sees. Options are librdkafka's, with `_` for `.`.
"""

import threading
import time
from collections import deque
from dataclasses import dataclass, field
from typing import NamedTuple

import confluent_kafka

from . import ledger
from .processes import Failed

Position = tuple[int, int]  # partition, offset


@dataclass
class Silence:
    """The longest time between two events, and when it was."""
    closed_s: float = 0
    latest: float | None = None

    def event(self, now: float) -> None:
        if self.latest is not None:
            self.closed_s = max(self.closed_s, now - self.latest)
        self.latest = now

    @property
    def longest_s(self) -> float:
        """Also one that has not ended yet."""
        now = time.monotonic()
        return max(self.closed_s, now - (self.latest or now))

    def restart(self) -> None:
        self.closed_s, self.latest = 0, time.monotonic()


class Silences:
    """The same of each partition: where one has no leader, the others go on."""

    def __init__(self):
        self.of: dict[int, Silence] = {}

    def event(self, partition: int, now: float) -> None:
        if partition not in self.of:
            self.of[partition] = Silence()
        self.of[partition].event(now)

    def restart(self) -> None:
        for silence in list(self.of.values()):
            silence.restart()

    @property
    def longest_s(self) -> float:
        return max((each.longest_s for each in list(self.of.values())), default=0)


def _options(bootstrap: str, defaults: dict, options: dict) -> dict:
    return {"bootstrap.servers": bootstrap, "log_level": 0, **defaults,
            **{key.replace("_", "."): value for key, value in options.items()}}


class Producer:
    """Idempotent, acks=all. Values are marked (ledger.mark)."""

    def __init__(self, bootstrap: str, topic: str, *, idempotent: bool = True, **options):
        self.topic = topic
        self.where: dict[tuple[str, int], Position] = {}  # identity -> as it was told
        self.acked: set[Position] = set()
        self.acked_twice: set[Position] = set()           # one position, two records
        self.acks = 0
        self.unplaced: set[tuple[str, int]] = set()       # acknowledged without a position
        self.sent = 0
        self.failures: deque[str] = deque(maxlen=20)
        self.silence = Silence()
        self.silences = Silences()
        defaults = {"enable.idempotence": idempotent, "acks": "all", "linger.ms": 5,
                    "queue.buffering.max.messages": 1_000_000,
                    "error_cb": lambda error: self.failures.append(str(error))}
        self.client = confluent_kafka.Producer(_options(bootstrap, defaults, options))
        self.over = threading.Event()
        self.thread = threading.Thread(target=self._listen, daemon=True)
        self.thread.start()

    def send(self, records: list[tuple[bytes, bytes]], deadline_s: float = 120) -> None:
        """Keys and values. Waits while the client's own queue is full."""
        end = time.monotonic() + deadline_s
        for key, value in records:
            while not self._produce(key, value):
                if time.monotonic() > end:
                    raise self._failed(f"its queue is full for {deadline_s:g} s")
                time.sleep(0.005)
            self.sent += 1

    def _produce(self, key: bytes, value: bytes) -> bool:
        try:
            self.client.produce(self.topic, value, key, on_delivery=self._delivered)
            return True
        except BufferError:
            return False
        except confluent_kafka.KafkaException as error:
            raise self._failed(str(error)) from None

    def _failed(self, what: str) -> Failed:
        return Failed(f"producer of {self.topic}: {what}, {self.acks} of {self.sent} acknowledged; "
                      f"it said: {' | '.join(list(self.failures)[-3:])}")

    def close(self, deadline_s: float = 120) -> int:
        """Sends what is left; how many records were not acknowledged until then."""
        end = time.monotonic() + deadline_s
        while len(self.client) and time.monotonic() < end:
            time.sleep(0.01)
        self.kill()
        return self.sent - self.acks

    def flush_and_close(self, deadline_s: float = 120) -> None:
        if self.close(deadline_s) != 0:
            raise self._failed("closed")

    def kill(self) -> None:
        """Forgets what is not acknowledged."""
        self.over.set()
        self.thread.join(10)
        if self.client is not None:
            self.client.purge()
            self.client.poll(0)
            self.client = None

    def _listen(self) -> None:
        while not self.over.is_set():
            self.client.poll(0.05)

    def _delivered(self, error, message) -> None:
        if error is not None:
            self.failures.append(str(error))
            return
        self.acks += 1
        now = time.monotonic()
        self.silence.event(now)
        self.silences.event(message.partition(), now)
        position = (message.partition(), message.offset())
        if position[1] is None or position[1] < 0:
            self.unplaced.add(ledger.identity(message.value()))
            return
        if position in self.acked:
            self.acked_twice.add(position)
        self.acked.add(position)
        self.where[ledger.identity(message.value())] = position

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kill()


class Resumption(NamedTuple):
    """Where a member went on in a partition that it was assigned again."""
    partition: int
    read_to: int         # the offset after the last that it had been given
    committed: int | None  # the last of its commits that was acknowledged; None: not one was
    at: int              # the first that it was given now


class Member:
    """A member of a group: commits every second and when it leaves. With a count it leaves by
    itself, after so many records."""

    def __init__(self, bootstrap: str, group: str, topic: str, *, count: int | None = None,
                 **options):
        self.group = group
        self.count = count
        self.records: list[ledger.Record] = []
        self.resumptions: list[Resumption] = []
        self.rebalances = 0  # how often something was taken from it; leaving takes everything, too
        self.silence = Silence()
        self.silences = Silences()
        self.said: deque[str] = deque(maxlen=200)
        self.committed: dict[int, int] = {}
        self.read_to: dict[int, int] = {}
        self.assigned: dict[int, int | None] = {}  # nothing read since; what was committed then
        self.assignments = 0  # the first one, and each rebalance
        self.began = time.monotonic()
        defaults = {"group.id": group, "auto.offset.reset": "earliest", "check.crcs": True,
                    "auto.commit.interval.ms": 1000, "on_commit": self._on_commit,
                    "error_cb": lambda error: self._note(str(error))}
        self.client = confluent_kafka.Consumer(_options(bootstrap, defaults, options))
        self.client.subscribe([topic], on_assign=self._on_assign, on_revoke=self._on_revoke)
        self.over = threading.Event()
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()

    def wait_read(self, count: int, deadline_s: float = 60) -> None:
        end = time.monotonic() + deadline_s
        while len(self.records) < count:
            if time.monotonic() > end or not self.thread.is_alive():
                raise self._failed(f"{len(self.records)} of {count} records")
            time.sleep(0.01)

    def wait_end(self, deadline_s: float = 120) -> list[ledger.Record]:
        """With a count: until it has read so many, committed and left."""
        self.thread.join(deadline_s)
        if self.thread.is_alive() or len(self.records) < self.count:
            raise self._failed(f"{len(self.records)} of {self.count} records")
        return self.records

    def leave(self, deadline_s: float = 60) -> list[ledger.Record]:
        """It commits and leaves the group. What it has read."""
        self.over.set()
        self.thread.join(deadline_s)
        if self.thread.is_alive():
            raise self._failed("did not leave")
        return self.records

    def kill(self) -> None:
        self.over.set()
        self.thread.join(10)

    def _failed(self, what: str) -> Failed:
        said = "\n    ".join(list(self.said)[-10:])
        return Failed(f"member of {self.group}: {what}; it said:\n    {said}")

    def _note(self, what: str) -> None:
        self.said.append(f"{time.monotonic() - self.began:7.3f} s  {what}")

    def _on_assign(self, _, partitions) -> None:
        self._note("assigned " + " ".join(str(each.partition) for each in partitions))
        self.assignments += 1
        self.assigned = {each.partition: self.committed.get(each.partition)
                         for each in partitions}

    def _on_revoke(self, _, partitions) -> None:
        self.rebalances += 1
        self._note("revoked " + " ".join(str(each.partition) for each in partitions))

    def _on_commit(self, error, partitions) -> None:
        done = {each.partition: each.offset for each in partitions
                if error is None and each.error is None and each.offset >= 0}
        self.committed.update(done)
        self._note(f"committed {done}" if error is None else f"commit: {error}")

    def _read(self) -> None:
        while not self.over.is_set() and (self.count is None or len(self.records) < self.count):
            message = self.client.poll(0.1)
            if message is None:
                continue
            if message.error() is not None:
                self._note(str(message.error()))
                continue
            self._take(message)
        self.client.close()

    def _take(self, message) -> None:
        partition, offset = message.partition(), message.offset()
        if partition in self.assigned:
            committed = self.assigned.pop(partition)
            if partition in self.read_to:
                self.resumptions.append(
                    Resumption(partition, self.read_to[partition], committed, offset))
        self.read_to[partition] = max(self.read_to.get(partition, 0), offset + 1)
        self.records.append(ledger.Record(partition, offset, message.timestamp()[1],
                                          message.key(), message.value(), b""))
        now = time.monotonic()
        self.silence.event(now)
        self.silences.event(partition, now)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kill()
