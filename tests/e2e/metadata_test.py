"""All of ZooKeeper's data are lost: the cluster is rebuilt from an export and from what its brokers
have, step by step as docs/operations.md says ("When all metadata are lost")."""

import json
import shutil
import stat
import struct

import world
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka import Producer as RawProducer
from confluent_kafka.admin import AdminClient, NewTopic
from support.processes import wait_for
from support.site import Broker, run
from support.zookeeper import Zookeeper

NODES = (301, 302, 303)
FOLDER = "/isthmus/busan"
PARTITIONS = 3


class MetadataLost(world.World):
    def setUp(self):
        super().setUp()
        self.zookeeper = Zookeeper(self.tmp)
        self.addCleanup(self.zookeeper.__exit__)
        self.zookeeper.start()
        self.brokers = []
        for node in NODES:
            broker = Broker(self.tmp, "busan", 3, node, self.zookeeper.connect(FOLDER))
            self.addCleanup(broker.__exit__)
            self.brokers.append(broker.start())

    @property
    def bootstrap(self) -> str:
        return ",".join(b.bootstrap for b in self.brokers)

    def create(self, topic: str) -> None:
        admin = AdminClient({"bootstrap.servers": self.bootstrap})
        wish = NewTopic(topic, num_partitions=PARTITIONS, replication_factor=-1)
        admin.create_topics([wish])[topic].result(60)

    def write(self, topic: str, first: int, count: int) -> None:
        """All acknowledged by all that are in sync."""
        producer = RawProducer({"bootstrap.servers": self.bootstrap, "acks": "all",
                                "enable.idempotence": True})
        failed = []
        for i in range(first, first + count):
            producer.produce(topic, f"{topic} {i}", partition=i % PARTITIONS,
                             on_delivery=lambda error, _: error and failed.append(error))
        self.assertEqual(producer.flush(60), 0)
        self.assertEqual(failed, [])

    def consumer(self, **options) -> Consumer:
        consumer = Consumer({"bootstrap.servers": self.bootstrap, "group.id": "billing",
                             "enable.auto.commit": False, "auto.offset.reset": "earliest",
                             **options})
        self.addCleanup(consumer.close)
        return consumer

    def records(self, topic: str) -> dict[int, list[tuple[int, str]]]:
        """Offset and value of each record, by partition."""
        consumer = self.consumer(**{"group.id": "reader"})
        found = {}
        for partition in range(PARTITIONS):
            at = TopicPartition(topic, partition, 0)
            _, end = consumer.get_watermark_offsets(at, timeout=30)
            consumer.assign([at])
            rows = found[partition] = []
            while len(rows) < end:
                message = consumer.poll(30)
                self.assertIsNotNone(message)
                self.assertIsNone(message.error())
                rows.append((message.offset(), message.value().decode()))
        return found

    def epochs(self, broker: Broker, topic: str, partition: int) -> dict[int, int]:
        """The leader epoch of each batch in the log, by its first offset."""
        log = (broker.data / f"{topic}-{partition}" / f"{0:020}.log").read_bytes()
        found, at = {}, 0
        while at < len(log):
            offset, length, epoch = struct.unpack_from(">qii", log, at)
            found[offset] = epoch
            at += 12 + length
        return found

    def whole(self) -> bool:
        done = run("cluster", "describe", "--bootstrap-server", self.brokers[0].inside,
                   check=False)
        return done.returncode == 0

    def metadata(self, word: str, file, broker: Broker, *options, check=True):
        return run("metadata", word, file, "--config", broker.config_file, *options, check=check)

    def lose_zookeeper(self) -> None:
        self.zookeeper.kill()
        shutil.rmtree(self.tmp / "zookeeper" / "data")
        self.zookeeper.start()

    def test_the_cluster_is_rebuilt_and_everybody_goes_on(self):
        first, second, third = self.brokers
        self.create("orders")
        self.write("orders", 0, 300)
        consumer = self.consumer()
        consumer.subscribe(["orders"])
        read = [consumer.poll(60).value().decode() for _ in range(120)]
        consumer.commit(asynchronous=False)
        consumer.close()

        saved = self.tmp / "busan.metadata"
        self.metadata("export", saved, second)
        self.assertEqual(stat.S_IMODE(saved.stat().st_mode), 0o600)
        self.assertIn('"topic":"orders"', saved.read_text())

        # Since then: elections, records that only two of three have at first, and a new topic.
        third.kill()
        self.write("orders", 300, 30)
        third.start()
        wait_for(self.whole, "303 is in sync again", 90)
        first.kill()
        self.write("orders", 330, 30)
        first.start()
        self.create("late")
        self.write("late", 0, 30)
        wait_for(self.whole, "301 is in sync again", 90)
        before = self.records("orders")

        # 1. All of ZooKeeper's data are gone. The brokers stop.
        self.lose_zookeeper()
        for broker in self.brokers[:2]:
            broker.kill()
        third.process.kill()
        third.launch()
        self.assertNotEqual(third.process.child.wait(60), 0, "it founds no cluster anew")
        self.assertIn("there is none", third.process.tail())

        # 2. Each broker's logs are noted.
        logs = []
        for broker in self.brokers[1:]:
            logs += ["--logs", self.tmp / f"{broker.node_id}.logs"]
            self.metadata("survey", logs[-1], broker)
        told = self.metadata("import", saved, first, "--yes", check=False)
        self.assertEqual(told.returncode, 1)
        self.assertRegex(told.stderr, "node 30[23] has replicas of .* partitions, and nothing is "
                                      "known of its logs")
        told = self.metadata("import", saved, first, *logs, check=False)
        self.assertEqual(told.returncode, 3, "nothing is changed without --yes")

        # 3. One of them imports.
        told = self.metadata("import", saved, first, *logs, "--yes", "-o", "json")
        said = json.loads(told.stdout)
        self.assertEqual(said["incarnation"], 1)
        strangers = [note for note in said["notes"] if "is not known to the export" in note]
        self.assertEqual(len(strangers), 3 * PARTITIONS, said["notes"])
        self.assertTrue(all(note.startswith("late-") for note in strangers))
        told = self.metadata("import", saved, first, *logs, "--yes", check=False)
        self.assertEqual(told.returncode, 1)
        self.assertIn("is not empty", told.stderr)

        # 4. All start, and go on where they were.
        for broker in self.brokers:
            broker.launch()
        for broker in self.brokers:
            broker.process.wait_ready(broker.ready, 60)
        wait_for(self.whole, "all is whole", 90)
        self.assertEqual(self.records("orders"), before, "offsets and records")
        consumer = self.consumer()
        consumer.subscribe(["orders"])
        while len(read) < 360:
            message = consumer.poll(60)
            self.assertIsNotNone(message)
            read.append(message.value().decode())
        self.assertEqual(sorted(read), sorted(f"orders {i}" for i in range(360)),
                         "each once: it went on from what it had committed")
        consumer.close()

        self.write("orders", 360, 30)
        after = self.records("orders")
        for partition, rows in after.items():
            old, new = rows[:len(before[partition])], rows[len(before[partition]):]
            self.assertEqual(old, before[partition])
            self.assertEqual(len(new), 10)
            epochs = self.epochs(first, "orders", partition)
            begin = new[0][0]
            self.assertGreater(min(epoch for offset, epoch in epochs.items() if offset >= begin),
                               max(epoch for offset, epoch in epochs.items() if offset < begin))
        for broker in self.brokers:
            self.assertTrue((broker.data / "late-0").is_dir(), "it is kept")


if __name__ == "__main__":
    world.main()
