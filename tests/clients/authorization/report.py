"""What a run has found, and the table of it in docs/compatibility.md."""

import re
import sys
from pathlib import Path
from typing import Any, NamedTuple

import known
from answers import Difference, differences
from requests import Ask

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "grid"))
import table

BEGIN = "<!-- tests/clients/authorization/authorization_test.py --write: from here"


class Unknown(NamedTuple):
    family: str
    situation: str
    ask: Ask
    difference: Difference

    def __str__(self):
        return f"{self.family}, {self.situation}: {self.ask.title}: {self.difference}"


class Findings:
    def __init__(self):
        self.asked: dict[tuple[str, str], int] = {}  # API, family -> answers that were compared
        self.marks: dict[tuple[str, str], set[str]] = {}
        self.met: set[int] = set()  # of known.KNOWN
        self.unknown: list[Unknown] = []

    def note(self, family: str, situation: str, ask: Ask, kafka: Any, ours: Any) -> None:
        cell = ask.api, family
        self.asked[cell] = self.asked.get(cell, 0) + 1
        for each in differences(kafka, ours):
            why = known.reason(ask, each)
            if why is None:
                self.unknown.append(Unknown(family, situation, ask, each))
            else:
                self.met.add(why)
                self.marks.setdefault(cell, set()).add(known.KNOWN[why].mark)


def camel(api: str) -> str:
    return "".join(word.capitalize() for word in api.split("_"))


def block(found: Findings, versions: dict[str, list[int]], kafka: str) -> str:
    """The table: how many answers were compared, and the marks of those that differ."""
    families = list(dict.fromkeys(family for _, family in found.asked))
    rows = [f"{sum(found.asked.values()):,} answers of Isthmus and Kafka {kafka}.", "",
            "| API | Versions | " + " | ".join(families) + " |",
            "|---" * (2 + len(families)) + "|"]
    for api in dict.fromkeys(api for api, _ in found.asked):
        cells = [camel(api), ", ".join(map(str, sorted(versions[api])))]
        for family in families:
            marks = "".join(f" ({mark})" for mark in sorted(found.marks.get((api, family), ())))
            cells.append(f"{found.asked.get((api, family), '')}{marks}")
        rows.append("| " + " | ".join(cells) + " |")
    reasons = dict.fromkeys((each.mark, each.why) for each in known.KNOWN)
    return "\n".join([*rows, "", *(f"- ({mark}) {why}." for mark, why in reasons)])


def written() -> str:
    """What the page has now."""
    found = re.search(rf"{re.escape(BEGIN)}[^\n]*\n\n(.*?)\n\n{re.escape(table.END)}",
                      table.PAGE.read_text(), re.DOTALL)
    return found[1] if found else ""


def write(text: str) -> None:
    table.write(text, begin=BEGIN)
