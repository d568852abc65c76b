"""A cluster of three brokers whose brokers, ZooKeeper and clients have a host each (network.py).

    cluster = Cluster(tmp, network, clients=["c1", "c2"]).start()
    cluster.create({"orders": 6})
    cluster.network.cut(cluster.brokers[0].host, cluster.zookeeper_host)
    cluster.read_all()                   # as operations of a history
"""

from pathlib import Path

from confluent_kafka import Consumer, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from . import logs
from .history import Assigned, Poll, now
from .network import Network
from .processes import Failed, wait_for
from .site import Broker
from .zookeeper import Zookeeper

NODES = (301, 302, 303)


class Cluster:
    def __init__(self, directory: Path, network: Network, clients: list[str], session_ms: int,
                 **kafka_keys):
        self.network = network
        self.clients = [network.host(name) for name in clients]
        self.zookeeper_host = network.host("zookeeper")
        self.zookeeper = Zookeeper(directory, self.zookeeper_host)
        connect = self.zookeeper.connect("/isthmus")
        self.brokers = [Broker(directory, "busan", 3, node, connect, session_ms,
                               host=network.host(f"b{node}"), **kafka_keys) for node in NODES]
        self.topics: dict[str, int] = {}

    def start(self) -> "Cluster":
        self.zookeeper.start()
        for broker in self.brokers:
            broker.start()
        return self

    def close(self) -> None:
        for broker in self.brokers:
            broker.__exit__()
        self.zookeeper.kill()

    @property
    def bootstrap(self) -> str:
        return ",".join(broker.bootstrap for broker in self.brokers)

    def create(self, topics: dict[str, int], deadline_s: float = 60) -> None:
        """Topics with so many partitions, all of which are in sync everywhere then."""
        admin = AdminClient({"bootstrap.servers": self.bootstrap})
        wishes = [NewTopic(name, num_partitions=count, replication_factor=-1)
                  for name, count in topics.items()]
        for created in admin.create_topics(wishes).values():
            created.result(60)
        self.topics |= topics
        wait_for(self.is_whole, "all replicas are in sync", deadline_s)

    def partitions(self) -> dict[str, object]:
        """As any broker tells of them; empty where the client asked one that is gone."""
        try:
            told = AdminClient({"bootstrap.servers": self.bootstrap}).list_topics(timeout=5)
        except KafkaException:
            return {}
        return {f"{name}-{index}": partition for name in self.topics if name in told.topics
                for index, partition in told.topics[name].partitions.items()}

    def is_whole(self) -> bool:
        partitions = self.partitions()
        return len(partitions) == sum(self.topics.values()) and all(
            p.leader > 0 and len(p.isrs) == len(NODES) for p in partitions.values())

    def read_all(self, partitions: list[str] = (), deadline_s: float = 60) -> list:
        """From the beginning of each partition, or of these, to its end now, as operations of a
        history."""
        consumer = Consumer({"bootstrap.servers": self.bootstrap, "group.id": "final",
                             "enable.partition.eof": True, "auto.offset.reset": "error"})
        places = [TopicPartition(topic, index, 0) for topic, count in self.topics.items()
                  for index in range(count) if not partitions or f"{topic}-{index}" in partitions]
        done = [Assigned("final", now(), {f"{p.topic}-{p.partition}": 0 for p in places})]
        consumer.assign(places)
        ended: set[str] = set()
        end = now() + deadline_s
        while len(ended) < len(places):
            if now() > end:
                raise Failed(f"{len(places) - len(ended)} partitions could not be read to the end")
            began, records = now(), []
            for message in consumer.consume(1000, 1):
                partition = f"{message.topic()}-{message.partition()}"
                if message.error() is not None:
                    ended.add(partition)
                    continue
                value = message.value().rsplit(b":", 1)[0].decode()
                records.append([partition, message.offset(), value])
            if records:
                done.append(Poll("final", began, now(), records))
        consumer.close()
        return done

    def hold_replicas_equal(self) -> None:
        """On their disks, byte for byte; Failed if they are not. REQUIRES: nothing is written."""
        for broker in self.brokers:
            broker.stop()
        for topic in self.topics:
            copies = [logs.partitions(broker.data, topic) for broker in self.brokers]
            for index, first in copies[0].items():
                for other in (copy[index] for copy in copies[1:]):
                    ends = {logs.hold_prefix(first, other), logs.hold_prefix(other, first)}
                    if len(ends) > 1:
                        raise Failed(f"{topic}-{index}: replicas end at {sorted(ends)}")
