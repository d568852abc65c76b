"""What a library made of each move, from what its program printed: pure, so that account_test.py
can plant every fault. Times are milliseconds."""

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Iterable, Iterator, NamedTuple

from support import ledger

from library import Heard
from program import STRIDE


class Span(NamedTuple):
    """A time in which something was done to the clients: "router" is the time without."""
    stage: str
    began: float
    ended: float


def longest_gap(times: Iterable[float], span: Span) -> float:
    """The longest time without an event within the span."""
    longest, before = 0.0, span.began
    for now in sorted(times):
        if now > span.began:
            longest = max(longest, min(now, span.ended) - before)
            before = min(now, span.ended)
    return max(longest, span.ended - before)


def again(reads: list[tuple[float, int, int, int]]) -> Iterator[float]:
    """When a consumer was given what it had been given before."""
    seen = set()
    for at, p, offset, _ in reads:
        if (p, offset) in seen:
            yield at
        seen.add((p, offset))


def went_back(reads: list[tuple[float, int, int, int]]) -> list[tuple[int, int]]:
    """Records that a consumer was given for the first time after a later one of the partition."""
    latest: dict[int, int] = {}
    seen: set[tuple[int, int]] = set()
    found = []
    for _, p, offset, _ in reads:
        if (p, offset) not in seen and offset < latest.get(p, -1):
            found.append((p, offset))
        seen.add((p, offset))
        latest[p] = max(latest.get(p, -1), offset)
    return found


@dataclass
class Counts:
    """Of one library and one stage, over all its producers and consumers."""
    errors: list[str] = field(default_factory=list)           # that the application has to handle
    failed_commits: list[str] = field(default_factory=list)
    rebalances: int = 0
    redelivered: int = 0
    dead: list[str] = field(default_factory=list)             # producers and consumers, for good
    faults: dict[str, int] = field(default_factory=dict)      # of the whole run's Truth
    producer_ms: list[float] = field(default_factory=list)    # its stand-still in each move
    consumer_ms: list[float] = field(default_factory=list)    # that of its slowest consumer

    def add(self, heard: Heard, span: Span, consumers: list[str]) -> None:
        within = [e for e in heard.events if span.began <= e["t"] < span.ended]
        self.errors += [said(e) for e in within if e["e"] in ("error", "failed")]
        self.failed_commits += [said(e) for e in within if e["e"] == "commit_failed"]
        self.rebalances += sum(e["e"] == "revoked" for e in within)
        for name in consumers:
            self.redelivered += sum(span.began <= at < span.ended
                                    for at in again(heard.reads.get(name, [])))
        self.producer_ms.append(longest_gap((ack[0] for ack in heard.acks), span))
        self.consumer_ms.append(max(longest_gap((read[0] for read in heard.reads.get(name, [])),
                                                span) for name in consumers))


def said(event: dict) -> str:
    return f"{event.get('c', event['e'])}: {event.get('error', '')}"


@dataclass
class Truth:
    """What is in the log at the end, held against what the clients were told."""
    audit: ledger.Audit = field(default_factory=ledger.Audit)
    unanswered: int = 0        # sent, and neither acknowledged nor given up
    acked_twice: int = 0       # one position, two records
    unread: int = 0            # in the log, and never given to a living consumer
    misread: int = 0           # given to a consumer and not in the log there
    reordered_reads: int = 0

    def faults(self) -> dict[str, int]:
        """What must be nothing; only what is not."""
        counts = {"lost": len(self.audit.lost), "doubled": len(self.audit.duplicated),
                  "reordered": len(self.audit.reordered) + self.reordered_reads,
                  "elsewhere than acknowledged": len(self.audit.changed),
                  "of nobody": len(self.audit.unknown), "unanswered": self.unanswered,
                  "positions told twice": self.acked_twice, "never read": self.unread,
                  "read and not there": self.misread}
        return {what: count for what, count in counts.items() if count}


def truth(heard: Heard, name: str, living: list[str], log: list[ledger.Record],
          exported: Iterable[ledger.Record] = ()) -> Truth:
    """`living` are the consumers that must have read it all; `log` is what a stock client reads at
    the end, partitions numbered over all topics; `exported` what only the lost site had: that is
    lost as far as it was not sent again, and is reported."""
    places = {(r.partition, r.offset): ledger.identity(r.value) for r in log}
    saved = {(r.partition, r.offset): ledger.identity(r.value) for r in exported}
    found = Truth()
    book = ledger.Ledger()
    failed = {e["n"] for e in heard.events if e["e"] == "failed"}
    for n in range(max([n for _, n, _, _ in heard.acks] + [heard.sent or 0, *failed]) + 1):
        book.sent(name, n)
    told = set()
    for _, n, p, offset in heard.acks:
        found.acked_twice += offset >= 0 and (p, offset) in told
        told.add((p, offset))
        if saved.get((p, offset)) == (name, n) and places.get((p, offset)) != (name, n):
            continue  # acknowledged by the site that was lost, and in its export
        book.acked(name, n, p, offset) if offset >= 0 else book.acked(name, n)
    found.audit = book.audit(log)
    found.unanswered = (heard.sent or 0) - len({n for _, n, _, _ in heard.acks} | failed)
    for consumer, reads in heard.reads.items():
        given = {(p, offset) for _, p, offset, _ in reads}
        found.misread += sum((name, n) not in (places.get((p, offset)), saved.get((p, offset)))
                             for _, p, offset, n in reads)
        found.reordered_reads += len(went_back(reads))
        if consumer in living:
            found.unread += len(places.keys() - given)
    found.unread += len(places) * len(set(living) - heard.reads.keys())
    return found


def numbered(records: Iterable[ledger.Record], topic: int) -> Iterator[ledger.Record]:
    """With partitions numbered over all topics."""
    return (record._replace(partition=topic * STRIDE + record.partition) for record in records)


def spans(moves: list[Span], began: float, ended: float, calm: str) -> list[Span]:
    """The moves, and the times between them under the name of `calm`."""
    result, at = [], began
    for move in moves:
        result += [Span(calm, at, move.began), move]
        at = move.ended
    return [*result, Span(calm, at, ended)]


def by_stage(heard: Heard, consumers: list[str], all_spans: list[Span]) -> dict[str, Counts]:
    counts: dict[str, Counts] = defaultdict(Counts)
    for span in all_spans:
        counts[span.stage].add(heard, span, consumers)
    return dict(counts)
