"""A real Kafka starts, takes records, survives kill -9, and its tools say what they did."""

import sys
import tempfile
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from support import kafka, testing
from support.processes import Failed


class KafkaTest(unittest.TestCase):
    def test_keeps_records_over_a_crash(self):
        with tempfile.TemporaryDirectory() as tmp, kafka.Kafka(Path(tmp) / "kafka") as broker:
            broker.tool(kafka.TOPIC_COMMAND, "--create", "--topic", "t", "--partitions", 2)
            broker.tool(kafka.CONSOLE_PRODUCER, "--topic", "t", stdin=b"one\ntwo\n")
            broker.kill()
            broker.start()
            read = broker.tool(kafka.CONSOLE_CONSUMER, "--topic", "t", "--from-beginning",
                               "--max-messages", 2)
            self.assertEqual(sorted(read.split()), ["one", "two"])
            with self.assertRaises(Failed):
                broker.tool(kafka.TOPIC_COMMAND, "--create", "--topic", "t")


if __name__ == "__main__":
    testing.main()
