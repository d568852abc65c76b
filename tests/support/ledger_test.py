"""The ledger notices each thing that can go wrong, and reads kcat's output to the byte."""

import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from support import testing
from support.ledger import Ledger, Record, digest, identity, mark, parse
from support.processes import Failed


def record(sequence, offset, partition=0, producer="p"):
    return Record(partition, offset, 1, None, mark(producer, sequence), b"")


class Parse(unittest.TestCase):
    text = b"0 7 1700 -1 3 a\x1e\n\x1e\n" + b"1 8 -1 2 0 k\nh=1\x1e\n" + b"0 9 5 0 -1 \x1e\n"
    records = [Record(0, 7, 1700, None, b"a\x1e\n", b""), Record(1, 8, -1, b"k\n", b"", b"h=1"),
               Record(0, 9, 5, b"", None, b"")]

    def test_any_byte_in_keys_and_values(self):
        self.assertEqual(list(parse([self.text])), self.records)

    def test_chunks_of_any_size(self):
        for size in range(1, len(self.text)):
            chunks = [self.text[i:i + size] for i in range(0, len(self.text), size)]
            self.assertEqual(list(parse(chunks)), self.records)

    def test_a_cut_end_is_an_error(self):
        for cut in range(1, 4):
            with self.assertRaises(Failed):
                list(parse([self.text[:-cut]]))


class Digests(unittest.TestCase):
    base = Record(0, 5, 17, b"k", b"v", b"h=1")

    def test_every_field_counts(self):
        same = digest([self.base])
        self.assertEqual(same, digest([self.base]))
        for other in (self.base._replace(offset=6), self.base._replace(timestamp=18),
                      self.base._replace(key=b"l"), self.base._replace(value=b"w"),
                      self.base._replace(headers=b"h=2"), self.base._replace(key=None),
                      self.base._replace(key=b"", value=b"kv"), self.base._replace(value=None)):
            self.assertNotEqual(same, digest([other]), other)

    def test_an_offset_that_goes_back_is_an_error(self):
        with self.assertRaises(Failed):
            digest([self.base, self.base])

    def test_partitions_apart(self):
        both = digest([self.base, self.base._replace(partition=3)])
        self.assertEqual({p: (d.first, d.next, d.records) for p, d in both.items()},
                         {0: (5, 6, 1), 3: (5, 6, 1)})


class Audits(unittest.TestCase):
    def setUp(self):
        self.ledger = Ledger()
        for sequence in range(3):
            self.ledger.sent("p", sequence)
            self.ledger.acked("p", sequence, 0, sequence)

    def test_nothing_wrong(self):
        self.assertTrue(self.ledger.audit(record(i, i) for i in range(3)).clean)

    def test_lost(self):
        self.assertEqual(self.ledger.audit([record(0, 0), record(2, 2)]).lost, [("p", 1)])

    def test_sent_and_never_acknowledged_is_not_lost(self):
        self.ledger.sent("p", 3)
        self.assertTrue(self.ledger.audit(record(i, i) for i in range(3)).clean)

    def test_duplicated(self):
        records = [record(0, 0), record(1, 1), record(2, 2), record(1, 3)]
        self.assertEqual(self.ledger.audit(records).duplicated, [("p", 1)])

    def test_duplicated_in_another_partition(self):
        records = [record(0, 0), record(1, 1), record(2, 2), record(1, 0, partition=1)]
        self.assertEqual(self.ledger.audit(records).duplicated, [("p", 1)])

    def test_reordered(self):
        ledger = Ledger()
        for sequence in range(3):
            ledger.sent("p", sequence)
        records = [record(0, 0), record(2, 1), record(1, 2)]
        self.assertEqual(ledger.audit(records).reordered, [("p", 1)])

    def test_changed(self):
        records = [record(0, 0), record(1, 1), record(2, 3)]
        self.assertEqual(self.ledger.audit(records).changed, [("p", 2)])

    def test_unknown(self):
        records = [record(i, i) for i in range(3)] + [record(0, 3, producer="q")]
        self.assertEqual(self.ledger.audit(records).unknown, [("q", 0)])

    def test_identity_survives_any_body(self):
        self.assertEqual(identity(mark("p", 12, b"a:b\n:")), ("p", 12))


if __name__ == "__main__":
    testing.main()
