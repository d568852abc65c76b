"""Three brokers of one cluster under load: they are killed, stood still and restarted in turn."""

import threading
import time

import world
from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic
from support.processes import wait_for
from support.site import Broker
from support.zookeeper import Zookeeper

NODES = (301, 302, 303)
PARTITIONS = 12
TOPIC = "orders"


class Load(threading.Thread):
    """An idempotent producer with acks=all that goes on until it is told to end, and knows what was
    acknowledged, where, and how long nothing was."""

    def __init__(self, bootstrap: str):
        super().__init__(daemon=True)
        self.producer = Producer({"bootstrap.servers": bootstrap, "enable.idempotence": True,
                                  # One batch is never most of a partition.
                                  "linger.ms": 5, "batch.size": 4096,
                                  "reconnect.backoff.max.ms": 200, "retry.backoff.ms": 50,
                                  "message.timeout.ms": 120_000})
        self.ends = threading.Event()
        self.acknowledged: dict[tuple[int, int], bytes] = {}
        self.errors: list[str] = []
        self.last = [time.monotonic()] * PARTITIONS
        self.worst = 0.0

    def told(self, error, message) -> None:
        if error is not None:
            self.errors.append(str(error))
            return
        place = (message.partition(), message.offset())
        if place in self.acknowledged:
            self.errors.append(f"{place} was given out twice")
        self.acknowledged[place] = message.value()
        now = time.monotonic()
        self.worst = max(self.worst, now - self.last[message.partition()])
        self.last[message.partition()] = now

    def run(self) -> None:
        try:
            self.produce()
        except KafkaException as fatal:
            self.errors.append(str(fatal))

    def produce(self) -> None:
        number = 0
        while not self.ends.is_set():
            for partition in range(PARTITIONS):
                number += 1
                self.producer.produce(TOPIC, str(number).encode(), partition=partition,
                                      on_delivery=self.told)
            self.producer.poll(0.01)
        self.producer.flush(120)

    def end(self) -> None:
        self.ends.set()
        self.join(150)


class Reader(threading.Thread):
    """A member of a group, with librdkafka's defaults but for where it begins: what its application
    is told of errors. That a connection has ended is none: it is told to whoever asks for it, of
    every broker that stops, and nothing has to be done."""

    PASSING = {"_TRANSPORT", "_ALL_BROKERS_DOWN"}

    def __init__(self, bootstrap: str):
        super().__init__(daemon=True)
        self.consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "rolling",
                                  "auto.offset.reset": "earliest", "auto.commit.interval.ms": 500,
                                  "error_cb": self.told, "on_commit": self.committed})
        self.consumer.subscribe([TOPIC])
        self.ends = threading.Event()
        self.seen: set[tuple[int, int]] = set()
        self.errors: list[str] = []

    def told(self, error) -> None:
        if error.name() not in self.PASSING:
            self.errors.append(str(error))

    def committed(self, error, partitions) -> None:
        for each in (error, *(p.error for p in partitions)):
            if each is not None and each.name() != "_NO_OFFSET":
                self.errors.append(f"commit: {each}")

    def run(self) -> None:
        while not self.ends.is_set():
            message = self.consumer.poll(0.2)
            if message is None:
                continue
            if message.error() is not None:
                self.errors.append(f"poll: {message.error()}")
                continue
            self.seen.add((message.partition(), message.offset()))
        self.consumer.close()

    def end(self) -> None:
        self.ends.set()
        self.join(60)


