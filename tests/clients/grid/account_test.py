"""The grid's judge finds each planted fault and leaves what is right alone; its table fits the
pinned versions."""

import sys
import tempfile
import unittest
from pathlib import Path
from unittest import mock

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parents[1]), str(HERE)]
import account
import expected
import table
from account import Counts, Span
from library import ESTATE, LIBRARIES, Heard
from support import ledger, testing


def record(p: int, offset: int, n: int, name: str = "a") -> ledger.Record:
    return ledger.Record(p, offset, 0, None, ledger.mark(name, n, b"x"), b"")


def heard(acks=(), reads=(), events=(), sent=None) -> Heard:
    """Acks are (n, offset), reads offsets with n as offset; one partition, one event each 10 ms."""
    result = Heard(sent=len(acks) if sent is None else sent)
    result.acks = [(10.0 * i, n, 0, offset) for i, (n, offset) in enumerate(acks)]
    if reads:
        result.reads["c"] = [(10.0 * i, 0, offset, offset) for i, offset in enumerate(reads)]
    result.events = list(events)
    return result


LOG = [record(0, n, n) for n in range(4)]
RIGHT = [(n, n) for n in range(4)]


class Truth(unittest.TestCase):
    def faults(self, told: Heard, log=LOG, living=("c",), exported=()) -> dict:
        return account.truth(told, "a", list(living), log, exported).faults()

    def test_what_is_right_has_no_fault(self):
        self.assertEqual(self.faults(heard(RIGHT, range(4))), {})
        self.assertEqual(self.faults(heard([(0, -1), *RIGHT[1:]], range(4))), {}, "not told where")

    def test_each_fault_is_found(self):
        read = range(4)
        doubled = [*LOG, record(0, 4, 3)]
        swapped = [record(0, offset, n) for offset, n in enumerate((0, 2, 1, 3))]
        cases = {
            "lost": self.faults(heard(RIGHT, range(3)), LOG[:3], ()),
            "doubled": self.faults(heard(RIGHT, [*read]), doubled, ()),
            "reordered": self.faults(heard([(0, 0), (2, 1), (1, 2), (3, 3)]), swapped, ()),
            "elsewhere than acknowledged": self.faults(heard([(0, 1), *RIGHT[1:]], read)),
            "of nobody": self.faults(heard(RIGHT, read), [*LOG, record(0, 4, 0, "b")], ()),
            "unanswered": self.faults(heard(RIGHT, read, sent=5)),
            "positions told twice": self.faults(heard([*RIGHT, (4, 3)], read)),
            "never read": self.faults(heard(RIGHT, range(3))),
            "read and not there": self.faults(heard(RIGHT, range(5))),
        }
        for fault, found in cases.items():
            self.assertIn(fault, found)
        self.assertIn("never read", self.faults(heard(RIGHT)), "a consumer that read nothing")
        self.assertIn("reordered", self.faults(heard(RIGHT, (0, 2, 1, 3))), "as it was given them")

    def test_given_again_is_neither_doubled_nor_out_of_order(self):
        self.assertEqual(self.faults(heard(RIGHT, (0, 1, 2, 1, 2, 3))), {})

    def test_what_a_lost_site_acknowledged_is_in_its_export(self):
        told = heard(RIGHT, range(4))
        self.assertIn("lost", self.faults(told, LOG[:2]))
        self.assertEqual(self.faults(told, LOG[:2], exported=LOG[2:]), {})


class CountsOfSpans(unittest.TestCase):
    def test_gaps_count_within_their_span(self):
        times = [0, 10, 20, 300, 310]
        self.assertEqual(account.longest_gap(times, Span("planned", 5, 310)), 280)
        self.assertEqual(account.longest_gap(times, Span("planned", 100, 310)), 200)
        self.assertEqual(account.longest_gap(times, Span("planned", 5, 25)), 10)
        self.assertEqual(account.longest_gap(times, Span("planned", 300, 900)), 590, "never again")

    def test_events_count_where_they_happen(self):
        events = [{"t": 5, "e": "revoked", "c": "c", "p": [0]},
                  {"t": 25, "e": "revoked", "c": "c", "p": [0]},
                  {"t": 26, "e": "commit_failed", "c": "c", "error": "x"},
                  {"t": 27, "e": "failed", "n": 7, "error": "y"},
                  {"t": 28, "e": "note", "c": "c", "error": "z"}]
        told = heard(RIGHT, (0, 1, 2, 1, 3), events)
        spans = account.spans([Span("planned", 20, 40)], 0, 100, "router")
        counts = account.by_stage(told, ["c"], spans)
        planned = expected.measured(counts["planned"])
        self.assertEqual((planned["errors"], planned["failed commits"], planned["rebalances"],
                          planned["redelivered"]), (1, 1, 1, 1))
        self.assertEqual(expected.measured(counts["router"])["rebalances"], 1)


class Expected(unittest.TestCase):
    def test_above_the_goal_is_found_unless_an_exception_covers_it(self):
        wrong = Counts(errors=["x"], dead=["c"])
        self.assertEqual({f.what for f in expected.above("java", "router", wrong, True)},
                         {"errors", "dead"})
        late = Counts(producer_ms=[301.0])
        with mock.patch.object(expected, "TODAY", []):
            self.assertEqual([f.what for f in expected.above("java", "planned", late, True)],
                             ["producer ms"])
            self.assertEqual(list(expected.above("java", "planned", late, False)), [])

    @mock.patch.object(expected, "TODAY", [expected.Today("sarama", "planned", ("lost",), "why")])
    def test_a_fault_is_excused_by_its_own_exception_alone(self):
        self.assertEqual(expected.unexcused("sarama", ["router", "planned"], {"lost": 1}), {})
        for library, stage, fault in (("sarama", "direct", "lost"), ("java", "planned", "lost"),
                                      ("sarama", "planned", "doubled")):
            self.assertEqual(expected.unexcused(library, [stage], {fault: 1}), {fault: 1})

    def test_exceptions_name_what_exists(self):
        for each in expected.TODAY:
            self.assertIn(each.library, {"*", *LIBRARIES, ESTATE.name})
            known = {*expected.GOAL[each.stage], *expected.FAULTS}
            self.assertLessEqual(set(each.what), known, each)
            self.assertGreater(len(each.why), 20, each)


class Table(unittest.TestCase):
    def test_the_page_has_a_row_for_each_library_in_the_pinned_version(self):
        page = table.PAGE.read_text()
        rows = {line.split("|")[1].strip(): line.split("|")[2].strip()
                for line in page.partition(table.BEGIN)[2].partition(table.END)[0].splitlines()
                if line.startswith("|")}
        for name in LIBRARIES:
            self.assertIn(name, rows)
        for name, version in table.pinned().items():
            if name in LIBRARIES:
                self.assertEqual(rows[name], version, f"{name}: grid_test.py --write")

    def test_writing_keeps_what_stands_around(self):
        with tempfile.TemporaryDirectory() as tmp:
            page = Path(tmp) / "page.md"
            page.write_text(f"before\n{table.BEGIN} -->\nold\n{table.END}\nafter\n")
            for text in ("one", "two"):
                table.write(text, page)
            self.assertEqual(page.read_text(),
                             f"before\n{table.BEGIN} -->\n\ntwo\n\n{table.END}\nafter\n")


if __name__ == "__main__":
    testing.main()
