"""What was sent and what was read, kept by the test, outside the system.

A record's identity is (producer, sequence), written before its value by `mark`. The audit holds
what a stock client reads against what was sent and acknowledged. The hash of a partition is over
offset, key, value, headers and timestamp, as a stock client (kcat) reads them.
"""

import hashlib
import re
import struct
import subprocess
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Iterable, Iterator, NamedTuple

from .processes import Failed

FORMAT = r"%p %o %T %K %S %k%s%h\x1e\n"
_PREFIX = re.compile(rb"(\d+) (\d+) (-?\d+) (-?\d+) (-?\d+) ")
_END = b"\x1e\n"


class Record(NamedTuple):
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: bytes  # as kcat prints them: name=value,name=value


def parse(chunks: Iterable[bytes]) -> Iterator[Record]:
    """The records in what kcat prints with our format. Lengths stand before keys and values, so
    that these may hold any byte; headers may not hold the end mark."""
    text, at = b"", 0
    for chunk in chunks:
        text, at = text[at:] + chunk, 0
        while prefix := _PREFIX.match(text, at):
            partition, offset, timestamp, key_size, value_size = map(int, prefix.groups())
            key_end = prefix.end() + max(key_size, 0)
            value_end = key_end + max(value_size, 0)
            end = text.find(_END, value_end)
            if end < 0:
                break
            yield Record(partition, offset, timestamp,
                         None if key_size < 0 else text[prefix.end():key_end],
                         None if value_size < 0 else text[key_end:value_end],
                         text[value_end:end])
            at = end + len(_END)
    if at != len(text):
        raise Failed(f"kcat printed what is no record: {text[at:at + 80]!r}")


def read(bootstrap: str, topic: str, *options: str, timeout_s: float = 120) -> Iterator[Record]:
    """Every record of a topic from its beginning to its end now, read by stock kcat. Options are
    kcat's: "-p", "3", "-o", "100", "-X", "isolation.level=read_uncommitted"."""
    command = ["timeout", str(timeout_s), "kcat", "-C", "-b", bootstrap, "-t", topic, "-o",
               "beginning", "-e", "-q", "-X", "check.crcs=true", "-X", "fetch.wait.max.ms=20",
               "-f", FORMAT, *options]
    kcat = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    with kcat:
        yield from parse(iter(lambda: kcat.stdout.read1(1 << 20), b""))
        said = kcat.stderr.read().decode(errors="replace")
    if kcat.returncode != 0:
        raise Failed(f"kcat -C -t {topic}: exit {kcat.returncode}: {said}")


@dataclass
class Digest:
    """One partition: how much of it there is, and the hash of all of it."""
    first: int = -1
    next: int = 0
    records: int = 0
    _hash: "hashlib._Hash" = field(default_factory=hashlib.sha256, repr=False)

    def add(self, record: Record) -> None:
        if self.records and record.offset < self.next:
            raise Failed(f"partition {record.partition}: offset {record.offset} was read after "
                         f"{self.next - 1}")
        if not self.records:
            self.first = record.offset
        self.records += 1
        self.next = record.offset + 1
        fixed = struct.pack(">qqiii", record.offset, record.timestamp, _size(record.key),
                            _size(record.value), len(record.headers))
        self._hash.update(fixed + (record.key or b"") + (record.value or b"") + record.headers)

    @property
    def sha256(self) -> str:
        return self._hash.hexdigest()

    def __eq__(self, other):
        return isinstance(other, Digest) and \
            (self.first, self.next, self.records, self.sha256) == \
            (other.first, other.next, other.records, other.sha256)


def _size(part: bytes | None) -> int:
    return -1 if part is None else len(part)


def digest(records: Iterable[Record]) -> dict[int, Digest]:
    """Partition -> digest, over records in the order in which a client read them."""
    digests: dict[int, Digest] = defaultdict(Digest)
    for record in records:
        digests[record.partition].add(record)
    return dict(digests)


def mark(producer: str, sequence: int, body: bytes = b"") -> bytes:
    """A value that says who sent it and as which one: "producer:sequence:body"."""
    return b"%s:%d:%s" % (producer.encode(), sequence, body)


def identity(value: bytes) -> tuple[str, int]:
    producer, sequence, _ = value.split(b":", 2)
    return producer.decode(), int(sequence)


@dataclass
class Audit:
    """Each list holds identities; all empty is what a planned switchover must show."""
    lost: list = field(default_factory=list)        # acknowledged, in no partition
    duplicated: list = field(default_factory=list)  # in the log more than once
    reordered: list = field(default_factory=list)   # after a later one of its producer
    changed: list = field(default_factory=list)     # elsewhere than its acknowledgement said
    unknown: list = field(default_factory=list)     # in the log, sent by nobody
    read: int = 0

    @property
    def clean(self) -> bool:
        return not (self.lost or self.duplicated or self.reordered or self.changed or self.unknown)

    def __str__(self):
        names = ("lost", "duplicated", "reordered", "changed", "unknown")
        return f"{self.read} read, " + ", ".join(f"{len(getattr(self, n))} {n}" for n in names)


class Ledger:
    """The sent and the acknowledged of any number of producers to one topic."""

    def __init__(self):
        self._sent: set[tuple[str, int]] = set()
        self._acked: dict[tuple[str, int], tuple[int, int] | None] = {}

    def sent(self, producer: str, sequence: int) -> None:
        self._sent.add((producer, sequence))

    def acked(self, producer: str, sequence: int, partition: int | None = None,
              offset: int | None = None) -> None:
        """Where the client is told the position, the audit holds the log to it."""
        where = None if offset is None else (partition, offset)
        self._acked[(producer, sequence)] = where

    @property
    def acknowledged(self) -> int:
        return len(self._acked)

    def audit(self, records: Iterable[Record]) -> Audit:
        audit = Audit()
        places: dict[tuple[str, int], list[tuple[int, int]]] = defaultdict(list)
        latest: dict[tuple[str, int], int] = {}
        for record in records:
            who = identity(record.value)
            audit.read += 1
            if who not in self._sent:
                audit.unknown.append(who)
            if who in places:
                audit.duplicated.append(who)
            elif who[1] < latest.get((who[0], record.partition), -1):
                audit.reordered.append(who)
            key = (who[0], record.partition)
            latest[key] = max(latest.get(key, -1), who[1])
            places[who].append((record.partition, record.offset))
        for who, where in self._acked.items():
            if who not in places:
                audit.lost.append(who)
            elif where is not None and where not in places[who]:
                audit.changed.append(who)
        return audit
