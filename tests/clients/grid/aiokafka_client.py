"""aiokafka in the grid; see program.py."""

import asyncio
import time

import aiokafka
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.abc import AbstractTokenProvider, ConsumerRebalanceListener
from aiokafka.errors import KafkaError
from aiokafka.helpers import create_ssl_context

from program import Program


class Token(AbstractTokenProvider):
    def __init__(self, text: str):
        self.text = text

    async def token(self) -> str:
        return self.text


def secured(program: Program) -> dict:
    if not (security := program.order.get("security")):
        return {}
    options = {"security_protocol": security["protocol"],
               "ssl_context": create_ssl_context(cafile=security["ca"],
                                                 certfile=security.get("certificate"),
                                                 keyfile=security.get("key"))}
    if "mechanism" in security:
        options |= {"sasl_mechanism": security["mechanism"]}
    if "user" in security:
        options |= {"sasl_plain_username": security["user"],
                    "sasl_plain_password": security["password"]}
    if "token" in security:
        options |= {"sasl_oauth_token_provider": Token(security["token"])}
    return options


async def produce(program: Program) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=program.order["bootstrap"], acks="all",
                                enable_idempotence=program.order["idempotent"], linger_ms=5,
                                **secured(program))
    await producer.start()
    waiting = set()
    began, n = time.monotonic(), 0
    while not program.flushing.is_set():
        left = program.due(n, began)
        if left > 0:
            await asyncio.sleep(min(left, 0.05))
            continue
        topic, partition = program.place(n)
        try:
            future = await producer.send(topic, program.value(n), partition=partition)
            task = asyncio.create_task(hear(program, n, future))
            waiting.add(task)
            task.add_done_callback(waiting.discard)
        except KafkaError as error:
            program.say("failed", n=n, error=repr(error))
        n += 1
    await asyncio.gather(*waiting)
    program.say("flushed", sent=n)
    await producer.stop()


async def hear(program: Program, n: int, future) -> None:
    try:
        at = await future
        program.acked(n, at.topic, at.partition, at.offset)
    except KafkaError as error:
        program.say("failed", n=n, error=repr(error))


class Listener(ConsumerRebalanceListener):
    def __init__(self, program: Program, name: str):
        self.program, self.name = program, name

    def on_partitions_assigned(self, assigned):
        self.program.rebalanced("assigned", self.name, assigned)

    def on_partitions_revoked(self, revoked):
        if revoked:  # at the first join there is nothing
            self.program.rebalanced("revoked", self.name, revoked)


async def consume(program: Program, spec: dict) -> None:
    name = spec["name"]
    consumer = AIOKafkaConsumer(bootstrap_servers=program.order["bootstrap"],
                                group_id=spec.get("group"),
                                group_instance_id=spec.get("instance"),
                                auto_offset_reset="earliest",
                                enable_auto_commit=spec.get("commit") == "auto",
                                **secured(program))
    if spec.get("group"):
        consumer.subscribe(program.topics, listener=Listener(program, name))
    else:
        consumer.assign([TopicPartition(*place) for place in program.places])
    await consumer.start()
    if not spec.get("group"):
        await consumer.seek_to_beginning()
    while not program.over.is_set():
        try:
            batches = await consumer.getmany(timeout_ms=100)
        except KafkaError as error:
            program.say("error", c=name, error=repr(error))
            continue
        for records in batches.values():
            for r in records:
                program.read(name, r.topic, r.partition, r.offset, r.value)
        if spec.get("commit") == "manual" and batches:
            try:
                await consumer.commit()
                program.say("committed", c=name)
            except KafkaError as error:
                program.say("commit_failed", c=name, error=repr(error))
    await consumer.stop()


async def guarded(program: Program, name: str, work) -> None:
    try:
        await work
    except Exception as error:
        program.say("error", c=name, error=f"ended by {error!r}")


async def main() -> None:
    program = Program(aiokafka.__version__)
    tasks = [guarded(program, "producer", produce(program))]
    tasks += [guarded(program, spec["name"], consume(program, spec))
              for spec in program.order["consumers"]]
    await asyncio.gather(*tasks)
    program.say("end")


asyncio.run(main())
