"""Brokers that come and go under load: a fourth joins, partitions move by Kafka's own tools, one is
drained and removed."""

import json

import brokers_test
import world
from confluent_kafka.admin import AdminClient, NewTopic
from support.kafka import run_tool
from support.processes import wait_for
from support.site import Broker, run
from support.zookeeper import Zookeeper

NODES = brokers_test.NODES
JOINS = 304
TOPIC, PARTITIONS = brokers_test.TOPIC, brokers_test.PARTITIONS
REASSIGN = "org.apache.kafka.tools.reassign.ReassignPartitionsCommand"
ELECT = "org.apache.kafka.tools.LeaderElectionCommand"


class Moving(world.World):
    partitions = brokers_test.Brokers.partitions
    check = brokers_test.Brokers.check
    leads_nothing = brokers_test.Brokers.leads_nothing

    def setUp(self):
        super().setUp()
        self.zookeeper = Zookeeper(self.tmp)
        self.addCleanup(self.zookeeper.__exit__)
        self.zookeeper.start()
        self.brokers = {}
        for node in NODES:
            self.add(node).start()
        self.bootstrap = ",".join(b.bootstrap for b in self.brokers.values())
        wish = NewTopic(TOPIC, num_partitions=PARTITIONS, replication_factor=-1)
        admin = AdminClient({"bootstrap.servers": self.bootstrap})
        admin.create_topics([wish])[TOPIC].result(60)
        wait_for(lambda: self.are_held_by(NODES), "all replicas are in sync", 60)
        self.load = brokers_test.Load(self.bootstrap)
        self.load.start()
        wait_for(lambda: len(self.load.acknowledged) > 1000, "it is under way", 60)

    def add(self, node: int) -> Broker:
        broker = Broker(self.tmp, "busan", 3, node, self.zookeeper.connect("/isthmus"))
        self.addCleanup(broker.__exit__)
        self.brokers[node] = broker
        return broker

    def are_held_by(self, nodes, index: int | None = None) -> bool:
        """All partitions, or one, have exactly these replicas, and all of them are in sync."""
        told = self.partitions()
        return len(told) == PARTITIONS and all(
            set(p.replicas) == set(p.isrs) == set(nodes) and p.leader in nodes
            for p in told.values() if index in (None, p.id))

    def cluster(self, command: str, *args) -> tuple[int, str]:
        inside = self.brokers[302].inside
        done = run("cluster", command, *args, "--bootstrap-server", inside, check=False)
        return done.returncode, done.stdout + done.stderr

    def tool(self, main_class: str, *args) -> str:
        return run_tool(main_class, "--bootstrap-server", self.brokers[302].bootstrap,
                        *args).stdout.decode()

    def folders(self, node: int) -> list:
        return sorted(self.brokers[node].data.glob(f"{TOPIC}-*"))

    def test_a_fourth_joins_and_one_is_drained_and_removed(self):
        self.add(JOINS).start()
        wait_for(lambda: self.are_held_by((*NODES, JOINS)), "the fourth has everything", 90)
        wait_for(lambda: self.cluster("describe")[0] == 0, "all is whole", 60)

        code, said = self.cluster("remove", "301")
        self.assertEqual(code, 3)
        self.assertIn("broker 301 is alive", said)
        code, said = self.cluster("drain", "301")
        self.assertEqual(code, 0, said)
        # As any broker tells: each hears of it a moment after the one that was asked.
        wait_for(lambda: self.leads_nothing(301), "301 leads nothing")
        code, said = self.cluster("drain", "301", "--replicas")
        self.assertEqual(code, 0, said)
        left = (302, 303, JOINS)
        wait_for(lambda: self.are_held_by(left), "301 has nothing", 90)
        wait_for(lambda: not self.folders(301), "nor on its disk", 60)
        self.assertEqual(len(self.folders(JOINS)), PARTITIONS)
        self.brokers[301].stop()
        # Until the others have heard of its end it is alive.
        wait_for(lambda: self.cluster("remove", "301")[0] == 0, "301 is removed")
        wait_for(lambda: self.is_whole_without("301"), "all is whole without 301")
        self.check()

        # As a new one it joins again.
        self.brokers[301].start()
        wait_for(lambda: self.are_held_by((*NODES, JOINS)), "301 is back, with everything", 90)

    def is_whole_without(self, node: str) -> bool:
        code, said = self.cluster("describe")
        return code == 0 and node not in said.split("OK")[1].split("partitions:")[0]

    def test_a_join_is_throttled_and_its_progress_is_told(self):
        wait_for(lambda: len(self.load.acknowledged) > 10_000, "there is something to copy", 60)
        self.load.end()
        fourth = self.add(JOINS)
        fourth.config["broker"]["reassignment.bandwidth"] = 5_000
        fourth.start()
        told: list[tuple[int, int]] = []

        def has_joined() -> bool:
            said = json.loads(run("cluster", "describe", "-o", "json", "--bootstrap-server",
                                  self.brokers[302].inside, check=False).stdout)
            told.append((said["joining"], said["bytes_to_go"]))
            return self.are_held_by((*NODES, JOINS))
        wait_for(lambda: not has_joined() and told[-1][1] > 0, "something is on the way", 30)
        self.assertIn("on the way to brokers that have yet to get them",
                      self.cluster("describe")[1])
        # The pages are made anew every now and then; what is told is noted meanwhile.
        wait_for(lambda: not has_joined() and any(
            self.brokers[node].status()["reassignments"]["bytes_to_go"] for node in NODES),
                 "their status says so", 30)
        wait_for(has_joined, "the fourth has everything", 180, every_s=0.5)
        to_go = [most for _, most in told if most]
        self.assertGreater(to_go[0], to_go[-1], "it has come nearer")
        self.assertGreater(len(to_go), 3, "and not at once")
        self.check()

    def test_kafkas_own_tools_move_partitions_and_leaders(self):
        self.add(JOINS).start()
        wait_for(lambda: self.are_held_by((*NODES, JOINS)), "the fourth has everything", 90)
        plan = self.tmp / "plan.json"
        plan.write_text(json.dumps({"version": 1, "partitions": [
            {"topic": TOPIC, "partition": 0, "replicas": [JOINS, 302]},
            {"topic": TOPIC, "partition": 1, "replicas": [303, JOINS, 302]}]}))
        said = self.tool(REASSIGN, "--reassignment-json-file", plan, "--execute",
                         "--throttle", "50000000")
        self.assertIn("Successfully started partition reassignments", said)
        wait_for(lambda: self.are_held_by((302, JOINS), 0), "orders-0 has moved", 90)
        wait_for(lambda: self.are_held_by((302, 303, JOINS), 1), "orders-1 has moved", 90)
        wait_for(lambda: f"Reassignment of partition {TOPIC}-0 is completed" in self.tool(
            REASSIGN, "--reassignment-json-file", plan, "--verify"), "the tool knows it", 60)
        wait_for(lambda: "No partition reassignments found" in self.tool(REASSIGN, "--list"),
                 "no more are under way", 60)
        self.tool(ELECT, "--election-type", "preferred", "--all-topic-partitions")
        wait_for(lambda: (told := self.partitions()) and told[0].leader == JOINS,
                 f"{JOINS} leads", 60)
        self.check()


if __name__ == "__main__":
    world.main()
