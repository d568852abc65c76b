"""What each library must show, and what is let pass today: each exception with its reason. A run
fails where it shows more, and says which exceptions nothing needs any more."""

from dataclasses import dataclass
from typing import Iterable, Iterator, NamedTuple

from account import Counts

NOTHING_MATTERS = float("inf")

# Stage -> what may be counted at most, over the whole stage; stand-still is that of any one move.
GOAL = {
    "kafka": {"errors": 0, "failed commits": 0, "rebalances": 0, "redelivered": 0, "dead": 0},
    "direct": {"errors": 0, "failed commits": 0, "rebalances": 0, "redelivered": 0, "dead": 0},
    "router": {"errors": 0, "failed commits": 0, "rebalances": 0, "redelivered": 0, "dead": 0},
    "planned": {"errors": 0, "failed commits": 0, "rebalances": 0, "redelivered": 0, "dead": 0,
                "producer ms": 300, "consumer ms": 300},
    # Members may rejoin; positions are held by account.truth.
    "failover": {"dead": 0},
}
# What account.truth must not find, whatever the stage; an exception names the stage all the same.
FAULTS = ("lost", "doubled", "reordered", "elsewhere than acknowledged", "of nobody", "unanswered",
          "positions told twice", "never read", "read and not there")


@dataclass(frozen=True)
class Today:
    """An exception. The library "*" is all of them."""
    library: str
    stage: str
    what: tuple[str, ...]
    why: str
    at_most: float = NOTHING_MATTERS


RSKAFKA_READS_NO_CONTROL_BATCH = (
    "it takes the first bytes of a control batch's record for those of its key, so it reads over "
    "none: not over the marker of a transaction, nor over the gap of a failover")
TODAY = [
    Today("*", "planned", ("producer ms", "consumer ms"),
          "nine libraries and both sites share the cores of one machine"),
    Today("rskafka", "failover", ("dead",), RSKAFKA_READS_NO_CONTROL_BATCH),
    Today("rskafka", "router", ("errors",), RSKAFKA_READS_NO_CONTROL_BATCH),
]


class Finding(NamedTuple):
    library: str
    stage: str
    what: str
    measured: float
    at_most: float

    def __str__(self):
        return (f"{self.library}, {self.stage}: {self.measured:,.0f} {self.what}, "
                f"at most {self.at_most:,.0f}")


def measured(counts: Counts) -> dict[str, float]:
    return {"errors": len(counts.errors), "failed commits": len(counts.failed_commits),
            "rebalances": counts.rebalances, "redelivered": counts.redelivered,
            "dead": len(counts.dead), "producer ms": max(counts.producer_ms, default=0),
            "consumer ms": max(counts.consumer_ms, default=0),
            **{fault: counts.faults.get(fault, 0) for fault in FAULTS}}


def exceptions(library: str, stage: str, what: str) -> list[Today]:
    return [each for each in TODAY if each.stage == stage and what in each.what and
            each.library in ("*", library)]


def above(library: str, stage: str, counts: Counts, timed: bool) -> Iterator[Finding]:
    """What is above the goal, and above every exception. Times count where nothing else runs."""
    for what, goal in GOAL[stage].items():
        if what.endswith(" ms") and not timed:
            continue
        value = measured(counts)[what]
        most = max([goal, *(each.at_most for each in exceptions(library, stage, what))])
        if value > most:
            yield Finding(library, stage, what, value, most)


def unexcused(library: str, stages: Iterable[str], faults: dict[str, int]) -> dict[str, int]:
    """The faults of a run of these stages that no exception covers."""
    return {what: count for what, count in faults.items()
            if not any(exceptions(library, stage, what) for stage in stages)}


def idle(stages: dict[str, dict[str, Counts]]) -> Iterator[str]:
    """The exceptions that a run had a use for and did not need; library -> stage -> counts."""
    for each in TODAY:
        counts = [stages[library][each.stage] for library in stages
                  if each.library in ("*", library) and each.stage in stages[library]]
        needed = any(measured(one)[what] > GOAL[each.stage].get(what, 0)
                     for one in counts for what in each.what)
        if counts and not needed:
            yield f"{each.library}, {each.stage}, {' and '.join(each.what)}: {each.why}"
