"""A mirror from a real Apache Kafka: identical offsets, its transactional batches, markers and
aborted records included, as stock clients of both isolation levels read them."""

import json
import subprocess

import world
from support import ledger, site, testing
from support.kafka import Kafka
from support.client import Producer
from support.processes import wait_for
from support.site import Mirror
from world import marked

TRANSACTIONS = """
import sys
from confluent_kafka import Producer
bootstrap, topic = sys.argv[1:3]
producer = Producer({"bootstrap.servers": bootstrap, "transactional.id": "t", "linger.ms": 1})
producer.init_transactions()
for number in range(20):
    producer.begin_transaction()
    for i in range(50):
        producer.produce(topic, b"t%d:%d:x" % (number, i), key=b"%d" % i)
    producer.flush()
    producer.abort_transaction() if number % 3 == 0 else producer.commit_transaction()
"""


class FromKafka(world.World):
    def test_offsets_are_identical_with_transactions_and_aborts(self):
        testing.need(testing.PEERS / "kafka.stamp", "./dev test fetches Apache Kafka")
        python = testing.need(testing.PEERS / "python" / "bin" / "python", "./dev test makes it")
        source = Kafka(self.tmp / "kafka", num_partitions=4)
        self.addCleanup(source.__exit__)
        source.start()
        tokyo = self.site("tokyo", 2)
        mirror = Mirror(self.tmp, "mirror", {"kafka-tokyo": {
            "mode": "preserve", "source": {"bootstrap.servers": source.bootstrap},
            "target": {"bootstrap.servers": tokyo.inside}, "topics": "orders"}})
        self.started(mirror)
        with Producer(source.bootstrap, "orders") as producer:
            producer.send(marked("plain", 0, 5000))
            producer.flush_and_close()
        subprocess.run([python, "-c", TRANSACTIONS, source.bootstrap, "orders"], check=True,
                       timeout=120)
        for isolation in ("read_uncommitted", "read_committed"):
            wanted = self.isolated(source.bootstrap, isolation)
            wait_for(lambda: self.isolated(tokyo.bootstrap, isolation) == wanted,
                     f"tokyo reads as Kafka does, {isolation}", 60, 0.5)
        everything = self.isolated(source.bootstrap, "read_uncommitted")
        committed = self.isolated(source.bootstrap, "read_committed")
        self.assertEqual(sum(d.records for d in everything.values()), 5000 + 20 * 50)
        self.assertEqual(sum(d.records for d in committed.values()), 5000 + 13 * 50)
        # To move for good, the producers being stopped: offsets go on where the Kafka's ended.
        done = site.run("link", "promote", "kafka-tokyo", "--drained", "-o", "json",
                        "--config", mirror.config_file)
        ends = {p["partition"]: p for p in json.loads(done.stdout)["topics"][0]["partitions"]}
        self.assertEqual({p: end["next_offset"] for p, end in ends.items()},
                         {p: end["source_end_offset"] for p, end in ends.items()})
        with Producer(tokyo.bootstrap, "orders") as producer:
            producer.send(marked("moved", 0, 1000))
            producer.flush_and_close()
        for p, end in ends.items():
            self.assertEqual(min(o for q, o in producer.acked if q == p), end["next_offset"])

    def isolated(self, bootstrap: str, isolation: str) -> dict[int, ledger.Digest]:
        try:
            return ledger.digest(ledger.read(bootstrap, "orders", "-X",
                                             f"isolation.level={isolation}"))
        except world.Failed:
            return {}  # not there yet


if __name__ == "__main__":
    world.main()
