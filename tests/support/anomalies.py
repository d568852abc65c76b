"""What must not be in a history (history.py), named as Jepsen's workload for Kafka names it:

    aborted_read          read, and its send had failed for certain (G1a)
    never_sent            read, and nobody sent it
    inconsistent_offset   two values at one offset, as acknowledged or as read
    duplicate             one value at two offsets, which an idempotent producer sent
    lost_write            acknowledged, below the highest that was read, and read by nobody
    unseen                acknowledged, above it or nobody knows where, and read by nobody: lost
                          too where the history ends with reading everything
    poll_skip             a process went on beyond a record that is in the log
    nonmonotonic_poll     a process went on at or before what it had been given last
    int_poll_skip, int_nonmonotonic_poll   the same between two records of one poll
    nonmonotonic_send     records of an idempotent producer stand in another order than it sent

and what a group promises, which that workload does not look at:

    lost_commit           a member went on below what had been committed before it was assigned
    group_skip            a group was not given all that lies below the furthest it was given

Not looked for: what only transactions could do (precommitted reads, int_send_skip, cycles).

A partition's log is what acknowledgements and polls say of it. Its offsets need not be dense.
Everything here is a pure function of the history; each takes about as long as it is long.
"""

from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict
from typing import Callable, Iterable, Iterator, NamedTuple

from .history import FAIL, OK, Assigned, Commit, Operation, Poll, Send


class Anomaly(NamedTuple):
    name: str
    partition: str
    what: str
    evidence: tuple = ()  # the operations that show it

    def __str__(self):
        lines = [f"{self.name} {self.partition}: {self.what}"]
        return "\n        ".join(lines + [_short(each) for each in self.evidence])


class Log:
    """What is known of one partition."""

    def __init__(self):
        self.values: dict[int, set[str]] = defaultdict(set)
        self.offsets: dict[str, set[int]] = defaultdict(set)
        self.readers: dict[str, Poll] = {}  # value -> the first poll that gave it
        self.highest_read = -1
        self.order: list[int] = []          # its offsets, ascending

    def add(self, offset: int, value: str) -> None:
        self.values[offset].add(value)
        self.offsets[value].add(offset)

    def between(self, low: int, high: int) -> list[int]:
        """The offsets that lie between these two, without them."""
        if high == low + 1:
            return []
        return self.order[bisect_right(self.order, low):bisect_left(self.order, high)]


class Facts:
    """A history, by what the checks ask for."""

    def __init__(self, history: Iterable[Operation]):
        self.by_process: dict[str, list[Operation]] = defaultdict(list)
        self.sends: dict[str, Send] = {}  # by value
        self.logs: dict[str, Log] = defaultdict(Log)
        for operation in history:
            self.by_process[operation.process].append(operation)
            if isinstance(operation, Send):
                self._sent(operation)
            elif isinstance(operation, Poll):
                self._polled(operation)
        for log in self.logs.values():
            log.order = sorted(log.values)

    def _sent(self, send: Send) -> None:
        self.sends[send.value] = send
        if send.outcome == OK and send.offset is not None:
            self.logs[send.partition].add(send.offset, send.value)

    def _polled(self, poll: Poll) -> None:
        for partition, offset, value in poll.records:
            log = self.logs[partition]
            log.add(offset, value)
            log.readers.setdefault(value, poll)
            log.highest_read = max(log.highest_read, offset)


def check(history: Iterable[Operation]) -> list[Anomaly]:
    """All of them; an empty list is what a safe cluster must show."""
    facts = Facts(history)
    return [anomaly for find in CHECKS for anomaly in find(facts)]


def told(anomalies: list[Anomaly], examples: int = 3) -> str:
    """How many of each name, and the first few of each."""
    counts = Counter(each.name for each in anomalies)
    lines = [f"{sum(counts.values())} anomalies"]
    for name, count in counts.most_common():
        first = [each for each in anomalies if each.name == name][:examples]
        lines += [f"  {count} {name}", *(f"      {each}" for each in first)]
    return "\n".join(lines)


def reads_of_what_was_not_written(facts: Facts) -> Iterator[Anomaly]:
    for partition, log in facts.logs.items():
        for value, poll in log.readers.items():
            send = facts.sends.get(value)
            if send is None or send.partition != partition:
                yield Anomaly("never_sent", partition, f"{value} was read", (poll,))
            elif send.outcome == FAIL:
                yield Anomaly("aborted_read", partition, f"{value} was read", (send, poll))


def disagreements(facts: Facts) -> Iterator[Anomaly]:
    for partition, log in facts.logs.items():
        for offset, values in log.values.items():
            if len(values) > 1:
                what = f"at {offset}: {', '.join(sorted(values))}"
                yield Anomaly("inconsistent_offset", partition, what,
                              tuple(_witness(facts, log, value) for value in sorted(values)))
        for value, offsets in log.offsets.items():
            send = facts.sends.get(value)
            # What a leader appended and then answered NOT_LEADER_OR_FOLLOWER, librdkafka sends
            # again, whatever retries are allowed; only an idempotent producer's is recognised.
            if len(offsets) > 1 and (send is None or send.ordered):
                what = f"{value} at {', '.join(map(str, sorted(offsets)))}"
                yield Anomaly("duplicate", partition, what, (_witness(facts, log, value),))


def writes_that_nobody_read(facts: Facts) -> Iterator[Anomaly]:
    for value, send in facts.sends.items():
        log = facts.logs[send.partition]
        if send.outcome != OK or value in log.readers:
            continue
        if send.offset is not None and send.offset <= log.highest_read:
            what = f"{value}, acknowledged at {send.offset}; read until {log.highest_read}"
            yield Anomaly("lost_write", send.partition, what, (send,))
        else:
            where = "" if send.offset is None else f" at {send.offset}"
            what = f"{value}, acknowledged{where}; read until {log.highest_read}"
            yield Anomaly("unseen", send.partition, what, (send,))


