"""kafka-python: admin calls, an idempotent producer, a group that resumes at the next record.

    kafka_python.py BOOTSTRAP PREFIX      (in the environment that ./dev test makes)
"""

import sys
import time

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType, NewPartitions, NewTopic
from kafka.errors import TopicAlreadyExistsError

bootstrap, prefix = sys.argv[1:3]
topic, name = prefix + "-topic", prefix + "-group"
RECORDS = 1000


def wait_for(condition, what):
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end, what
        time.sleep(0.1)


def create(admin) -> None:
    admin.create_topics([NewTopic(topic, 3, 1, topic_configs={"retention.ms": "86400000"})])
    try:
        admin.create_topics([NewTopic(topic, 3, 1)])
        raise AssertionError("a topic was created twice")
    except TopicAlreadyExistsError:
        pass
    wait_for(lambda: topic in admin.list_topics(), "the new topic is listed")
    admin.create_partitions({topic: NewPartitions(4)})
    wait_for(lambda: len(admin.describe_topics([topic])[0]["partitions"]) == 4, "4 partitions")
    described = admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, topic)])
    assert "86400000" in str(described) and "retention.ms" in str(described), described


def produce(first: int) -> None:
    producer = KafkaProducer(bootstrap_servers=bootstrap, enable_idempotence=True, acks="all",
                             linger_ms=5)
    sent = [producer.send(topic, b"%d" % i, key=b"%d" % (i % 10), headers=[("n", b"%d" % i)])
            for i in range(first, first + RECORDS)]
    producer.flush(120)
    positions = {(s.get(60).partition, s.get(60).offset) for s in sent}
    assert len(positions) == RECORDS, "two records were told one position"
    producer.close()


def consume(first: int) -> None:
    consumer = KafkaConsumer(topic, bootstrap_servers=bootstrap, group_id=name,
                             auto_offset_reset="earliest", enable_auto_commit=False)
    read, end = [], time.monotonic() + 90
    while len(read) < RECORDS and time.monotonic() < end:
        for records in consumer.poll(500).values():
            read += [(int(r.value), dict(r.headers)) for r in records]
    assert sorted(value for value, _ in read) == list(range(first, first + RECORDS)), \
        f"{len(read)} read from {first}"
    assert all(headers == {"n": b"%d" % value} for value, headers in read)
    consumer.commit()
    consumer.close()


def inspect(admin) -> None:
    offsets = admin.list_group_offsets(name)
    committed = sum(each.offset for each in offsets[name].values())
    assert committed == 2 * RECORDS, offsets
    assert name in str(admin.list_groups())
    assert name in str(admin.describe_groups([name]))
    consumer = KafkaConsumer(bootstrap_servers=bootstrap)
    partitions = [TopicPartition(topic, p) for p in consumer.partitions_for_topic(topic)]
    assert sum(consumer.end_offsets(partitions).values()) == 2 * RECORDS
    assert set(consumer.beginning_offsets(partitions).values()) == {0}
    by_time = consumer.offsets_for_times({p: 0 for p in partitions})
    assert all(found is None or found.offset == 0 for found in by_time.values()), by_time
    consumer.close()


def delete(admin) -> None:
    admin.delete_records({TopicPartition(topic, 0): 1})
    admin.delete_groups([name])
    admin.delete_topics([topic])
    wait_for(lambda: topic not in admin.list_topics(), "the deleted topic is gone")


client = KafkaAdminClient(bootstrap_servers=bootstrap)
create(client)
for start in (0, RECORDS):
    produce(start)
    consume(start)
inspect(client)
delete(client)
client.close()
print("kafka-python: admin, idempotent producer, group, offsets hold")
