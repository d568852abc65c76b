"""Kafka's own dump tool reads a folder that our Log wrote: records, indexes, transactions,
producer snapshots. Skipped where Kafka's jars are not there."""

import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))
from tests.support import testing  # noqa: E402
from tests.support.kafka import DUMP_LOG, run_tool  # noqa: E402

# What the tool says when an index does not agree with its log.
COMPLAINTS = ("mismatches", "not found", "out of order", "Non-consecutive", "corrupt")


class DumpLog(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.directory = tempfile.TemporaryDirectory()
        writer = testing.need(testing.BUILD / "tests/broker/log/write_folder", "./dev build")
        subprocess.run([writer, cls.directory.name], check=True)
        cls.folder = Path(cls.directory.name) / "orders-3"

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
        self.assertEqual(said.count("| offset:"), 600 + 4 + 3)
        self.assertNotIn("isvalid: false", said)
        for codec in ("none", "gzip", "snappy", "lz4", "zstd"):
            self.assertIn(f"compresscodec: {codec}", said)
        self.assertIn("endTxnMarker: ABORT coordinatorEpoch: 7", said)
        self.assertIn("endTxnMarker: COMMIT coordinatorEpoch: 7", said)
        self.assertIn("baseOffset: 1000000 lastOffset: 1000002", said)
        self.assertIn(f"partitionLeaderEpoch: {1 << 20}", said)

    def test_indexes_agree_with_the_log(self):
        for pattern in ("*.index", "*.timeindex"):
            said = self.dump(pattern)
            self.assertGreater(said.count("offset:"), 20, said)
            for complaint in COMPLAINTS:
                self.assertNotIn(complaint, said)

    def test_aborted_transactions(self):
        said = self.dump("*.txnindex")
        self.assertIn("producerId: 4001", said)
        self.assertIn("firstOffset: 600", said)
        self.assertIn("lastOffset: 601", said)

    def test_producer_snapshots(self):
        said = self.dump("*.snapshot")
        self.assertIn("producerId: 4002 producerEpoch: 1", said)
        self.assertIn("producerId: 4001 producerEpoch: 0 coordinatorEpoch: 7", said)


if __name__ == "__main__":
    testing.main()
