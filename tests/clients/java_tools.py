"""Kafka's own tools and so its Java client: topics, console producer and consumer, groups, and the
ClientCompatibilityTest, which is told what to expect.

    java_tools.py BOOTSTRAP PREFIX [--nodes N] [--no-acls]
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from support import kafka
from support.processes import wait_for

parser = argparse.ArgumentParser()
parser.add_argument("bootstrap")
parser.add_argument("prefix")
parser.add_argument("--nodes", type=int, default=1, help="what the cluster shows")
parser.add_argument("--no-acls", action="store_true", help="DescribeAcls is not served")
options = parser.parse_args()
topic, group = options.prefix + "-topic", options.prefix + "-group"


def tool(main_class: str, *args, stdin: bytes | None = None, check: bool = True):
    done = kafka.run_tool(main_class, "--bootstrap-server", options.bootstrap, *args, stdin=stdin,
                          check=check)
    return done.stdout.decode() + ("" if check else done.stderr.decode())


def topics() -> None:
    tool(kafka.TOPIC_COMMAND, "--create", "--topic", topic, "--partitions", 2,
         "--config", "retention.ms=86400000")
    again = tool(kafka.TOPIC_COMMAND, "--create", "--topic", topic, check=False)
    assert "TopicExistsException" in again, again
    tool(kafka.TOPIC_COMMAND, "--alter", "--topic", topic, "--partitions", 3)
    # Whom the tool asks may hear of it a moment later.
    wait_for(lambda: "PartitionCount: 3" in tool(kafka.TOPIC_COMMAND, "--describe", "--topic",
                                                 topic, check=False), "3 partitions", 60)
    described = tool(kafka.TOPIC_COMMAND, "--describe", "--topic", topic)
    assert "retention.ms=86400000" in described, described
    assert topic in tool(kafka.TOPIC_COMMAND, "--list").split()


def produce(first: int, count: int) -> None:
    lines = "".join(f"n:{i}\tk{i % 7}\tv{i}\n" for i in range(first, first + count))
    tool(kafka.CONSOLE_PRODUCER, "--topic", topic, "--property", "parse.key=true",
         "--property", "parse.headers=true", stdin=lines.encode())


def consume(first: int, count: int) -> None:
    read = tool(kafka.CONSOLE_CONSUMER, "--topic", topic, "--group", group, "--from-beginning",
                "--max-messages", count, "--timeout-ms", 60000,
                "--property", "print.key=true",
                "--property", "print.headers=true")
    expected = sorted(f"n:{i}\tk{i % 7}\tv{i}" for i in range(first, first + count))
    assert sorted(read.splitlines()) == expected, read[:300]


def groups() -> None:
    assert group in tool(kafka.GROUP_COMMAND, "--list").split()
    described = tool(kafka.GROUP_COMMAND, "--describe", "--group", group)
    rows = [line.split() for line in described.splitlines() if line.startswith(group)]
    # GROUP TOPIC PARTITION CURRENT-OFFSET LOG-END-OFFSET LAG ...
    assert sum(int(row[3]) for row in rows if row[3] != "-") == 200, described
    assert all(row[5] in ("0", "-") for row in rows), described
    tool(kafka.GROUP_COMMAND, "--reset-offsets", "--to-earliest", "--execute", "--group", group,
         "--topic", topic)
    consume(0, 200)
    tool(kafka.GROUP_COMMAND, "--delete", "--group", group)


def compatibility() -> None:
    kafka.run_tool(kafka.COMPATIBILITY_TEST, "--bootstrap-server", options.bootstrap,
                   "--topic", options.prefix + "-compatibility",
                   "--num-cluster-nodes", options.nodes,
                   "--describe-acls-supported", not options.no_acls,
                   "--offsets-for-times-supported", True, "--cluster-id-supported", True,
                   "--expect-record-too-large-exception", False,
                   "--create-topics-supported", True, "--describe-configs-supported", True,
                   "--idempotent-producer-supported", True)


topics()
for start in (0, 100):
    produce(start, 100)
    consume(start, 100)
groups()
compatibility()
tool(kafka.TOPIC_COMMAND, "--delete", "--topic", topic)
print("Kafka's tools: topics, console, groups, client compatibility hold")
