"""Each anomaly is found in a history that holds it, alone and by name; what is allowed is not."""

import sys
import tempfile
import time
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from support import testing
from support.anomalies import check, told
from support.history import FAIL, INFO, OK, Assigned, Commit, Poll, Recorder, Send, read

P = "orders-0"


def send(number, offset=None, outcome=OK, process="p", partition=P, ordered=True):
    return Send(process, number, number + 0.5, partition, number, outcome, offset, ordered)


def poll(*records, process="c", at=100.0, partition=P):
    """(offset, number) each, of what p sent; or (offset, value)."""
    named = [[partition, offset, f"p:{what}" if isinstance(what, int) else what]
             for offset, what in records]
    return Poll(process, at, at + 0.1, named)


def assigned(*partitions, at=0.0, process="c", start=0, group=None):
    return Assigned(process, at, dict.fromkeys(partitions or (P,), start), group)


def commit(offset, ended, process="m1", outcome=OK, group="team"):
    return Commit(process, ended - 0.1, ended, group, {P: offset}, outcome)


def sent(count):
    """0 .. count-1, each acknowledged at its number."""
    return [send(number, number) for number in range(count)]


class Anomalies(unittest.TestCase):
    def names(self, *history):
        found = check(history)
        for each in found:
            self.assertIn(each.name, told(found))
        return [each.name for each in found]

    def test_a_clean_history(self):
        self.assertEqual(check([]), [])
        self.assertEqual(self.names(*sent(4), assigned(), poll((0, 0), (1, 1)),
                                    poll((2, 2), (3, 3)), send(4, outcome=FAIL),
                                    send(5, outcome=INFO)), [])
        # Offsets with nothing at them, and an unknown outcome that came to be.
        self.assertEqual(self.names(send(0, 3), send(1, outcome=INFO), send(2, 9), assigned(),
                                    poll((3, 0), (7, 1), (9, 2))), [])

    def test_aborted_read(self):
        self.assertEqual(self.names(send(0, 0), send(1, outcome=FAIL), poll((0, 0), (1, 1))),
                         ["aborted_read"])

    def test_never_sent(self):
        self.assertEqual(self.names(send(0, 0), poll((0, 0), (1, "stranger:7"))), ["never_sent"])
        self.assertEqual(self.names(send(0, 0), poll((0, 0)), poll((0, 0), partition="orders-1")),
                         ["never_sent"])

    def test_inconsistent_offset_between_two_readers(self):
        found = check([send(0, outcome=INFO), send(1, outcome=INFO), poll((0, 0)),
                       poll((0, 1), process="d")])
        self.assertEqual([each.name for each in found], ["inconsistent_offset"])
        self.assertEqual({each.process for each in found[0].evidence}, {"c", "d"})

    def test_inconsistent_offset_between_two_acknowledgements(self):
        self.assertEqual(self.names(send(0, 0, process="p"), send(1, 0, process="q"),
                                    poll((0, 0)), poll((0, "q:1"), process="d")),
                         ["inconsistent_offset"])

    def test_duplicate(self):
        self.assertEqual(self.names(send(0, 0), poll((0, 0), (1, 0))), ["duplicate"])
        # Read elsewhere than it was acknowledged.
        self.assertEqual(self.names(send(0, 5), poll((0, 0))), ["duplicate"])
        self.assertEqual(self.names(send(0, 0, ordered=False), poll((0, 0), (1, 0))), [])

    def test_lost_write(self):
        found = check([*sent(3), poll((0, 0)), poll((2, 2), process="d")])
        self.assertEqual([each.name for each in found], ["lost_write"])
        self.assertIn("p:1, acknowledged at 1; read until 2", found[0].what)
        # And something else stands there now.
        self.assertEqual(sorted(self.names(send(0, 0), send(1, outcome=INFO), poll((0, 1)))),
                         ["inconsistent_offset", "lost_write"])

    def test_unseen(self):
        self.assertEqual(self.names(*sent(2), poll((0, 0))), ["unseen"])
        self.assertEqual(self.names(send(0, 0), send(1, None), poll((0, 0))), ["unseen"])
        self.assertEqual(self.names(send(0, 0)), ["unseen"])

    def test_poll_skip(self):
        everything = poll((0, 0), (1, 1), (2, 2), process="d")
        self.assertEqual(self.names(*sent(3), everything, assigned(), poll((0, 0)), poll((2, 2))),
                         ["poll_skip"])
        self.assertEqual(self.names(*sent(3), everything, assigned(), poll((1, 1), (2, 2))),
                         ["poll_skip"])
        self.assertEqual(self.names(*sent(3), everything, assigned(), poll((0, 0), (2, 2))),
                         ["int_poll_skip"])
        # Assigned anew in between, at a position or at none.
        self.assertEqual(self.names(*sent(3), everything, assigned(), poll((0, 0)),
                                    assigned(start=2), poll((2, 2))), [])
        self.assertEqual(self.names(*sent(3), everything, assigned(), poll((0, 0)),
                                    assigned(start=None), poll((2, 2))), [])

    def test_nonmonotonic_poll(self):
        self.assertEqual(self.names(*sent(2), assigned(), poll((0, 0), (1, 1)), poll((1, 1))),
                         ["nonmonotonic_poll"])
        self.assertEqual(self.names(*sent(2), assigned(), poll((0, 0), (1, 1), (0, 0))),
                         ["int_nonmonotonic_poll"])
        self.assertEqual(self.names(*sent(2), assigned(), poll((0, 0), (1, 1)), assigned(),
                                    poll((0, 0), (1, 1))), [])

    def test_nonmonotonic_send(self):
        backwards = (send(0, 1), send(1, 0), poll((0, 1), (1, 0)))
        self.assertEqual(self.names(*backwards), ["nonmonotonic_send"])
        # Whose outcome the producer does not know, too; in whatever order outcomes came.
        self.assertEqual(self.names(send(1, 0), send(0, outcome=INFO), poll((0, 1), (1, 0))),
                         ["nonmonotonic_send"])
        # Another partition is another order, and who is not idempotent has none.
        self.assertEqual(self.names(send(0, 1), send(1, 0, partition="orders-1"), poll((1, 0)),
                                    poll((0, 1), partition="orders-1")), [])
        self.assertEqual(self.names(send(0, 1, ordered=False), send(1, 0, ordered=False),
                                    poll((0, 1), (1, 0))), [])

    def test_lost_commit(self):
        first = (assigned(process="m1", start=None, group="team"),
                 poll((0, 0), (1, 1), process="m1"), commit(2, 101.0))
        again = poll((1, 1), (2, 2), process="m2")
        taken = Assigned("m2", 102.0, {P: None}, "team")
        self.assertEqual(self.names(*sent(3), *first, taken, again), ["lost_commit"])
        # What had not ended, or not well, need not be there.
        early = Assigned("m2", 100.5, {P: None}, "team")
        self.assertEqual(self.names(*sent(3), *first, early, again), [])
        unknown = commit(2, 101.0, outcome=INFO)
        self.assertEqual(self.names(*sent(3), *first[:2], unknown, taken, again), [])
        # Another group's are another's; and the highest counts, not the last to end.
        self.assertEqual(self.names(*sent(3), *first[:2], commit(2, 101, group="b"), taken, again),
                         [])
        self.assertEqual(self.names(*sent(3), *first, commit(1, 101.5), taken, again),
                         ["lost_commit"])

    def test_group_skip(self):
        self.assertEqual(self.names(*sent(3), poll((0, 0), (1, 1), (2, 2)),
                                    assigned(process="m1", start=None, group="team"),
                                    poll((0, 0), process="m1"),
                                    Assigned("m2", 102.0, {P: None}, "team"),
                                    poll((2, 2), process="m2")), ["group_skip"])

    def test_a_long_history_takes_seconds(self):
        count, partitions = 200_000, 20
        history = [assigned(*(f"orders-{i}" for i in range(partitions)))]
        for number in range(count):
            history.append(send(number, number // partitions,
                                partition=f"orders-{number % partitions}"))
        for first in range(0, count // partitions, 100):
            for index in range(partitions):
                history.append(poll(*((offset, offset * partitions + index)
                                      for offset in range(first, first + 100)),
                                    partition=f"orders-{index}"))
        began = time.process_time()
        self.assertEqual(check(history), [])
        print(f"    {count} sends, as many read: {time.process_time() - began:.1f} s of CPU")


class Files(unittest.TestCase):
    def test_what_was_recorded_is_read(self):
        history = [send(0, 0), send(1, None, INFO, ordered=False), poll((0, 0)), assigned(),
                   assigned(start=None, group="team"), commit(3, 7.0)]
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "history"
            recorder = Recorder(path)
            for operation in history:
                recorder.add(operation)
            recorder.close()
            self.assertEqual(recorder.count, len(history))
            self.assertEqual(read([path, path]), history * 2)


if __name__ == "__main__":
    testing.main()
