"""A router before a site of three brokers, whose leaders die, stand still and restart in turn.

Clients are stock and know the router's address alone. A broker's death is an election to them, as
it is without a router: no record is lost or doubled, and what they say to their application is no
error. The router's ports go on answering, that of the dead broker too.
"""

import subprocess
import threading
import time

import world
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient, NewTopic
from support import ledger
from support.client import Member
from support.processes import wait_for
from support.site import Cluster

TOPIC = "orders"
PARTITIONS = 6


class Administrator(threading.Thread):
    """Creates topics and lists groups, one after the other, and notes what failed."""

    def __init__(self, bootstrap: str):
        super().__init__(daemon=True)
        self.admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 0,
                                  "reconnect.backoff.max.ms": 200})
        self.over = threading.Event()
        self.created: list[str] = []
        self.errors: list[str] = []

    def run(self) -> None:
        while not self.over.is_set():
            name = f"made-{len(self.created)}"
            try:
                self.admin.create_topics([NewTopic(name, 1, -1)])[name].result(60)
            except KafkaException as failure:
                if failure.args[0].name() == "_TRANSPORT":  # a broker died over it: not an answer
                    continue
                if failure.args[0].name() != "TOPIC_ALREADY_EXISTS":  # it was asked for before
                    self.errors.append(f"create {name}: {failure}")
                    continue
            self.created.append(name)
            try:
                self.admin.list_groups(timeout=30)
            except KafkaException as failure:
                # Whose groups nobody else knows, until others have taken them over.
                if failure.args[0].name() != "COORDINATOR_NOT_AVAILABLE":
                    self.errors.append(f"list groups: {failure}")
            self.over.wait(0.2)

    def end(self) -> None:
        self.over.set()
        self.join(90)


class ClusterRouter(world.World):
    def setUp(self):
        super().setUp()
        self.seoul = Cluster(self.tmp, "seoul", 1)
        self.addCleanup(self.seoul.__exit__)
        self.seoul.start()
        self.router = self.started(world.Router(self.tmp, "corp",
                                                {"seoul": world.cluster(self.seoul)}))
        self.admin = AdminClient({"bootstrap.servers": self.router.bootstrap, "log_level": 0})
        self.admin.create_topics([NewTopic(TOPIC, PARTITIONS, -1)])[TOPIC].result(60)
        wait_for(self.in_sync, "all replicas are in sync", 60)
        self.sent = 0

    def begin(self) -> None:
        """A producer, a member of a group and an administrator, for as long as the case lasts."""
        self.steady = self.producer(self.router.bootstrap, TOPIC, reconnect_backoff_max_ms=200)
        self.member = Member(self.router.bootstrap, "team", TOPIC, reconnect_backoff_max_ms=200)
        self.addCleanup(self.member.kill)
        self.over = threading.Event()
        self.sending = threading.Thread(target=self.keep_sending, daemon=True)
        self.sending.start()
        self.addCleanup(self.over.set)
        wait_for(lambda: len(self.member.records) > 500, "the group reads", 60)
        self.administrator = Administrator(self.router.bootstrap)
        self.administrator.start()
        self.addCleanup(self.administrator.over.set)
        self.steady.silences.restart()
        self.member.silences.restart()

    def keep_sending(self) -> None:
        while not self.over.is_set():
            self.steady.send(world.marked("p", self.sent, 10))
            self.sent += 10
            time.sleep(0.01)

    def partitions(self) -> dict:
        try:
            told = self.admin.list_topics(TOPIC, timeout=5)
        except KafkaException:
            return {}
        return told.topics[TOPIC].partitions

    def in_sync(self) -> bool:
        partitions = self.partitions()
        return len(partitions) == PARTITIONS and all(
            p.leader > 0 and len(p.isrs) == 3 for p in partitions.values())

    def leads_nothing(self, node: int) -> bool:
        partitions = self.partitions()
        return len(partitions) == PARTITIONS and all(p.leader not in (node, -1)
                                                     for p in partitions.values())

    def leader(self) -> int:
        """Of the first partition."""
        return wait_for(self.partitions, "the router tells of the partitions", 30)[0].leader

    def check(self) -> None:
        """What was sent is there once, in order, where its acknowledgement said; the group has been
        given all of it; nobody was told of an error."""
        self.stood_still = self.steady.silences.longest_s, self.member.silences.longest_s
        self.over.set()
        self.sending.join(60)
        self.administrator.end()
        # A transport error is how librdkafka says that a connection has ended; it goes on.
        told = [each for each in self.steady.failures if "_TRANSPORT" not in each]
        self.assertEqual(told, [])
        self.steady.flush_and_close(deadline_s=120)
        records = list(ledger.read(self.router.bootstrap, TOPIC))
        self.hold_ledger(self.steady, records)
        there = {(r.partition, r.offset) for r in records}
        wait_for(lambda: there <= {(r.partition, r.offset) for r in self.member.records},
                 "the group has read everything", 60, every_s=0.5)
        self.member.leave()
        lost = [r for r in self.member.resumptions if r.at < (r.committed or 0)]
        self.assertEqual(lost, [], "an acknowledged commit was lost")
        self.assertEqual([r for r in self.member.resumptions if r.at > r.read_to], [])
        self.assertEqual(self.administrator.errors, [])
        print(f"{len(records)} records, {len(self.administrator.created)} topics made; at worst a "
              f"partition stood still {self.stood_still[0]:.2f} s for the producer, "
              f"{self.stood_still[1]:.2f} s for the group")

    def test_it_shows_all_brokers_a_port_each(self):
        first = self.router.port
        ports = {101: first + 1, 102: first + 2, 103: first + 3}

        def shown() -> dict[int, int]:
            told = self.admin.list_topics(timeout=20).brokers
            return {node: broker.port for node, broker in told.items()}
        # The router is told by one of them, who heard of the others a moment after they served.
        wait_for(lambda: shown() == ports, "it shows all three", 30)
        for port in ports.values():
            listed = subprocess.run(["kcat", "-L", "-b", f"127.0.0.1:{port}"], capture_output=True,
                                    text=True, timeout=60, check=True).stdout
            self.assertIn("3 brokers:", listed)

    def test_killed_in_turn_nobody_is_told_of_an_error(self):
        self.begin()
        for _ in range(3):
            wait_for(self.in_sync, "all replicas are in sync", 60)
            broker = self.seoul.broker(self.leader())
            broker.kill()
            wait_for(lambda: self.leads_nothing(broker.node_id), "others lead", 60)
            time.sleep(1)
            broker.start()
        wait_for(self.in_sync, "all replicas are in sync", 60)
        self.check()

    def test_a_rolling_restart_shows_nobody_an_error(self):
        self.begin()
        for broker in self.seoul.brokers:
            broker.stop()
            broker.start()
            wait_for(self.in_sync, "all replicas are in sync", 60)
        self.check()

    def test_the_inside_broker_stands_still_and_another_is_asked(self):
        """The one that the router hears of the site from: the site is not away for that."""
        self.begin()
        broker = self.seoul.brokers[0]
        broker.process.pause()
        wait_for(lambda: self.leads_nothing(broker.node_id), "others lead", 60)
        broker.process.resume()
        broker.process.child.wait(60)  # its session is lost
        broker.start()
        wait_for(self.in_sync, "all replicas are in sync", 60)
        self.check()


if __name__ == "__main__":
    world.main()