def polls_out_of_order(facts: Facts) -> Iterator[Anomaly]:
    """An assignment takes all positions away; one that names a position counts as if what lies
    before it had been read last."""
    for operations in facts.by_process.values():
        last: dict[str, tuple[int, Operation]] = {}
        for operation in operations:
            if isinstance(operation, Assigned):
                last = {partition: (start - 1, operation)
                        for partition, start in operation.positions.items() if start is not None}
            elif isinstance(operation, Poll):
                yield from _steps(facts, operation, last)


def _steps(facts: Facts, poll: Poll, last: dict) -> Iterator[Anomaly]:
    for partition, offset, _ in poll.records:
        before, by = last.get(partition, (None, None))
        last[partition] = (offset, poll)
        if before is None:
            continue
        inside, shown = ("int_", (poll,)) if by is poll else ("", (by, poll))
        if offset <= before:
            what = f"{offset} after {before}"
            yield Anomaly(f"{inside}nonmonotonic_poll", partition, what, shown)
        elif skipped := facts.logs[partition].between(before, offset):
            what = f"from {before} to {offset}, beyond {_few(skipped)}"
            yield Anomaly(f"{inside}poll_skip", partition, what, shown)


def sends_out_of_order(facts: Facts) -> Iterator[Anomaly]:
    """Also of those whose outcome the producer was not told, where they were read."""
    for operations in facts.by_process.values():
        sends = [each for each in operations if isinstance(each, Send) and each.ordered]
        last: dict[str, tuple[int, Send]] = {}
        for send in sorted(sends, key=lambda each: each.number):
            places = facts.logs[send.partition].offsets.get(send.value)
            if not places:
                continue
            before, by = last.get(send.partition, (-1, send))
            if min(places) < before:
                what = f"{send.value} at {min(places)}, sent after {by.value} at {before}"
                yield Anomaly("nonmonotonic_send", send.partition, what, (by, send))
            last[send.partition] = (max(places), send)


class _Group:
    def __init__(self):
        self.commits: dict[str, list[Commit]] = defaultdict(list)
        self.given: dict[str, set[int]] = defaultdict(set)
        # Where members went on: partition -> (assignment, poll, offset)
        self.resumed: dict[str, list[tuple[Assigned, Poll, int]]] = defaultdict(list)


def _groups(facts: Facts) -> dict[str, _Group]:
    groups: dict[str, _Group] = defaultdict(_Group)
    for operations in facts.by_process.values():
        assigned, fresh = None, set()
        for operation in operations:
            if isinstance(operation, Assigned):
                assigned, fresh = operation, set(operation.positions)
            elif isinstance(operation, Commit) and operation.outcome == OK:
                for partition in operation.offsets:
                    groups[operation.group].commits[partition].append(operation)
            elif isinstance(operation, Poll) and assigned is not None and assigned.group:
                group = groups[assigned.group]
                for partition, offset, _ in operation.records:
                    group.given[partition].add(offset)
                    if partition in fresh:
                        fresh.discard(partition)
                        group.resumed[partition].append((assigned, operation, offset))
    return groups


def broken_promises_to_groups(facts: Facts) -> Iterator[Anomaly]:
    for name, group in _groups(facts).items():
        for partition, resumed in group.resumed.items():
            yield from _lost_commits(name, partition, group.commits[partition], resumed)
        for partition, given in group.given.items():
            log = facts.logs[partition]
            missed = [offset for offset in log.between(-1, max(given)) if offset not in given]
            if missed:
                what = f"{name} was given {max(given)}, never {_few(missed)}"
                yield Anomaly("group_skip", partition, what)


def _lost_commits(name: str, partition: str, commits: list[Commit],
                  resumed: list[tuple[Assigned, Poll, int]]) -> Iterator[Anomaly]:
    """Both in the order of time: the highest commit that had ended, beside each assignment."""
    commits = sorted(commits, key=lambda each: each.ended)
    done, highest = 0, None
    for assigned, poll, offset in sorted(resumed, key=lambda each: each[0].at):
        while done < len(commits) and commits[done].ended < assigned.at:
            if highest is None or commits[done].offsets[partition] > highest.offsets[partition]:
                highest = commits[done]
            done += 1
        if highest is not None and offset < highest.offsets[partition]:
            what = f"{name} goes on at {offset}, committed was {highest.offsets[partition]}"
            yield Anomaly("lost_commit", partition, what, (highest, assigned, poll))


CHECKS: tuple[Callable[[Facts], Iterator[Anomaly]], ...] = (
    reads_of_what_was_not_written, disagreements, writes_that_nobody_read, polls_out_of_order,
    sends_out_of_order, broken_promises_to_groups)


def _witness(facts: Facts, log: Log, value: str) -> Operation:
    return log.readers.get(value) or facts.sends[value]


def _few(offsets: list[int]) -> str:
    shown = ", ".join(map(str, offsets[:5]))
    return f"{shown}, ... ({len(offsets)})" if len(offsets) > 5 else shown


def _short(operation: Operation) -> str:
    """One line: a poll may hold thousands of records."""
    if isinstance(operation, Poll):
        records = operation.records
        ends = f"{records[0]} ... {records[-1]}" if len(records) > 1 else f"{records}"
        return (f"Poll {operation.process} {operation.began:.3f}-{operation.ended:.3f}: "
                f"{len(records)} records, {ends}")
    return str(operation)
