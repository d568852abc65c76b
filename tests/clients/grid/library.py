"""The libraries of the grid: a program each, what it can do, and the program while it runs, heard
event by event. What a program is told and what it prints stands in program.py."""

import json
import shutil
import subprocess
import threading
import time
import unittest
from dataclasses import dataclass, field
from pathlib import Path
from typing import Callable

from support import testing
from support.kafka import java
from support.processes import Failed, wait_for

HERE = Path(__file__).resolve().parent
FETCHED = "./dev test fetches it"
EVERY_KIND = ("manual", "auto", "static", "assign")


@dataclass(frozen=True)
class Library:
    name: str
    command: Callable[[], list]
    consumers: tuple[str, ...] = EVERY_KIND
    idempotent: bool = True
    partitions: int = 4
    topics: int = 1
    groups: int = 1   # of each kind
    rate: float = 50  # records a second

    def order(self, bootstrap: str, stage: str) -> dict:
        """What its program is told. Names carry the stage, so that stages share nothing."""
        name = f"{self.name}-{stage}"
        topics = [name] if self.topics == 1 else [f"{name}-{i}" for i in range(self.topics)]
        consumers = [spec(name, kind, number) for kind in self.consumers
                     for number in range(1 if kind == "assign" else self.groups)]
        return {"bootstrap": bootstrap, "id": name, "topics": topics, "rate": self.rate,
                "partitions": self.partitions, "idempotent": self.idempotent,
                "consumers": consumers}


def spec(name: str, kind: str, number: int) -> dict:
    consumer = kind if number == 0 else f"{kind}-{number}"
    if kind == "assign":
        return {"name": consumer}
    group = {"name": consumer, "group": f"{name}-{consumer}",
             "commit": "manual" if kind == "manual" else "auto"}
    return group | ({"instance": f"{name}-instance"} if kind == "static" else {})


def peer_python(script: str) -> Callable[[], list]:
    def command():
        testing.need(testing.PEERS / "python.stamp", FETCHED)
        return [testing.PEERS / "python" / "bin" / "python", HERE / script]
    return command


def kcat() -> list:
    if not shutil.which("kcat"):
        raise unittest.SkipTest("kcat is missing: ./dev test installs it")
    return ["/usr/bin/python3", HERE / "kcat_client.py"]


def java_client() -> list:
    testing.need(testing.PEERS / "java.stamp", FETCHED)
    classes = testing.PEERS / "java"
    options = ["-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xmx256m"]
    return java("GridClient", options=options, classes=classes)


def node() -> list:
    testing.need(testing.PEERS / "node.stamp", FETCHED)
    return ["env", f"NODE_PATH={testing.PEERS / 'node' / 'node_modules'}",
            "KAFKAJS_NO_PARTITIONER_WARNING=1", "node", HERE / "kafkajs_client.js"]


def built(folder: str, program: str) -> Callable[[], list]:
    def command():
        testing.need(testing.PEERS / f"{folder}.stamp", FETCHED)
        return [testing.PEERS / folder / program]
    return command


LIBRARIES = {each.name: each for each in (
    Library("confluent-kafka", peer_python("librdkafka_client.py")),
    Library("kcat", kcat, consumers=("auto", "static", "assign"), partitions=1),
    Library("java", java_client),
    Library("kafka-python", peer_python("kafka_python_client.py")),
    Library("aiokafka", peer_python("aiokafka_client.py")),
    Library("kafkajs", node, consumers=("manual", "auto")),
    Library("franz-go", built("go", "franz")),
    Library("sarama", built("go", "sarama")),
    Library("rskafka", built("rust", "grid-rust"), consumers=("assign",), idempotent=False),
)}

# Not a library of its own: what a whole estate is, in small.
ESTATE = Library("estate", peer_python("librdkafka_client.py"), consumers=("auto",), groups=20,
                 topics=50, partitions=1, rate=20)


