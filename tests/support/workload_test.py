"""A producer that was given up is excused where its library has brought that about, and nowhere."""

import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from support import testing
from support.workload import EXCUSED, excuse

FATAL = ("ProduceRequest for orders [0] with 1 message(s) failed due to sequence "
         "desynchronization with broker 103 (PID{{Id:8000,Epoch:0}}, base seq 12, idemp state "
         "change 1383ms ago, last partition error {} (actions Refresh,{}, base seq 9..10, base "
         "msgid 10, 107ms ago)")
REFUSED = FATAL.format("NOT_LEADER_FOR_PARTITION", "MsgNotPersisted")
UNANSWERED = FATAL.format("_TRANSPORT", "MsgPossiblyPersisted")


class Excuses(unittest.TestCase):
    def test_an_old_library_counts_on_past_what_was_not_answered(self):
        self.assertEqual(excuse(UNANSWERED, (2, 0, 2)), EXCUSED)
        self.assertEqual(excuse(UNANSWERED, (2, 3, 0)), "")

    def test_what_a_leader_says_is_never_excused(self):
        self.assertEqual(excuse(REFUSED, (2, 0, 2)), "")
        self.assertEqual(excuse("Broker: Producer fenced, MsgPossiblyPersisted", (2, 0, 2)), "")


if __name__ == "__main__":
    testing.main()
