"""confluent-kafka (a newer librdkafka than Debian's) in the grid; see program.py."""

import time

import confluent_kafka
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaException, TopicPartition

from program import Program, librdkafka_of


def options(program: Program, **more) -> dict:
    def said(error):
        program.say("error" if error.fatal() else "note", c="", error=str(error))
    security = program.order.get("security") or {}
    secured = librdkafka_of(security)
    if token := security.get("token"):
        secured["oauth_cb"] = lambda _: (token, time.time() + 3600)
    return {"bootstrap.servers": program.order["bootstrap"], "log_level": 0, "error_cb": said,
            **secured, **{key.replace("_", "."): value for key, value in more.items()}}


def produce(program: Program) -> int:
    producer = confluent_kafka.Producer(options(
        program, enable_idempotence=program.order["idempotent"], acks="all", linger_ms=5))

    def delivered(n):
        def report(error, message):
            if error is not None:
                program.say("failed", n=n, error=str(error))
            else:
                program.acked(n, message.topic(), message.partition(), message.offset())
        return report

    sent = 0
    for n in program.paced(wait=producer.poll):
        topic, partition = program.place(n)
        producer.produce(topic, program.value(n), partition=partition, on_delivery=delivered(n))
        producer.poll(0)
        sent = n + 1
    producer.flush(60)
    return sent


def consumer_of(program: Program, spec: dict) -> Consumer:
    name = spec["name"]

    class Partition:
        def __init__(self, each):
            self.topic, self.partition = each.topic, each.partition

    def heard(event):
        return lambda _, partitions: program.rebalanced(event, name, map(Partition, partitions))

    def on_commit(error, partitions):
        failed = error or next((p.error for p in partitions if p.error), None)
        if failed:
            program.say("commit_failed", c=name, error=str(failed))
        else:
            program.say("committed", c=name)

    more = {"group_instance_id": spec["instance"]} if spec.get("instance") else {}
    consumer = Consumer({**options(
        program, group_id=spec.get("group") or "unused", auto_offset_reset="earliest",
        enable_auto_commit=spec.get("commit") == "auto", **more), "on_commit": on_commit})
    if spec.get("group"):
        consumer.subscribe(program.topics, on_assign=heard("assigned"),
                           on_revoke=heard("revoked"), on_lost=heard("revoked"))
    else:
        consumer.assign([TopicPartition(topic, p, OFFSET_BEGINNING) for topic, p in program.places])
    return consumer


def consume(program: Program, spec: dict) -> None:
    name, consumer = spec["name"], consumer_of(program, spec)
    while not program.over.is_set():
        first = consumer.poll(0.1)
        messages = [first, *consumer.consume(500, 0)] if first is not None else []
        for message in messages:
            if message.error():
                program.say("error", c=name, error=str(message.error()))
            else:
                program.read(name, message.topic(), message.partition(), message.offset(),
                             message.value())
        if spec.get("commit") == "manual" and messages:
            try:
                consumer.commit(asynchronous=False)
            except KafkaException as error:
                program.say("commit_failed", c=name, error=str(error.args[0]))
    consumer.close()


Program(confluent_kafka.__version__).run(produce, consume)
