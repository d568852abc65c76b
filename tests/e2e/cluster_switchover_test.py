"""Switchovers between clusters of three brokers, under load through a router: there and back, with
a leader killed in the middle, and a failover with the way back. Nothing is lost, doubled or
re-ordered."""

import json
import threading
import time

import world
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient, NewTopic
from support import ledger
from support.client import Member
from support.processes import wait_for
from support.site import Cluster, Router, cluster
from world import UnderLoad, identities

PARTITIONS = 6


class ClusterSwitchover(UnderLoad):
    def setUp(self):
        world.World.setUp(self)
        self.seoul, self.tokyo = Cluster(self.tmp, "seoul", 1), Cluster(self.tmp, "tokyo", 2)
        for each in (self.seoul, self.tokyo):
            self.addCleanup(each.__exit__)
            each.start()
        clusters = {each.name: cluster(each) for each in (self.seoul, self.tokyo)}
        self.clusters = self.tmp / "clusters.yaml"
        self.clusters.write_text(json.dumps(Router(self.tmp, "corp", clusters).config))
        self.mirrors = {}
        admin = AdminClient({"bootstrap.servers": self.seoul.bootstrap})
        wish = NewTopic("orders", num_partitions=PARTITIONS, replication_factor=-1)
        admin.create_topics([wish])["orders"].result(60)
        for name in ("seoul-tokyo", "tokyo-seoul"):
            self.start_mirror(name)
        self.router = self.start_router()
        self.sent = 0

    def leader_at(self, site: Cluster, partition: int = 0) -> int:
        told = AdminClient({"bootstrap.servers": site.bootstrap}).list_topics("orders", timeout=30)
        return told.topics["orders"].partitions[partition].leader

    def in_sync(self, site: Cluster) -> bool:
        try:
            admin = AdminClient({"bootstrap.servers": site.bootstrap})
            partitions = admin.list_topics("orders", timeout=5).topics["orders"].partitions.values()
        except KafkaException:  # it asked one that is gone
            return False
        return len(partitions) == PARTITIONS and all(
            p.leader > 0 and len(p.isrs) == len(site.brokers) for p in partitions)

    def test_there_and_back_with_a_producer_and_a_group(self):
        self.begin()
        member = Member(self.router.bootstrap, "billing", "orders")
        self.addCleanup(member.kill)
        wait_for(lambda: self.send(1) or len(member.records) > 1000, "the group reads", 60)
        for source, target in (("seoul", "tokyo"), ("tokyo", "seoul")):
            self.keep_sending(1)
            self.wait_ready(source, target)
            self.switch_over(source, target)
            self.keep_sending(2)
        self.hold_nothing_lost(self.seoul.bootstrap)
        expected = {("p", i) for i in range(self.sent)}
        wait_for(lambda: set(identities(member.records)) == expected, "the group has it all", 60)
        member.leave()
        # It moved with its member, who lived on in its generation at what it had read.
        self.assertEqual(member.assignments, 1, list(member.said))
        self.assertEqual(len(member.records), len(expected))
        self.wait_mirrored("seoul-tokyo")
        self.assertEqual(self.digests(self.tokyo.bootstrap, "orders"),
                         self.digests(self.seoul.bootstrap, "orders"))

    def kill_in_the_middle(self, site: Cluster, after_s: float) -> None:
        """It is given up, or goes forward; and whatever became of it, it can be done again."""
        victim = site.broker(self.leader_at(site))
        moving = threading.Thread(target=self.switch_over, args=("seoul", "tokyo"),
                                  kwargs={"allowed": (0, 1, 2, 3)})
        moving.start()
        time.sleep(after_s)
        victim.kill()
        while moving.is_alive():
            self.keep_sending(0.1)
        moving.join()
        self.keep_sending(1)
        victim.start()
        wait_for(lambda: self.in_sync(site), "all replicas are in sync", 60)
        self.keep_sending(1)

    def test_a_leader_dies_in_the_middle_at_either_end(self):
        self.begin()
        for site, after_s in ((self.seoul, 0.1), (self.tokyo, 0.1), (self.seoul, 0.3),
                              (self.tokyo, 0.3)):
            self.kill_in_the_middle(site, after_s)
            if self.writer() == "tokyo":
                self.wait_ready("tokyo", "seoul")
                self.switch_over("tokyo", "seoul")
            self.wait_ready("seoul", "tokyo")
        self.switch_over("seoul", "tokyo")
        self.keep_sending(1)
        self.hold_nothing_lost(self.tokyo.bootstrap)

    def test_a_failover_and_the_way_back(self):
        self.begin()
        self.wait_mirrored("seoul-tokyo")
        for broker in self.seoul.brokers:
            broker.kill()
        self.command("failover", "--from", "seoul", "--to", "tokyo")
        self.keep_sending(3)
        for broker in self.seoul.brokers:
            broker.start()
        # Until then a partition may be led by nobody, and is not reversed.
        wait_for(lambda: self.in_sync(self.seoul), "all replicas are in sync", 60)
        self.command("link", "reverse", "tokyo-seoul")
        self.wait_mirrored("tokyo-seoul")
        self.keep_sending(1)
        self.wait_ready("tokyo", "seoul")
        self.switch_over("tokyo", "seoul")
        self.keep_sending(1)
        self.steady.flush_and_close(deadline_s=90)
        here = set(identities(ledger.read(self.seoul.bootstrap, "orders")))
        self.assertEqual(self.steady.where.keys() - here, set(), "acknowledged, and not there")


if __name__ == "__main__":
    world.main()
