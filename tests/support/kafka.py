"""A real Apache Kafka (KRaft, broker and controller in one process) and its tools, from the jars
that ./dev test has fetched into .cache/peers/kafka/libs.

    with Kafka(tmp) as kafka:
        kafka.tool("org.apache.kafka.tools.TopicCommand",
                   "--bootstrap-server", kafka.bootstrap, "--list")
"""

import re
import shutil
import subprocess
import unittest
from pathlib import Path
from typing import Callable

from .processes import Failed, Process, answers, free_port
from .testing import PEERS, need

TOPIC_COMMAND = "org.apache.kafka.tools.TopicCommand"
CONSOLE_PRODUCER = "org.apache.kafka.tools.ConsoleProducer"
CONSOLE_CONSUMER = "org.apache.kafka.tools.consumer.ConsoleConsumer"
GROUP_COMMAND = "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand"
CONFIG_COMMAND = "kafka.admin.ConfigCommand"
ACL_COMMAND = "org.apache.kafka.tools.AclCommand"
DELETE_RECORDS = "org.apache.kafka.tools.DeleteRecordsCommand"
COMPATIBILITY_TEST = "org.apache.kafka.tools.ClientCompatibilityTest"
DUMP_LOG = "kafka.tools.DumpLogSegments"

# A JVM that lives for seconds: no second compiler, one collector thread.
_SHORT_LIVED = ["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xmx256m"]


def java(main_class: str, *args, options=(), classes: Path | None = None) -> list[str]:
    """The command line of one of Kafka's main classes, or of one that stands beside them in
    `classes`; a skip where Kafka is not there."""
    if not shutil.which("java"):
        raise unittest.SkipTest("java is missing: ./dev test installs it")
    libs = need(PEERS / "kafka" / "libs", "./dev test fetches Apache Kafka")
    logging = Path(__file__).with_name("log4j2.properties")
    path = f"{classes}:{libs}/*" if classes else f"{libs}/*"
    return ["java", *options, f"-Dlog4j2.configurationFile={logging}", "-cp", path, main_class,
            *map(str, args)]


def run_tool(main_class: str, *args, stdin: bytes | None = None, timeout_s: float = 150,
             check: bool = True) -> subprocess.CompletedProcess:
    """Runs a tool to its end; Failed with what it said when it exits non-zero."""
    command = java(main_class, *args, options=_SHORT_LIVED)
    done = subprocess.run(command, input=stdin, capture_output=True, timeout=timeout_s)
    if check and done.returncode != 0:
        said = (done.stdout + done.stderr).decode(errors="replace")
        raise Failed(f"{main_class} {' '.join(map(str, args))}: exit {done.returncode}\n{said}")
    return done


def dump_log(files: list[Path]) -> list[tuple[int, int]]:
    """(base, last) offset of every batch, by Kafka's own tool; Failed if a CRC is wrong."""
    said = run_tool(DUMP_LOG, "--files", ",".join(map(str, files))).stdout.decode()
    if "isvalid: false" in said:
        raise Failed(f"DumpLogSegments:\n{said}")
    return [(int(base), int(last))
            for base, last in re.findall(r"^baseOffset: (\d+) lastOffset: (\d+)", said, re.M)]


# A broker that a test asks something: it need not become fast.
FOR_TESTS = ("-Xmx1g", "-XX:TieredStopAtLevel=1")


class Kafka:
    """One broker on 127.0.0.1. `advertise` maps a listener's name to the port that clients are
    told, for a relay in between: PLAINTEXT always exists, others are added by name."""

    def __init__(self, directory: Path, node_id: int = 1, listeners=("PLAINTEXT",),
                 options=FOR_TESTS, **properties):
        self.directory = Path(directory)
        self.node_id = node_id
        self.options = options
        self.controller = free_port()
        self.voters = [self]
        self.ports = {name: free_port() for name in listeners}
        self.advertised = dict(self.ports)
        self.properties = properties
        self.process: Process | None = None

    @property
    def bootstrap(self) -> str:
        return f"127.0.0.1:{self.ports['PLAINTEXT']}"

    def start(self) -> "Kafka":
        self.format(self.random_uuid)
        self.launch()
        self.wait_ready()
        return self

    def format(self, cluster_id: Callable[[], str]) -> None:
        """Its directory, once, as one of a cluster that is named so."""
        config = self.directory / "server.properties"
        formatted = config.exists()
        if not formatted:
            self.directory.mkdir(parents=True, exist_ok=True)
            config.write_text("".join(f"{k}={v}\n" for k, v in self._properties().items()))
            run_tool("kafka.tools.StorageTool", "format", "-t", cluster_id(), "-c", config)

    def launch(self) -> None:
        command = java("kafka.Kafka", self.directory / "server.properties", options=self.options)
        self.process = Process(f"kafka-{self.node_id}", command, self.directory / "kafka.log")
        self.process.start()

    def wait_ready(self) -> None:
        port = next(iter(self.ports.values()))
        self.process.wait_ready(lambda: answers(port), deadline_s=60)

    def stop(self) -> None:
        self.process.stop(deadline_s=60)

    def kill(self) -> None:
        self.process.kill()

    def tool(self, main_class: str, *args, **options) -> str:
        """Runs one of Kafka's tools at this broker; returns what it printed."""
        done = run_tool(main_class, "--bootstrap-server", self.bootstrap, *args, **options)
        return done.stdout.decode()

    @staticmethod
    def random_uuid() -> str:
        return run_tool("kafka.tools.StorageTool", "random-uuid").stdout.decode().strip()

    def _properties(self) -> dict[str, object]:
        at = {**self.ports, "CONTROLLER": self.controller}
        return {
            "process.roles": "broker,controller",
            "node.id": self.node_id,
            "controller.quorum.voters": ",".join(
                f"{each.node_id}@127.0.0.1:{each.controller}" for each in self.voters),
            "controller.listener.names": "CONTROLLER",
            "inter.broker.listener.name": next(iter(self.ports)),
            "listeners": ",".join(f"{name}://127.0.0.1:{port}" for name, port in at.items()),
            "advertised.listeners": ",".join(
                f"{name}://127.0.0.1:{port}" for name, port in self.advertised.items()),
            "listener.security.protocol.map": ",".join(f"{name}:PLAINTEXT" for name in at),
            "log.dirs": self.directory / "data",
            "offsets.topic.replication.factor": 1,
            "offsets.topic.num.partitions": 4,
            "transaction.state.log.replication.factor": 1,
            "transaction.state.log.min.isr": 1,
            "transaction.state.log.num.partitions": 4,
            "share.coordinator.state.topic.replication.factor": 1,
            "share.coordinator.state.topic.min.isr": 1,
            "group.initial.rebalance.delay.ms": 0,
            **{key.replace("_", "."): value for key, value in self.properties.items()},
        }

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.kill()


def start_cluster(directory: Path, count: int, **arguments) -> list[Kafka]:
    """Brokers of one cluster, each of them a controller too."""
    brokers = [Kafka(Path(directory) / f"kafka-{node}", node, **arguments)
               for node in range(1, count + 1)]
    name = Kafka.random_uuid()
    for broker in brokers:
        broker.voters = brokers
        broker.format(lambda: name)
    for broker in brokers:
        broker.launch()
    for broker in brokers:
        broker.wait_ready()
    return brokers
