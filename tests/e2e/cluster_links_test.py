"""Links from and to clusters of three brokers, under load; brokers are killed at either end."""

import json
import time

import world
from confluent_kafka import Consumer, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic
from brokers_test import PARTITIONS, TOPIC, Load
from support import logs
from support.processes import wait_for
from support.site import Cluster, Mirror, Site, link, run


class Links(world.World):
    def cluster(self, name: str, number: int, count: int = 3):
        """Of one broker it is a site that keeps its metadata itself."""
        site = Site(self.tmp, name, number) if count == 1 else Cluster(self.tmp, name, number)
        self.addCleanup(site.__exit__)
        return site.start()

    def brokers_of(self, site) -> list:
        return site.brokers if isinstance(site, Cluster) else [site]

    def begin(self, at_source: int, at_target: int) -> None:
        self.seoul = self.cluster("seoul", 1, at_source)
        self.tokyo = self.cluster("tokyo", 2, at_target)
        admin = AdminClient({"bootstrap.servers": self.seoul.bootstrap})
        wish = NewTopic(TOPIC, num_partitions=PARTITIONS, replication_factor=-1)
        admin.create_topics([wish])[TOPIC].result(60)
        self.mirror = Mirror(self.tmp, "mirror", {"seoul-tokyo": link(self.seoul, self.tokyo)})
        self.started(self.mirror)
        self.load = Load(self.seoul.bootstrap)
        self.load.start()
        wait_for(lambda: len(self.load.acknowledged) > 1000, "it is under way", 60)
        wait_for(lambda: self.copied() > 1000, "records come across", 60)

    def partitions(self, site) -> dict:
        """As any of them tells; empty: the client asked one that is gone."""
        try:
            told = AdminClient({"bootstrap.servers": site.bootstrap}).list_topics(TOPIC, timeout=3)
        except KafkaException:
            return {}
        return told.topics[TOPIC].partitions

    def in_sync(self, site) -> bool:
        partitions = self.partitions(site)
        return len(partitions) == PARTITIONS and all(
            p.leader > 0 and len(p.isrs) == len(self.brokers_of(site)) for p in partitions.values())

    def leads_nothing(self, site, node: int) -> bool:
        partitions = self.partitions(site)
        return len(partitions) == PARTITIONS and all(p.leader not in (node, -1)
                                                     for p in partitions.values())

    def copied(self) -> int:
        """Records that the target shows."""
        return sum(self.ends(self.tokyo).values())

    def ends(self, site) -> dict[int, int]:
        consumer = Consumer({"bootstrap.servers": site.bootstrap, "group.id": "ends"})
        try:
            return {p: consumer.get_watermark_offsets(TopicPartition(TOPIC, p), timeout=5)[1]
                    for p in range(PARTITIONS)}
        except KafkaException:
            return {}
        finally:
            consumer.close()

    def commit(self, group: str, offsets: dict[int, int]) -> None:
        """At the source, for a group without members."""
        consumer = Consumer({"bootstrap.servers": self.seoul.bootstrap, "group.id": group,
                             "enable.auto.commit": False})
        wished = [TopicPartition(TOPIC, p, at) for p, at in offsets.items()]
        wait_for(lambda: self._commits(consumer, wished), f"{group} commits", 60)
        consumer.close()

    @staticmethod
    def _commits(consumer, wished) -> bool:
        try:
            consumer.commit(offsets=wished, asynchronous=False)
            return True
        except KafkaException:
            return False

    def committed(self, site, group: str) -> dict[int, int]:
        consumer = Consumer({"bootstrap.servers": site.bootstrap, "group.id": group})
        asked = [TopicPartition(TOPIC, p) for p in range(PARTITIONS)]
        try:
            return {p.partition: p.offset for p in consumer.committed(asked, timeout=10)}
        except KafkaException:
            return {}
        finally:
            consumer.close()

    def one_led_by(self, site) -> int:
        wait_for(lambda: self.in_sync(site), "all replicas are in sync", 60)
        return wait_for(lambda: self.partitions(site), "it tells of its partitions", 30)[0].leader

    def kill_and_restart(self, site, node: int) -> None:
        broker = site.broker(node)
        broker.kill()
        wait_for(lambda: self.leads_nothing(site, node), f"others lead what {node} led", 60)
        there = self.copied()
        wait_for(lambda: self.copied() > there + 500, "the mirror goes on meanwhile", 60)
        broker.start()
        wait_for(lambda: self.in_sync(site), "all replicas are in sync", 60)

    def check(self) -> None:
        """All logs of both sites are equal, and have what was acknowledged at its place."""
        self.load.end()
        self.assertEqual(self.load.errors, [])
        wait_for(lambda: self.ends(self.tokyo) == self.ends(self.seoul) != {}, "all is copied", 60)
        for site in (self.seoul, self.tokyo):
            wait_for(lambda: self.in_sync(site), "all replicas are in sync", 60)
        folders = [b.data for site in (self.seoul, self.tokyo) for b in self.brokers_of(site)]
        originals = logs.partitions(folders[0], TOPIC)
        self.assertEqual(len(originals), PARTITIONS)
        ends = self.ends(self.seoul)
        for data in folders[1:]:
            copies = logs.partitions(data, TOPIC)
            for number, original in originals.items():
                self.assertEqual(logs.hold_prefix(original, copies[number]), ends[number], data)
        self.assertEqual(logs.hold_prefix(originals[0], originals[0]), ends[0])
        there = self.read(self.tokyo)
        missing = [place for place, value in self.load.acknowledged.items()
                   if there.get(place) != value]
        self.assertEqual(missing[:5], [])
        self.assertEqual(len(set(there.values())), len(there), "some record is there twice")
        print(f"    {len(there)} records at both")

    def read(self, site) -> dict[tuple[int, int], bytes]:
        consumer = Consumer({"bootstrap.servers": site.bootstrap, "group.id": "check",
                             "enable.partition.eof": True, "auto.offset.reset": "earliest"})
        consumer.assign([TopicPartition(TOPIC, p, 0) for p in range(PARTITIONS)])
        there, ended = {}, set()
        deadline = time.monotonic() + 60
        while len(ended) < PARTITIONS and time.monotonic() < deadline:
            message = consumer.poll(1)
            if message is None:
                continue
            if message.error() is not None:
                ended.add(message.partition())
                continue
            there[(message.partition(), message.offset())] = message.value()
        consumer.close()
        self.assertEqual(len(ended), PARTITIONS)
        return there

    def hold_groups(self) -> None:
        groups = {f"team-{n}": {p: n + p for p in range(PARTITIONS)} for n in range(12)}
        for group, offsets in groups.items():
            self.commit(group, offsets)
        for group, offsets in groups.items():
            wait_for(lambda: self.committed(self.tokyo, group) == offsets, f"{group} crosses", 60)

    def describe(self) -> dict:
        said = run("link", "describe", "seoul-tokyo", "--config", self.mirror.config_file,
                   "-o", "json", check=False)
        self.assertIn(said.returncode, (0, 2), said.stderr)
        return json.loads(said.stdout)

    def test_records_and_groups_cross_between_clusters_of_three(self):
        self.begin(3, 3)
        self.hold_groups()
        self.check()
        wait_for(lambda: self.describe()["lag_records"] == 0, "its lag is told to be none", 30)
        view = self.describe()
        self.assertEqual([t["topic"] for t in view["topics"]], [TOPIC])
        self.assertGreaterEqual(set(view["groups"]), {f"team-{n}" for n in range(12)})

    def test_records_and_groups_cross_from_one_broker_to_three(self):
        self.begin(1, 3)
        self.hold_groups()
        self.check()

    def test_records_and_groups_cross_from_three_brokers_to_one(self):
        self.begin(3, 1)
        self.hold_groups()
        self.check()

    def test_brokers_and_the_mirror_are_killed_and_nothing_is_lost(self):
        self.begin(3, 3)
        for site in (self.tokyo, self.seoul, self.tokyo, self.seoul):
            self.kill_and_restart(site, self.one_led_by(site))
        self.mirror.kill()
        time.sleep(1)
        self.mirror.start()
        self.hold_groups()
        self.check()


if __name__ == "__main__":
    world.main()