class Brokers(world.World):
    def setUp(self):
        super().setUp()
        self.zookeeper = Zookeeper(self.tmp)
        self.addCleanup(self.zookeeper.__exit__)
        self.zookeeper.start()
        connect = self.zookeeper.connect("/isthmus")
        self.brokers = []
        for node in NODES:
            broker = Broker(self.tmp, "busan", 3, node, connect)
            self.addCleanup(broker.__exit__)
            self.brokers.append(broker.start())
        self.bootstrap = ",".join(b.bootstrap for b in self.brokers)
        wish = NewTopic(TOPIC, num_partitions=PARTITIONS, replication_factor=-1)
        admin = AdminClient({"bootstrap.servers": self.bootstrap})
        admin.create_topics([wish])[TOPIC].result(60)
        wait_for(self.in_sync, "all replicas are in sync", 60)
        self.load = Load(self.bootstrap)
        self.load.start()
        wait_for(lambda: len(self.load.acknowledged) > 1000, "it is under way", 60)

    def partitions(self) -> dict:
        """As any of them tells; empty: the client asked one that is gone."""
        try:
            told = AdminClient({"bootstrap.servers": self.bootstrap}).list_topics(TOPIC, timeout=3)
        except KafkaException:
            return {}
        return told.topics[TOPIC].partitions

    def in_sync(self) -> bool:
        partitions = self.partitions()
        return len(partitions) == PARTITIONS and all(
            p.leader > 0 and len(p.isrs) == len(NODES) for p in partitions.values())

    def leads_nothing(self, node: int) -> bool:
        partitions = self.partitions()
        return len(partitions) == PARTITIONS and all(p.leader not in (node, -1)
                                                     for p in partitions.values())

    def check(self) -> None:
        """Everything that was acknowledged is at its place, and nothing is there twice."""
        self.load.end()
        self.assertEqual(self.load.errors, [])
        consumer = Consumer({"bootstrap.servers": self.bootstrap, "group.id": "check",
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
        missing = [place for place, value in self.load.acknowledged.items()
                   if there.get(place) != value]
        self.assertEqual(missing[:5], [])
        self.assertEqual(len(set(there.values())), len(there), "some record is there twice")
        print(f"{len(there)} records, {self.load.worst:.2f} s at worst without an acknowledgement")

    def test_killed_in_turn_nothing_is_lost_and_others_lead(self):
        for broker in self.brokers:
            wait_for(self.in_sync, "all replicas are in sync", 60)
            broker.kill()
            wait_for(lambda: self.leads_nothing(broker.node_id), "others lead", 60)
            time.sleep(1)
            broker.start()
        wait_for(self.in_sync, "all replicas are in sync", 60)
        self.check()

    def test_who_stands_still_is_replaced_and_comes_back(self):
        broker = self.brokers[0]
        broker.process.pause()
        wait_for(lambda: self.leads_nothing(broker.node_id), "others lead", 60)
        broker.process.resume()
        # Its session is lost. It waits for nobody: least for replicas that follow another now, as a
        # producer does here for up to 30 s.
        broker.process.child.wait(15)
        broker.start()
        wait_for(self.in_sync, "all replicas are in sync", 60)
        self.check()

    def test_all_killed_at_once_come_back_with_everything(self):
        for broker in self.brokers:
            broker.kill()
        for broker in self.brokers:
            broker.launch()
        for broker in self.brokers:
            broker.process.wait_ready(broker.ready, 60)
        wait_for(self.in_sync, "all replicas are in sync", 60)
        self.check()

    def test_a_rolling_restart_shows_no_client_an_error(self):
        reader = Reader(self.bootstrap)
        reader.start()
        wait_for(lambda: len(reader.seen) > 1000, "the group reads", 60)
        for broker in self.brokers:
            broker.stop()
            broker.start()
            wait_for(self.in_sync, "all replicas are in sync", 60)
        self.check()
        wait_for(lambda: reader.seen >= self.load.acknowledged.keys(), "the group has it all", 60)
        reader.end()
        self.assertEqual(reader.errors, [])

    def test_a_replica_that_is_damaged_at_rest_is_copied_again(self):
        self.load.end()
        wait_for(self.in_sync, "all replicas are in sync", 60)
        broker = self.brokers[0]
        broker.kill()
        with open(broker.data / f"{TOPIC}-0" / f"{0:020}.log", "r+b") as log:
            log.seek(62)  # in the first record
            changed = log.read(1)[0] ^ 4
            log.seek(62)
            log.write(bytes([changed]))
        broker.start()
        # For a moment the others may tell of it as they did before it was killed.
        wait_for(lambda: f"{TOPIC}-0 was damaged here: it is cut at offset 0" in
                 broker.process.log.read_text(), "the damage is cut", 60)
        wait_for(self.in_sync, "all replicas are in sync", 60)
        self.assertIn(f"{TOPIC}-0 stays offline", broker.process.log.read_text())
        wait_for(lambda: broker.status()["partitions_offline"] == 0, "all partitions are served")
        # It shows what it has.
        for other in self.brokers[1:]:
            other.stop()
            other.start()
            wait_for(self.in_sync, "all replicas are in sync", 60)
        self.check()

    def test_a_group_goes_on_when_its_coordinator_is_killed(self):
        seen, committed = set(), {}
        consumer = Consumer({"bootstrap.servers": self.bootstrap, "group.id": "team",
                             "auto.offset.reset": "earliest", "enable.auto.commit": False,
                             "session.timeout.ms": 10_000})
        consumer.subscribe([TOPIC])

        def read(seconds: float) -> None:
            until = time.monotonic() + seconds
            while time.monotonic() < until:
                message = consumer.poll(0.2)
                if message is None or message.error() is not None:
                    continue
                seen.add((message.partition(), message.offset()))
                if len(seen) % 200 == 0:
                    try:
                        for p in consumer.commit(asynchronous=False):
                            committed[p.partition] = max(p.offset, committed.get(p.partition, 0))
                    except KafkaException:  # who coordinates is being found
                        pass
        read(8)
        wait_for(lambda: read(1) or committed, "the group commits", 60)
        for broker in self.brokers:
            wait_for(self.in_sync, "all replicas are in sync", 60)
            broker.kill()
            read(6)
            broker.start()
        self.load.end()
        deadline = time.monotonic() + 120
        while len(seen) < len(self.load.acknowledged) and time.monotonic() < deadline:
            read(2)
        self.assertEqual(set(self.load.acknowledged) - seen, set())
        asked = [TopicPartition(TOPIC, p) for p in range(PARTITIONS)]
        for p in consumer.committed(asked, timeout=60):
            self.assertGreaterEqual(p.offset, committed.get(p.partition, -1))
        consumer.close()


if __name__ == "__main__":
    world.main()
