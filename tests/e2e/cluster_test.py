"""Several brokers of one cluster over a real ZooKeeper."""

import subprocess
import time
import urllib.error
import urllib.request

import world
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient, NewTopic
from support.processes import wait_for
from support.site import Broker, Site
from support.zookeeper import Zookeeper

FOLDER = "/isthmus/busan"
NODES = (301, 302, 303)


class Cluster(world.World):
    def setUp(self):
        super().setUp()
        self.zookeeper = Zookeeper(self.tmp)
        self.addCleanup(self.zookeeper.__exit__)

    def broker(self, node: int, folder: str = FOLDER, cluster: str = "busan", number: int = 3,
               **options) -> Broker:
        broker = Broker(self.tmp, cluster, number, node, self.zookeeper.connect(folder), **options)
        self.addCleanup(broker.__exit__)
        return broker

    def start_three(self) -> list[Broker]:
        self.zookeeper.start()
        return [self.broker(node).start() for node in NODES]

    def nodes_at(self, broker: Broker) -> dict[int, str]:
        told = AdminClient({"bootstrap.servers": broker.bootstrap}).list_topics(timeout=30)
        return {node: f"{b.host}:{b.port}" for node, b in told.brokers.items()}

    def create(self, broker: Broker, topic: str, **options) -> None:
        wish = NewTopic(topic, num_partitions=3, replication_factor=-1)
        admin = AdminClient({"bootstrap.servers": broker.bootstrap})
        admin.create_topics([wish], **options)[topic].result(60)

    def knows(self, broker: Broker, topic: str) -> bool:
        told = AdminClient({"bootstrap.servers": broker.bootstrap}).list_topics(timeout=30)
        return topic in told.topics and len(told.topics[topic].partitions) == 3

    def refused(self, broker: Broker) -> str:
        """Why it does not start."""
        broker.launch()
        code = broker.process.child.wait(60)
        self.assertNotEqual(code, 0)
        return broker.process.tail()

    def test_three_brokers_are_one_cluster(self):
        brokers = self.start_three()
        all_of_them = {b.node_id: b.bootstrap for b in brokers}
        # Each hears of a newcomer by ZooKeeper's watch, a moment after the newcomer serves.
        for broker in brokers:
            wait_for(lambda: self.nodes_at(broker) == all_of_them, f"all at {broker.node_id}", 30)
        listed = subprocess.run(["kcat", "-L", "-b", brokers[1].bootstrap], capture_output=True,
                                text=True, timeout=60, check=True).stdout
        self.assertIn("3 brokers:", listed)
        for broker in brokers:
            topic = f"made-at-{broker.node_id}"
            self.create(broker, topic)
            for other in brokers:
                wait_for(lambda: self.knows(other, topic), f"{topic} at {other.node_id}", 30)
        wait_for(lambda: brokers[0].status()["brokers"] == 3, "its status says so", 30)
        # Who stops is not told of, and comes back.
        brokers[0].stop()
        wait_for(lambda: len(self.nodes_at(brokers[1])) == 2, "301 is gone", 30)
        brokers[0].start()
        wait_for(lambda: self.nodes_at(brokers[2]) == all_of_them, "301 is back", 30)
        wait_for(lambda: self.knows(brokers[0], "made-at-303"), "made-at-303 at 301", 30)

    def test_a_killed_broker_comes_back_before_its_session_ends(self):
        self.zookeeper.start()
        first, second = (self.broker(node, session_ms=10_000).start() for node in NODES[:2])

        def is_back_before() -> bool:
            first.kill()
            begun = time.monotonic()
            first.start()
            # A session of which a third may have passed would end later.
            return time.monotonic() - begun < 6
        # Once more where the machine stood still meanwhile.
        self.assertTrue(any(is_back_before() for _ in range(3)))
        wait_for(lambda: len(self.nodes_at(second)) == 2, "both serve", 30)

    def test_who_is_not_of_this_cluster_is_refused_by_name(self):
        brokers = self.start_three()
        self.create(brokers[0], "orders")

        twin = self.broker(302, name="twin")
        said = self.refused(twin)
        self.assertIn(f"node.id 302 is in use by the broker at {brokers[1].bootstrap}", said)

        stranger = self.broker(304, cluster="daegu", number=4)
        said = self.refused(stranger)
        self.assertIn("belongs to cluster busan (number 3), the configuration says daegu "
                      "(number 4)", said)

        # A data directory of this cluster, in a folder where there is none, and another's.
        brokers[0].stop()
        metadata = brokers[0].config["broker"]["metadata"]
        metadata["zookeeper.connect"] = self.zookeeper.connect("/elsewhere")
        said = self.refused(brokers[0])
        self.assertIn("log.dirs belong to cluster", said)
        self.assertIn("there is none", said)
        self.broker(401, folder="/elsewhere", cluster="daegu", number=4).start()
        brokers[0].config["cluster"] = {"name": "daegu", "number": 4}
        self.assertIn("there is cluster", self.refused(brokers[0]))

        # Another node's directory.
        brokers[0].config["cluster"] = {"name": "busan", "number": 3}
        metadata["zookeeper.connect"] = self.zookeeper.connect(FOLDER)
        brokers[0].config["broker"]["node.id"] = 305
        said = self.refused(brokers[0])
        self.assertIn("node 301", said)
        self.assertIn("node.id 305", said)
        brokers[0].config["broker"]["node.id"] = 301
        brokers[0].start()

        # A cluster of one does not become a broker of many by a line in its file.
        alone = Site(self.tmp, "alone", 5)
        self.addCleanup(alone.__exit__)
        alone.start().stop()
        alone.config["broker"]["metadata"] = {"zookeeper.connect": self.zookeeper.connect("/new")}
        self.assertIn("holds the metadata of a cluster of one broker", self.refused(alone))
        # None of them has left anything.
        wait_for(lambda: set(self.nodes_at(brokers[1])) == set(NODES), "the three, and no more", 30)

    def test_what_two_brokers_have_otherwise_is_named_before_anything_is_written(self):
        self.zookeeper.start()
        first, second = (self.broker(node) for node in NODES[:2])
        first.config["broker"]["default.replication.factor"] = 3
        second.config["broker"]["default.replication.factor"] = 2
        first.start()
        second.start()
        wait_for(lambda: set(self.nodes_at(first)) == {301, 302}, "both serve", 30)
        said = second.process.log.read_text()
        differs = "default.replication.factor differs: 2 here, 3 at node 301"
        self.assertIn(differs, said)
        self.assertLess(said.index(differs), said.index("a majority of two is both"))

    def test_a_data_directory_that_went_missing_is_named(self):
        self.zookeeper.start()
        first, second = (self.broker(node).start() for node in NODES[:2])
        self.create(first, "orders")
        second.stop()
        second.data.rename(second.data.with_name("unmounted"))
        second.start()
        self.assertIn("the data of node 302 are in directory", second.process.log.read_text())
        wait_for(lambda: self.knows(second, "orders"), "it has them again", 60)

    def test_a_password_keeps_others_out(self):
        self.zookeeper.start()
        secret = self.tmp / "secret"
        secret.write_text("s3cret\n")
        secret.chmod(0o600)
        owner, other = self.broker(301), self.broker(302)
        log_in = {"username": "isthmus", "password": {"file": str(secret)}}
        owner.config["broker"]["metadata"] |= log_in
        owner.start()
        said = self.refused(other)
        self.assertIn("zookeeper: ", said)
        self.assertIn("not authenticated", said)
        other.config["broker"]["metadata"] |= log_in
        other.start()
        wait_for(lambda: len(self.nodes_at(owner)) == 2, "both serve", 30)
        self.assertNotIn("s3cret", owner.process.log.read_text())

    def not_ready(self, broker: Broker) -> str:
        try:
            return urllib.request.urlopen(broker.admin_url("/readyz"), timeout=20).read().decode()
        except urllib.error.HTTPError as answer:
            return answer.read().decode()
        except OSError:
            return ""

    def test_zookeeper_may_come_late_and_be_away(self):
        broker = self.broker(301)
        broker.launch()
        wait_for(lambda: "ZooKeeper at 127.0.0.1" in self.not_ready(broker), "it says why", 60)
        self.assertIn("does not answer", broker.process.log.read_text())
        # Who waits can be stopped in order.
        self.assertEqual(broker.process.stop(), 0)
        broker.launch()
        self.zookeeper.start()
        broker.process.wait_ready(broker.ready, 60)
        self.create(broker, "orders")
        self.zookeeper.kill()
        wait_for(lambda: "ZooKeeper does not answer" in broker.http("/readyz"), "degraded", 60)
        self.assertTrue(self.knows(broker, "orders"))
        with self.assertRaises(KafkaException) as refused:
            self.create(broker, "wine", operation_timeout=2, request_timeout=60)
        # Whether it will have been made is not known: the broker may be asking still.
        self.assertEqual(refused.exception.args[0].name(), "REQUEST_TIMED_OUT")
        self.zookeeper.start()
        wait_for(lambda: "degraded" not in broker.http("/readyz"), "connected", 60)
        self.create(broker, "beer")

    def test_a_broker_whose_session_was_lost_ends(self):
        self.zookeeper.start()
        first, second = (self.broker(node).start() for node in NODES[:2])
        first.process.pause()
        wait_for(lambda: set(self.nodes_at(second)) == {302}, "301 is fenced", 60)
        first.process.resume()
        self.assertNotEqual(first.process.child.wait(60), 0)
        self.assertIn("the session with ZooKeeper is lost", first.process.tail())
        first.start()
        wait_for(lambda: set(self.nodes_at(second)) == {301, 302}, "301 is back", 60)


if __name__ == "__main__":
    world.main()
