"""Who may do what, with Kafka as the control: the same principals ask a real Kafka and a site the
same, API by API, under the same ACLs, and are answered the same but for what known.py says.

    authorization_test.py [--only TEXT] [--write]

--only asks in situations whose name holds the text. A whole run has a table, which stands in
docs/compatibility.md: --write puts it there.
"""

import argparse
import os
import sys
import tempfile
import unittest
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
sys.path[:0] = [str(FOLDER), str(FOLDER.parents[1]), str(FOLDER.parent / "grid")]
import known
import report
import requests
import table
from answers import differences, essence
from control import Cluster, Pair
from situations import HERE, SITUATIONS, SUPER_USER, Situation
from support import testing
from support.processes import Failed, wait_for

EVERYONE = "everyone where no ACL is"


def user_of(at: int, situation: Situation) -> str:
    return situation.user or f"user{at}"


class Authorization(unittest.TestCase):
    options = argparse.Namespace(only="", write=False)

    def test_every_api_answers_as_kafka_does(self):
        found = report.Findings()
        for everyone in (False, True):
            self.compare(everyone, found)
        said = [str(finding) for finding in found.unknown]
        self.assertEqual(said, [], "\n".join(["", *said]))
        if not self.options.only:
            self.assertEqual(known.never_met(found.met), [], "known.py names what is so no more")
            self.hold_table(found)

    def hold_table(self, found: report.Findings) -> None:
        versions: dict[str, list[int]] = {}
        for ask in requests.ASKED:
            versions.setdefault(ask.api, [])
            if ask.version not in versions[ask.api]:
                versions[ask.api].append(ask.version)
        text = report.block(found, versions, table.pinned()["java"])
        if self.options.write:
            report.write(text)
        self.assertEqual(report.written(), text, "authorization_test.py --write")

    def compare(self, everyone: bool, found: report.Findings) -> None:
        chosen = [(at, each) for at, each in enumerate(SITUATIONS)
                  if self.options.only in each.name]
        users = list(dict.fromkeys([SUPER_USER, *(user_of(at, each) for at, each in chosen)]))
        with tempfile.TemporaryDirectory(prefix="isthmus-acls-") as tmp, \
                Pair(Path(tmp), everyone, users) as pair:
            for at, situation in chosen:
                self.ask_both(pair, at, situation, everyone, found)

    def ask_both(self, pair: tuple[Cluster, Cluster], at: int, situation: Situation,
                 everyone: bool, found: report.Findings) -> None:
        user, family = user_of(at, situation), EVERYONE if everyone else situation.family
        worlds = [requests.World(f"s{at}-") for _ in pair]
        for cluster, world in zip(pair, worlds):
            cluster.prepare(situation, world, user)
        for ask in [*requests.ASKED, requests.AFTER]:
            who = (SUPER_USER, HERE) if ask == requests.AFTER else (user, situation.host)
            said = self.answers(pair, worlds, ask, who)
            found.note(family, situation.name, ask, *said)
        for cluster in pair:
            cluster.clear()

    def answers(self, pair: tuple[Cluster, Cluster], worlds: list[requests.World],
                ask: requests.Ask, who: tuple[str, str]) -> list:
        """Of both. What a change has come to is in force at a Kafka a moment after its answer: who
        looks, looks again until they agree."""
        said = []

        def agree():
            said[:] = [essence(cluster.ask(ask, world, *who))
                       for cluster, world in zip(pair, worlds)]
            return not ask.looks or all(known.reason(ask, each) is not None
                                        for each in differences(*said))
        try:
            wait_for(agree, ask.title, 20)
        except Failed:
            pass  # it is told
        return said


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", default="")
    parser.add_argument("--write", action="store_true",
                        default=bool(os.environ.get("ISTHMUS_LONG")))
    Authorization.options, sys.argv[1:] = parser.parse_known_args()
    testing.main()
