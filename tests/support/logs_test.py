"""Partitions on disk are read batch by batch, and a copy that is no prefix is noticed."""

import struct
import sys
import tempfile
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from support import kafka, logs, testing
from support.processes import Failed


def batch(base: int, count: int = 1, body: bytes = b"x" * 40, epoch: int = 0) -> bytes:
    rest = struct.pack(">ibIhi", epoch, 2, 0, 0, count - 1) + body
    return struct.pack(">qi", base, len(rest)) + rest


class Prefix(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.source, self.target = Path(directory.name) / "s", Path(directory.name) / "t"

    @staticmethod
    def write(partition: Path, *segments: list[bytes]):
        partition.mkdir(exist_ok=True)
        for old in partition.iterdir():
            old.unlink()
        for segment in segments:
            base = struct.unpack_from(">q", segment[0])[0]
            (partition / f"{base:020}.log").write_bytes(b"".join(segment))

    def hold(self):
        return logs.hold_prefix(self.source, self.target)

    def test_equal_shorter_and_empty_copies_are_prefixes(self):
        whole = [batch(0, 3), batch(3), batch(4, 2)]
        self.write(self.source, whole)
        for count in (3, 2, 1):
            self.write(self.target, whole[:count])
            self.assertEqual(self.hold(), (6, 4, 3)[3 - count])
        self.write(self.target)
        self.assertEqual(self.hold(), 0)

    def test_segments_may_be_cut_elsewhere(self):
        self.write(self.source, [batch(0), batch(1)], [batch(2), batch(3)])
        self.write(self.target, [batch(0)], [batch(1), batch(2)])
        self.assertEqual(self.hold(), 3)

    def test_either_may_have_lost_its_front_to_retention(self):
        self.write(self.source, [batch(2), batch(3)])
        self.write(self.target, [batch(0), batch(1), batch(2)])
        self.assertEqual(self.hold(), 3)
        self.write(self.source, [batch(0), batch(1), batch(2)])
        self.write(self.target, [batch(1), batch(2)])
        self.assertEqual(self.hold(), 3)

    def test_each_difference_is_noticed(self):
        self.write(self.source, [batch(0), batch(1), batch(2)])
        for wrong in ([batch(0), batch(2)],                       # a hole
                      [batch(0), batch(1, body=b"y" * 40)],       # other bytes
                      [batch(0), batch(1, epoch=1)],              # another epoch
                      [batch(0), batch(1, 2)],                    # merged
                      [batch(0), batch(1), batch(2), batch(3)]):  # longer
            self.write(self.target, wrong)
            with self.assertRaises(Failed):
                self.hold()

    def test_a_torn_tail_ends_the_last_segment_only(self):
        self.write(self.source, [batch(0), batch(1)])
        self.write(self.target, [batch(0), batch(1)[:-5]])
        self.assertEqual(self.hold(), 1)
        self.write(self.target, [batch(0)[:-5]], [batch(1)])
        with self.assertRaises(Failed):
            self.hold()

    def test_offsets_that_go_back_are_no_log(self):
        self.write(self.source, [batch(5), batch(4)])
        with self.assertRaises(Failed):
            list(logs.batches(self.source))


class ARealKafka(unittest.TestCase):
    def test_its_partitions_are_read_as_its_own_tool_reads_them(self):
        with tempfile.TemporaryDirectory() as tmp, kafka.Kafka(Path(tmp) / "kafka") as broker:
            lines = b"".join(b"value-%d\n" % i for i in range(1000))
            broker.tool(kafka.CONSOLE_PRODUCER, "--topic", "t", stdin=lines)
            broker.stop()
            partition = logs.partitions(Path(tmp) / "kafka" / "data", "t")[0]
            ours = [(b.base_offset, b.last_offset) for b in logs.batches(partition)]
            self.assertEqual(kafka.dump_log(logs.segments(partition)), ours)
            self.assertEqual(ours[-1][1], 999)
            self.assertEqual(logs.hold_prefix(partition, partition), 1000)


if __name__ == "__main__":
    testing.main()
