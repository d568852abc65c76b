"""MirrorMaker 2 beside the mirror: the same ends, the same line, the same backlog.

It is tuned by what it has for a long line and for bulk: pieces of 16 MiB, 20,000 records a poll,
batches of 1 MB with 20 ms to fill them, a task for each core, buffers that the system sizes.
"""

import itertools
import unittest
from pathlib import Path

from support.kafka import java
from support.processes import Process

MAIN = "org.apache.kafka.connect.mirror.MirrorMaker"
_numbers = itertools.count()


def why_not() -> str:
    """What this machine lacks for it; empty if nothing."""
    try:
        java(MAIN)
    except unittest.SkipTest as missing:
        return str(missing)
    return ""


class MirrorMaker:
    """One run: it mirrors one topic, into a topic named `there`. Each has names of its own for its
    clusters and so for all that it keeps at the target, else one that was killed would be waited
    for."""

    def __init__(self, directory: Path, source: str, target: str, topic: str):
        number = next(_numbers)
        self.name = f"mirror-maker-{number}"
        self.directory = directory
        a, b = f"a{number}", f"b{number}"
        self.there = f"{a}.{topic}"
        self.process: Process | None = None
        self.config = {
            "clusters": f"{a}, {b}",
            f"{a}.bootstrap.servers": source,
            f"{b}.bootstrap.servers": target,
            f"{a}->{b}.enabled": "true",
            f"{b}->{a}.enabled": "false",
            f"{a}->{b}.topics": topic,
            "tasks.max": 2,
            "replication.factor": 1,
            "checkpoints.topic.replication.factor": 1,
            "heartbeats.topic.replication.factor": 1,
            "offset-syncs.topic.replication.factor": 1,
            "offset.storage.replication.factor": 1,
            "status.storage.replication.factor": 1,
            "config.storage.replication.factor": 1,
            "emit.checkpoints.enabled": "false",
            "emit.heartbeats.enabled": "false",
            "sync.topic.acls.enabled": "false",
            # Without the cluster's name before it, each of these is ignored in silence.
            f"{a}.consumer.fetch.max.bytes": 50 << 20,
            f"{a}.consumer.max.partition.fetch.bytes": 16 << 20,
            f"{a}.consumer.max.poll.records": 20_000,
            f"{a}.consumer.receive.buffer.bytes": -1,
            f"{b}.producer.batch.size": 1_000_000,
            f"{b}.producer.linger.ms": 20,
            f"{b}.producer.send.buffer.bytes": -1,
        }

    def launch(self) -> "MirrorMaker":
        file = self.directory / f"{self.name}.properties"
        file.write_text("".join(f"{key}={value}\n" for key, value in self.config.items()))
        self.process = Process(self.name, java(MAIN, file), self.directory / f"{self.name}.log")
        self.process.start()
        return self

    def kill(self) -> None:
        if self.process:
            self.process.kill()
