"""A partition's folder is Kafka's: its own dump tool reads what our Log wrote (records, indexes,
transactions, producer snapshots), and our Log opens what a Kafka broker left."""

import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))
from tests.support import testing  # noqa: E402
from tests.support.kafka import CONSOLE_PRODUCER, DUMP_LOG, Kafka, run_tool  # noqa: E402

# What the tool says when an index does not agree with its log.
COMPLAINTS = ("mismatch", "not found", "out of order", "non-consecutive", "corrupt")


def log_folder(command: str, folder: Path) -> str:
    program = testing.need(testing.BUILD / "tests/broker/log/log_folder", "./dev build")
    done = subprocess.run([program, command, folder], check=True, capture_output=True)
    return done.stdout.decode()


class KafkaReadsOurs(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.directory = tempfile.TemporaryDirectory()
        cls.folder = Path(cls.directory.name) / "orders-3"
        log_folder("write", cls.folder)

    @classmethod
    def tearDownClass(cls):
        cls.directory.cleanup()

    def dump(self, pattern: str, *options) -> str:
        files = sorted(self.folder.glob(pattern))
        self.assertTrue(files, pattern)
        done = run_tool(DUMP_LOG, *options, "--files", ",".join(map(str, files)))
        return (done.stdout + done.stderr).decode()

    def test_records(self):
        said = self.dump("*.log", "--deep-iteration")
        self.assertEqual(said.count("| offset:"), 600 + 4 + 1 + 3)
        self.assertNotIn("isvalid: false", said)
        for codec in ("none", "gzip", "snappy", "lz4", "zstd"):
            self.assertIn(f"compresscodec: {codec}", said)
        self.assertIn("endTxnMarker: ABORT coordinatorEpoch: 7", said)
        self.assertIn("endTxnMarker: COMMIT coordinatorEpoch: 7", said)
        self.assertIn("baseOffset: 604 lastOffset: 999999 count: 1", said)
        self.assertIn("baseOffset: 1000000 lastOffset: 1000002", said)
        self.assertIn(f"partitionLeaderEpoch: {1 << 20}", said)

    def test_indexes_agree_with_the_log(self):
        for pattern in ("*.index", "*.timeindex"):
            said = self.dump(pattern)
            self.assertGreater(said.count("offset:"), 20, said)
            for complaint in COMPLAINTS:
                self.assertNotIn(complaint, said.lower())

    def test_aborted_transactions(self):
        said = self.dump("*.txnindex")
        self.assertIn("producerId: 4001", said)
        self.assertIn("firstOffset: 600", said)
        self.assertIn("lastOffset: 601", said)

    def test_producer_snapshots(self):
        said = self.dump("*.snapshot")
        self.assertIn("producerId: 4002 producerEpoch: 1", said)
        self.assertIn("producerId: 4001 producerEpoch: 0 coordinatorEpoch: 7", said)


class WeReadKafkas(unittest.TestCase):
    def test_a_partition_of_several_segments(self):
        records = 30_000
        lines = "".join(f"record {i} {'x' * 100}\n" for i in range(records)).encode()
        with tempfile.TemporaryDirectory() as directory:
            kafka = Kafka(Path(directory), log_segment_bytes=1 << 20, num_partitions=1)
            with kafka:
                kafka.tool(CONSOLE_PRODUCER, "--topic", "carried", stdin=lines)
                kafka.stop()
            said = log_folder("read", Path(directory) / "data" / "carried-0")
        clean, unclean = (dict(word.split("=") for word in line.split())
                          for line in said.splitlines())
        self.assertEqual(clean["scanned"], "0", "Kafka's indexes and snapshots serve as they are")
        self.assertGreater(int(clean["segments"]), 2)
        self.assertEqual(clean["end"], str(records))
        self.assertEqual(clean["records"], str(records))
        self.assertEqual((clean["epochs"], clean["producers"]), ("1", "1"))
        # A rebuild from the bytes alone comes to the same.
        self.assertEqual(unclean["scanned"], unclean["segments"])
        self.assertEqual(unclean | {"scanned": "0"}, clean)


if __name__ == "__main__":
    testing.main()
