"""isthmus cluster describe: what an operator sees of three brokers, and of one that is gone."""

import json

import world
from confluent_kafka.admin import AdminClient, NewTopic
from support.processes import wait_for
from support.site import Broker, Site, run
from support.zookeeper import Zookeeper

NODES = (301, 302, 303)
PARTITIONS = 6


class ClusterCommand(world.World):
    def describe(self, server: str, *options) -> tuple[int, dict]:
        done = run("cluster", "describe", "--bootstrap-server", server, "-o", "json", *options,
                   check=False)
        return done.returncode, json.loads(done.stdout) if done.stdout else {}

    def create(self, bootstrap: str) -> None:
        wish = NewTopic("orders", num_partitions=PARTITIONS, replication_factor=-1)
        admin = AdminClient({"bootstrap.servers": bootstrap})
        admin.create_topics([wish])["orders"].result(60)

    def broker_in(self, told: dict, node: int) -> dict:
        return next(b for b in told["brokers"] if b["node_id"] == node)

    def is_fenced(self, told: dict, node: int) -> bool:
        """And others lead what it led."""
        fenced = told and self.broker_in(told, node)["state"] == "fenced"
        return fenced and (told["under_replicated"], told["without_leader"]) == (PARTITIONS, 0)

    def wait_counted(self, brokers: list[Broker], metric: str, sum_of_all: int) -> None:
        wait_for(lambda: sum(b.metric(metric) for b in brokers) == sum_of_all,
                 f"{metric} is {sum_of_all} in all", 60)

    def test_one_of_three_killed_is_told_with_what_to_do(self):
        zookeeper = Zookeeper(self.tmp)
        self.addCleanup(zookeeper.__exit__)
        zookeeper.start()
        brokers = []
        for node in NODES:
            broker = Broker(self.tmp, "busan", 3, node, zookeeper.connect("/isthmus"))
            self.addCleanup(broker.__exit__)
            brokers.append(broker.start())
        self.create(brokers[0].bootstrap)
        first, second = brokers[0], brokers[1]
        wait_for(lambda: self.describe(second.inside)[0] == 0, "all is whole", 60)
        _, told = self.describe(second.inside)
        self.assertEqual([b["node_id"] for b in told["brokers"]], list(NODES))
        self.assertEqual([b["address"] for b in told["brokers"]], [b.inside for b in brokers])
        self.assertEqual(sum(b["controller"] for b in told["brokers"]), 1)
        self.assertEqual(sum(b["leads"] for b in told["brokers"]), PARTITIONS)
        # Each counts what it has heard.
        self.wait_counted(brokers, "kafka_server_replicamanager_leadercount", PARTITIONS)
        self.wait_counted(brokers, "kafka_controller_kafkacontroller_activecontrollercount", 1)

        first.kill()
        wait_for(lambda: self.is_fenced(self.describe(second.inside)[1], 301), "301 is fenced", 60)
        code, told = self.describe(second.inside, "--partitions")
        self.assertEqual(code, 2)
        self.assertFalse(told["whole"])
        self.assertEqual(told["under_replicated"], PARTITIONS)
        self.assertEqual(told["without_leader"], 0)
        self.assertEqual(told["below_min_insync_replicas"], 0)
        self.assertEqual(len(told["not_whole"]), PARTITIONS)
        gone = self.broker_in(told, 301)
        self.assertEqual((gone["leads"], gone["in_sync"], gone["behind"], gone["starts"]),
                         (0, 0, PARTITIONS, 1))
        self.assertEqual(gone["address"], first.inside)
        said = run("cluster", "describe", "--config", second.config_file, check=False)
        self.assertEqual(said.returncode, 2)
        self.assertIn("DEGRADED: 1 of 3 brokers not serving", said.stdout)
        self.assertRegex(said.stdout, rf"\n +301  127.0.0.1:\d+ +1  fenced +0 +0/{PARTITIONS}")
        self.assertIn("bring back 301", said.stdout)
        self.wait_counted(brokers[1:], "kafka_server_replicamanager_underreplicatedpartitions",
                          PARTITIONS)
        self.wait_counted(brokers[1:], "kafka_server_replicamanager_isrshrinks_total", PARTITIONS)

        # At the listener for clients, it is what any Kafka tells.
        code, told = self.describe(second.bootstrap)
        self.assertEqual((code, told["tells_of_all"]), (2, False))
        self.assertEqual(self.broker_in(told, 301)["state"], "away")
        # Of who is not there nothing is known.
        self.assertEqual(self.describe(first.inside), (1, {}))

        first.start()
        wait_for(lambda: self.describe(second.inside)[0] == 0, "all is whole again", 60)
        wait_for(lambda: self.broker_in(self.describe(first.inside)[1], 301)["starts"] == 2,
                 "301 knows of its second start")

    def test_a_cluster_of_one_is_whole(self):
        site = Site(self.tmp, "alone", 5)
        self.addCleanup(site.__exit__)
        site.start()
        self.create(site.bootstrap)
        code, told = self.describe(site.inside)
        self.assertEqual((code, told["cluster"], told["whole"]), (0, "alone", True))
        [broker] = told["brokers"]
        self.assertEqual((broker["state"], broker["controller"], broker["leads"]),
                         ("serving", True, PARTITIONS))


if __name__ == "__main__":
    world.main()