@dataclass
class Heard:
    """What a program has printed. Times are the program's, in milliseconds."""
    acks: list[tuple[float, int, int, int]] = field(default_factory=list)  # time, n, p, offset
    reads: dict[str, list[tuple[float, int, int, int]]] = field(default_factory=dict)
    events: list[dict] = field(default_factory=list)  # the rest, in order
    version: str = "?"
    sent: int | None = None
    ended: bool = False

    def take(self, event: dict) -> None:
        kind = event["e"]
        if kind == "acked":
            self.acks.append((event["t"], event["n"], event["p"], event["o"]))
        elif kind == "read":
            self.reads.setdefault(event["c"], []).append(
                (event["t"], event["p"], event["o"], event["n"]))
        elif kind == "start":
            self.version = event["version"]
        elif kind == "flushed":
            self.sent = event["sent"]
        elif kind == "end":
            self.ended = True
        elif kind != "committed":
            self.events.append(event)


class Running:
    """A library's program at work."""

    def __init__(self, library: Library, bootstrap: str, stage: str, log: Path,
                 security: dict | None = None):
        self.library = library
        self.order = library.order(bootstrap, stage) | {"security": security}
        self.heard = Heard()
        self.log = log
        command = [*map(str, library.command()), json.dumps(self.order)]
        with open(log, "wb") as said:
            self.child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                          stderr=said, start_new_session=True)
        self.thread = threading.Thread(target=self._listen, daemon=True)
        self.thread.start()

    def _listen(self) -> None:
        for line in self.child.stdout:
            try:
                self.heard.take(json.loads(line))
            except ValueError:
                pass  # a library that prints; its own events stand on lines of their own

    @property
    def name(self) -> str:
        return self.library.name

    def silent(self, since_ms: float) -> list[str]:
        """Who has done nothing since then: "producer", or a consumer's name."""
        acks = self.heard.acks
        quiet = [] if acks and acks[-1][0] > since_ms else ["producer"]
        for consumer in self.order["consumers"]:
            reads = self.heard.reads.get(consumer["name"])
            if not reads or reads[-1][0] <= since_ms:
                quiet.append(consumer["name"])
        return quiet

    def flush(self) -> None:
        """It sends no more; what it has sent is acknowledged or given up."""
        self._say(b"flush\n")

    def wait_flushed(self, deadline_s: float = 120) -> None:
        wait_for(lambda: self.heard.sent is not None or self.child.poll() is not None,
                 f"{self.name} is flushed", deadline_s)
        if self.heard.sent is None:
            raise Failed(f"{self.name} ended with {self.child.returncode}\n{self.tail()}")

    def caught_up(self) -> bool:
        """Whether each consumer has read the last acknowledged record of each partition."""
        ends: dict[int, int] = {}
        for _, _, p, offset in list(self.heard.acks):
            ends[p] = max(ends.get(p, -1), offset)
        return all(self._read_to(consumer["name"], ends) for consumer in self.order["consumers"])

    def _read_to(self, consumer: str, ends: dict[int, int]) -> bool:
        missing = dict(ends)
        for _, p, offset, _ in reversed(list(self.heard.reads.get(consumer, ()))):
            if offset >= missing.get(p, 1 << 62):
                del missing[p]
            if not missing:
                return True
        return not missing

    def close(self, deadline_s: float = 60) -> None:
        """Its consumers leave, and it ends."""
        if self.child.stdin and not self.child.stdin.closed:
            self.child.stdin.close()
        try:
            self.child.wait(deadline_s)
        except subprocess.TimeoutExpired:
            self.heard.events.append({"t": time.time() * 1000, "e": "error", "c": "",
                                      "error": f"did not end within {deadline_s:g} s"})
        self.kill()

    def kill(self) -> None:
        if self.child.poll() is None:
            self.child.kill()
            self.child.wait()
        self.thread.join(10)
        self.child.stdout.close()
        try:
            self.child.stdin.close()
        except OSError:
            pass  # what it was told is not taken any more

    def tail(self, lines: int = 8) -> str:
        """The last that it printed outside of events, and its last events that are no records."""
        text = self.log.read_text(errors="replace").splitlines() + list(map(str, self.heard.events))
        return "\n".join(f"    {self.name}| {line}" for line in text[-lines:])

    def _say(self, line: bytes) -> None:
        try:
            self.child.stdin.write(line)
            self.child.stdin.flush()
        except OSError:
            pass  # it is gone, and who waits for it sees that
