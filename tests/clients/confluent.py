"""confluent-kafka (a newer librdkafka than Debian's): admin calls, an idempotent producer that is
told each position, two members that share a topic, static membership, offsets by time.

    confluent.py BOOTSTRAP PREFIX      (in the environment that ./dev test makes)
"""

import sys
import time

from confluent_kafka import (Consumer, ConsumerGroupTopicPartitions, KafkaError, Producer,
                             TopicPartition)
from confluent_kafka.admin import AdminClient, ConfigResource, NewPartitions, NewTopic

bootstrap, prefix = sys.argv[1:3]
topic, name = prefix + "-topic", prefix + "-group"
RECORDS = 2000


def done(futures: dict):
    return {key: future.result(60) for key, future in futures.items()}


def wait_for(condition, what: str, deadline_s: float = 60) -> None:
    end = time.monotonic() + deadline_s
    while not condition():
        assert time.monotonic() < end, what
        time.sleep(0.1)


def create(admin) -> None:
    done(admin.create_topics([NewTopic(topic, 2, 1, config={"retention.ms": "86400000"})]))
    done(admin.create_partitions([NewPartitions(topic, 4)]))
    # Whom we ask may hear of it a moment later.
    wait_for(lambda: len(admin.list_topics(topic, timeout=20).topics[topic].partitions) == 4,
             "the topic has no 4 partitions")
    resource = ConfigResource(ConfigResource.Type.TOPIC, topic)
    configs = done(admin.describe_configs([resource]))[resource]
    assert configs["retention.ms"].value == "86400000", configs["retention.ms"]


def produce(first: int) -> None:
    positions, failures = set(), []

    def delivered(error, message):
        failures.append(error) if error else positions.add((message.partition(), message.offset()))

    producer = Producer({"bootstrap.servers": bootstrap, "enable.idempotence": True,
                         "compression.type": "lz4", "linger.ms": 5})
    for i in range(first, first + RECORDS):
        producer.produce(topic, b"%d" % i, key=b"%d" % (i % 50), headers={"n": b"%d" % i},
                         on_delivery=delivered)
        producer.poll(0)
    assert producer.flush(120) == 0 and not failures, failures[:1]
    assert len(positions) == RECORDS, "two records were told one position"


def consumer(instance: str) -> Consumer:
    return Consumer({"bootstrap.servers": bootstrap, "group.id": name,
                     "group.instance.id": instance,
                     "auto.offset.reset": "earliest",  # close() commits what was read
                     "partition.assignment.strategy": "cooperative-sticky",
                     "session.timeout.ms": 6000})


def consume(first: int) -> None:
    members = [consumer(prefix + "-a"), consumer(prefix + "-b")]
    for member in members:
        member.subscribe([topic])
    values, end = [], time.monotonic() + 90
    both = False
    while (len(values) < RECORDS or not both) and time.monotonic() < end:
        for member in members:
            for message in member.consume(500, 0.2):
                assert not message.error(), message.error()
                assert message.headers() == [("n", message.value())]
                values.append(int(message.value()))
        both = sorted(len(member.assignment()) for member in members) == [2, 2]
    assert set(values) == set(range(first, first + RECORDS)), f"{len(set(values))} from {first}"
    assert both, "two members did not come to share four partitions"
    for member in members:
        member.close()


def inspect(admin) -> None:
    request = ConsumerGroupTopicPartitions(name)
    offsets = admin.list_consumer_group_offsets([request])[name].result(20).topic_partitions
    assert sum(p.offset for p in offsets) == 2 * RECORDS, offsets
    assert name in [group.group_id for group in admin.list_consumer_groups().result(20).valid]
    described = admin.describe_consumer_groups([name])[name].result(20)
    assert described.group_id == name, described
    probe = Consumer({"bootstrap.servers": bootstrap, "group.id": prefix + "-probe"})
    ends = [probe.get_watermark_offsets(TopicPartition(topic, p), 20) for p in range(4)]
    assert sum(high for _, high in ends) == 2 * RECORDS and {low for low, _ in ends} == {0}, ends
    times = probe.offsets_for_times([TopicPartition(topic, p, 1) for p in range(4)], 20)
    assert all(p.offset <= 0 for p in times), times
    probe.close()


def delete(admin) -> None:
    done(admin.delete_records([TopicPartition(topic, 0, 1)]))
    # Static members do not leave when they close: they expire with their session.
    end = time.monotonic() + 60
    while error := admin.delete_consumer_groups([name])[name].exception(20):
        assert error.args[0].code() == KafkaError.NON_EMPTY_GROUP, error
        assert time.monotonic() < end, "static members did not expire"
        time.sleep(0.5)
    done(admin.delete_topics([topic]))
    wait_for(lambda: topic not in admin.list_topics(timeout=20).topics,
             "the deleted topic is still listed")


client = AdminClient({"bootstrap.servers": bootstrap})
create(client)
for start in (0, RECORDS):
    produce(start)
    consume(start)
inspect(client)
delete(client)
print("confluent-kafka: admin, idempotent producer, static members, offsets hold")
