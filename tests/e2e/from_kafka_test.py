"""A mirror from a real Apache Kafka: identical offsets, transactions and their markers included."""

import subprocess
import unittest
from pathlib import Path

from world import World, main
from support import kafka, ledger
from support.processes import wait_for
from support.site import Mirror
from support.testing import PEERS, need

TOPIC = "ledger-entries"
TRANSACTIONS, RECORDS = 12, 50


class FromKafka(World):
    def setUp(self):
        super().setUp()
        self.python = need(PEERS / "python" / "bin" / "python", "./dev test fetches the clients")
        self.kafka = self.enterContext(kafka.Kafka(self.tmp / "kafka"))
        self.tokyo = self.site("tokyo", 2)

    def mirror(self):
        link = {"source": {"bootstrap.servers": self.kafka.bootstrap},
                "target": {"bootstrap.servers": self.tokyo.inside}}
        return self.started(Mirror(self.tmp, "mirror", {"kafka-tokyo": link}))

    def write_transactions(self):
        script = Path(__file__).with_name("transactions.py")
        subprocess.run([self.python, script, self.kafka.bootstrap, TOPIC, str(TRANSACTIONS),
                        str(RECORDS)], check=True, timeout=90, capture_output=True)

    def test_offsets_are_identical_transactions_included(self):
        self.kafka.tool(kafka.TOPIC_COMMAND, "--create", "--topic", TOPIC, "--partitions", "3")
        self.write_transactions()
        mirror = self.mirror()
        self.write_transactions()  # once more, while it mirrors

        def caught_up():
            link = mirror.status()["links"]["kafka-tokyo"]
            return link["partitions"] == 3 and link["bytes"] > 0 and link["lag_records"] == 0

        wait_for(caught_up, "the mirror to catch up", 30)
        committed = 2 * TRANSACTIONS * RECORDS * 2 // 3
        for isolation, count in ("read_committed", committed), ("read_uncommitted", None):
            option = f"isolation.level={isolation}"
            there = list(ledger.read(self.kafka.bootstrap, TOPIC, "-X", option))

            def here():
                return list(ledger.read(self.tokyo.bootstrap, TOPIC, "-X", option))

            wait_for(lambda: len(here()) == len(there), f"{isolation} records to be there", 20)
            if count is not None:
                self.assertEqual(len(there), count)
            self.assertGreater(len(there), 0)
            self.assertEqual(ledger.digest(here()), ledger.digest(there), isolation)

        # A client may not write to it.
        refused = subprocess.run(
            ["kcat", "-b", self.tokyo.bootstrap, "-t", TOPIC, "-P", "-X", "message.timeout.ms=3000"],
            input=b"mine\n", capture_output=True, timeout=30)
        self.assertNotEqual(refused.returncode, 0)
        self.assertIn(b"olicy", refused.stderr)


if __name__ == "__main__":
    main()
