"""What clients of a cluster did and were told, as a history for anomalies.py: each process of it
(one client) appends its operations in the order of its program, with times of the machine's
monotonic clock, which all processes here share.

A record's value is "process:number": who sent it, as its how-manieth (ledger.mark). A partition is
"topic-index".
"""

import json
import threading
import time
from pathlib import Path
from typing import Iterable, NamedTuple

# Outcomes. OK: it is so. FAIL: it is not so, and never will be. INFO: it may be so, or become so.
OK, FAIL, INFO = "ok", "fail", "info"


class Send(NamedTuple):
    """Entered when its outcome is known; `number` gives the order in which a process sent."""
    process: str
    began: float
    ended: float
    partition: str
    number: int
    outcome: str
    offset: int | None = None  # where it was acknowledged, if it was said
    ordered: bool = True       # an idempotent producer: its records stand as they were sent

    @property
    def value(self) -> str:
        return f"{self.process}:{self.number}"


class Poll(NamedTuple):
    """What one call gave, in that order. `records` are [partition, offset, value]."""
    process: str
    began: float
    ended: float
    records: list


class Assigned(NamedTuple):
    """From here on the process reads these partitions and no others: those of an assignment of its
    own, from the offset named, or those that a group gave it, from what was committed (None)."""
    process: str
    at: float
    positions: dict[str, int | None]
    group: str | None = None


class Commit(NamedTuple):
    """`offsets` are of the next record to read, as the protocol has it."""
    process: str
    began: float
    ended: float
    group: str
    offsets: dict[str, int]
    outcome: str


Operation = Send | Poll | Assigned | Commit
_KINDS = {kind.__name__: kind for kind in (Send, Poll, Assigned, Commit)}


class Recorder:
    """Appends to a file, one JSON array a line; from any thread."""

    def __init__(self, path: Path):
        self._file = open(path, "w")
        self._lock = threading.Lock()
        self.count = 0

    def add(self, operation: Operation) -> None:
        line = json.dumps([type(operation).__name__, *operation]) + "\n"
        with self._lock:
            self._file.write(line)
            self.count += 1

    def close(self) -> None:
        with self._lock:
            self._file.close()


def read(paths: Iterable[Path]) -> list[Operation]:
    """The files one after the other: a process of the history writes to one of them only."""
    history = []
    for path in paths:
        with open(path) as file:
            for line in file:
                kind, *fields = json.loads(line)
                history.append(_KINDS[kind](*fields))
    return history


now = time.monotonic
