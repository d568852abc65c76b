"""Stock clients against a cluster that this starts.

    run.py TARGET [CLIENT...]       one test per pair; exit 77 if a client is not installed
    run.py --at HOST:PORT CLIENT... against what runs already

TARGET is `kafka` (a real Apache Kafka: shows that the tests are right), `broker` (an Isthmus site)
or `router` (an Isthmus router before two sites).
"""

import contextlib
import shutil
import subprocess
import sys
import tempfile
import unittest
import uuid
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
from support import testing
from support.kafka import Kafka
from support.site import Router, Site, cluster

FETCHED = "./dev test fetches it"


class Client:
    """A script of this folder, what runs it, and what it is told about a target."""

    def __init__(self, script: str, runner, extra=None):
        self.script = script
        self.runner = runner
        self.extra = extra or {}

    def run(self, bootstrap: str, target: str) -> None:
        prefix = f"{Path(self.script).stem.replace('_', '-')}-{uuid.uuid4().hex[:8]}"
        command = [*self.runner(), HERE / self.script, bootstrap, prefix,
                   *self.extra.get(target, [])]
        subprocess.run(command, check=True, timeout=240, stdin=subprocess.DEVNULL)


def system_python() -> list:
    return [sys.executable]


def with_kcat() -> list:
    if not shutil.which("kcat"):
        raise unittest.SkipTest("kcat is missing: ./dev test installs it")
    return system_python()


def peer_python() -> list:
    testing.need(testing.PEERS / "python.stamp", FETCHED)
    return [testing.PEERS / "python" / "bin" / "python"]


def node() -> list:
    testing.need(testing.PEERS / "node.stamp", FETCHED)
    return ["env", f"NODE_PATH={testing.PEERS / 'node' / 'node_modules'}",
            "KAFKAJS_NO_PARTITIONER_WARNING=1", "node"]


def with_kafka() -> list:
    testing.need(testing.PEERS / "kafka.stamp", FETCHED)
    return system_python()


CLIENTS = {
    "kcat": Client("kcat.py", with_kcat),
    "kafkajs": Client("kafkajs.js", node),
    "kafka-python": Client("kafka_python.py", peer_python),
    "confluent-kafka": Client("confluent.py", peer_python),
    "kafka-tools": Client("java_tools.py", with_kafka,
                          {"broker": [], "router": ["--no-acls", "--nodes", "2"]}),
}


@contextlib.contextmanager
def started(target: str):
    """The bootstrap address of a fresh cluster of that kind."""
    with tempfile.TemporaryDirectory(prefix="isthmus-clients-") as tmp, \
            contextlib.ExitStack() as stack:
        if target == "kafka":
            yield stack.enter_context(Kafka(Path(tmp) / "kafka", num_partitions=4)).bootstrap
        elif target == "broker":
            yield stack.enter_context(Site(tmp, "seoul", number=1)).bootstrap
        elif target == "router":
            sites = [stack.enter_context(Site(tmp, name, number=number))
                     for number, name in enumerate(("seoul", "tokyo"), 1)]
            yield stack.enter_context(
                Router(tmp, "corp", {site.name: cluster(site) for site in sites})).bootstrap
        else:
            sys.exit(f"run.py: '{target}' is none of kafka, broker, router, --at HOST:PORT")


def main() -> None:
    arguments = sys.argv[1:] or ["kafka"]
    target, names = arguments[0], arguments[1:]
    if target == "--at":
        bootstrap, names = names[0], names[1:]
        target_cluster = contextlib.nullcontext(bootstrap)
    else:
        target_cluster = started(target)
    skipped = failed = 0
    try:
        with target_cluster as bootstrap:
            for name in names or CLIENTS:
                try:
                    CLIENTS[name].run(bootstrap, target)
                except unittest.SkipTest as reason:
                    print(f"\n!!! SKIPPED {name}: {reason}\n", flush=True)
                    skipped += 1
                except subprocess.SubprocessError as error:
                    print(f"FAILED {name}: {error}", flush=True)
                    failed += 1
    except unittest.SkipTest as reason:
        print(f"\n!!! SKIPPED {target}: {reason}\n")
        skipped += 1
    sys.exit(1 if failed else testing.SKIPPED if skipped else 0)


main()
