"""The grid as a table of docs/compatibility.md, and which versions are pinned for it."""

import json
import re
from pathlib import Path

from account import Counts
from library import HERE, Library
from support import testing

PAGE = testing.ROOT / "docs" / "compatibility.md"
BEGIN = "<!-- tests/clients/grid/grid_test.py --write: from here"
END = "<!-- to here -->"
PEERS = HERE.parents[1] / "support" / "peers"
HEAD = """\
| Library | Version | Consumers | Errors | Failed commits | Rebalances | Redelivered | \
Producer stands, ms | Consumer stands, ms | Failover: producer, s | consumer, s |
|---|---|---|---|---|---|---|---|---|---|---|"""


def percentile(values: list[float], percent: int) -> float:
    """Of few values: the smallest that as many are not above."""
    ordered = sorted(values)
    return ordered[max(0, -(-len(ordered) * percent // 100) - 1)] if ordered else 0


def row(library: Library, version: str, stages: dict[str, Counts]) -> str:
    planned, failover = stages.get("planned", Counts()), stages.get("failover")
    kinds = ", ".join(library.consumers)
    if not library.idempotent:
        kinds += "; not idempotent"
    cells = [library.name, version, kinds, dead(planned), len(planned.failed_commits),
             planned.rebalances, planned.redelivered, both(planned.producer_ms),
             both(planned.consumer_ms)]
    if failover is None:
        cells += ["", ""]
    else:
        cells += [f"{max(times, default=0) / 1000:.1f}"
                  for times in (failover.producer_ms, failover.consumer_ms)]
    return "| " + " | ".join(map(str, cells)) + " |"


def dead(counts: Counts) -> str:
    ended = f", {', '.join(counts.dead)} dead" if counts.dead else ""
    return f"{len(counts.errors)}{ended}"


def both(values: list[float]) -> str:
    return f"{percentile(values, 50):.0f}, at most {max(values, default=0):.0f}"


def block(rows: list[str], moves: int) -> str:
    said = (f"{moves} planned moves, {Library.rate:g} records a second for each library; "
            "stand-still is the middle move's, and the longest.")
    return "\n".join([said, "", HEAD, *rows])


def write(text: str, page: Path = PAGE, begin: str = BEGIN) -> None:
    """Puts the block between its marks."""
    pattern = re.compile(rf"({re.escape(begin)}[^\n]*\n).*?({re.escape(END)})", re.DOTALL)
    changed, count = pattern.subn(lambda found: f"{found[1]}\n{text}\n\n{found[2]}",
                                  page.read_text())
    assert count == 1, f"{page}: the marks of the grid are not there"
    page.write_text(changed)


def pinned() -> dict[str, str]:
    """Library -> version that ./dev test installs."""
    text = (PEERS / "requirements.txt").read_text()
    pins = dict(re.findall(r"^([\w-]+)==(\S+)$", text, re.MULTILINE))
    pins["kafkajs"] = json.loads((PEERS / "package.json").read_text())["dependencies"]["kafkajs"]
    pins["java"] = re.search(r"<kafka.version>(.*)<", (PEERS / "pom.xml").read_text())[1]
    modules = (HERE / "go" / "go.mod").read_text()
    pins["franz-go"] = re.search(r"twmb/franz-go v(\S+)", modules)[1]
    pins["sarama"] = re.search(r"IBM/sarama v(\S+)", modules)[1]
    crates = (HERE / "rust" / "Cargo.toml").read_text()
    pins["rskafka"] = re.search(r'rskafka = \{ version = "=([^"]+)"', crates)[1]
    return pins
