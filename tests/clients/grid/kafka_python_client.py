"""kafka-python in the grid; see program.py."""

import kafka
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.consumer.subscription_state import ConsumerRebalanceListener
from kafka.errors import KafkaError
from kafka.net.sasl.oauth import AbstractTokenProvider

from program import Program


class Token(AbstractTokenProvider):
    def __init__(self, text: str):
        self.text = text

    def token(self) -> str:
        return self.text


def secured(program: Program) -> dict:
    if not (security := program.order.get("security")):
        return {}
    options = {"security_protocol": security["protocol"], "ssl_cafile": security["ca"],
               "ssl_certfile": security.get("certificate"), "ssl_keyfile": security.get("key")}
    if "mechanism" in security:
        options |= {"sasl_mechanism": security["mechanism"]}
    if "user" in security:
        options |= {"sasl_plain_username": security["user"],
                    "sasl_plain_password": security["password"]}
    if "token" in security:
        options |= {"sasl_oauth_token_provider": Token(security["token"])}
    return options


def produce(program: Program) -> int:
    producer = KafkaProducer(bootstrap_servers=program.order["bootstrap"], acks="all", linger_ms=5,
                             enable_idempotence=program.order["idempotent"], **secured(program))
    sent = 0
    for n in program.paced():
        topic, partition = program.place(n)
        future = producer.send(topic, program.value(n), partition=partition)
        future.add_callback(lambda at, n=n: program.acked(n, at.topic, at.partition, at.offset))
        future.add_errback(lambda error, n=n: program.say("failed", n=n, error=repr(error)))
        sent = n + 1
    producer.flush(60)
    producer.close(10)
    return sent


class Listener(ConsumerRebalanceListener):
    def __init__(self, program: Program, name: str):
        self.program, self.name = program, name

    def on_partitions_assigned(self, assigned):
        self.program.rebalanced("assigned", self.name, assigned)

    def on_partitions_revoked(self, revoked):
        self.program.rebalanced("revoked", self.name, revoked)

    def on_partitions_lost(self, lost):
        self.program.rebalanced("revoked", self.name, lost)


def consumer_of(program: Program, spec: dict) -> KafkaConsumer:
    def on_commit(_, answer):
        if isinstance(answer, Exception):
            program.say("commit_failed", c=spec["name"], error=repr(answer))
        else:
            program.say("committed", c=spec["name"])
    consumer = KafkaConsumer(bootstrap_servers=program.order["bootstrap"],
                             group_id=spec.get("group"), group_instance_id=spec.get("instance"),
                             auto_offset_reset="earliest",
                             enable_auto_commit=spec.get("commit") == "auto",
                             default_offset_commit_callback=on_commit, **secured(program))
    if spec.get("group"):
        consumer.subscribe(program.topics, listener=Listener(program, spec["name"]))
    else:
        partitions = [TopicPartition(*place) for place in program.places]
        consumer.assign(partitions)
        consumer.seek_to_beginning(*partitions)
    return consumer


def consume(program: Program, spec: dict) -> None:
    name, consumer = spec["name"], consumer_of(program, spec)
    while not program.over.is_set():
        try:
            batches = consumer.poll(100)
        except KafkaError as error:
            program.say("error", c=name, error=repr(error))
            continue
        for records in batches.values():
            for r in records:
                program.read(name, r.topic, r.partition, r.offset, r.value)
        if spec.get("commit") == "manual" and batches:
            try:
                consumer.commit()
                program.say("committed", c=name)
            except KafkaError as error:
                program.say("commit_failed", c=name, error=repr(error))
    consumer.close()


Program(kafka.__version__).run(produce, consume)
