"""Stock kcat (Debian's, librdkafka 2.0.2): every codec, keys, headers, nulls, offsets by time,
and a group that resumes at the next record.

    kcat.py BOOTSTRAP PREFIX
"""

import json
import random
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from support import ledger

bootstrap, prefix = sys.argv[1:3]
CODECS = ("none", "gzip", "snappy", "lz4", "zstd")


def kcat(*args, stdin: bytes | None = None) -> bytes:
    command = ["timeout", "60", "kcat", "-b", bootstrap, *map(str, args)]
    done = subprocess.run(command, input=stdin, capture_output=True)
    assert done.returncode == 0, f"{command}: exit {done.returncode}: {done.stderr.decode()}"
    return done.stdout


def produce_and_consume(codec: str, acks: str) -> None:
    topic = f"{prefix}-{codec}-{acks}"
    values = [b"%d %s" % (i, random.Random(i).randbytes(300).hex().encode()) for i in range(2000)]
    lines = b"".join(b"key-%d\t%s\n" % (i % 97, value) for i, value in enumerate(values))
    kcat("-P", "-t", topic, "-K", "\t", "-z", codec, "-H", "codec=" + codec, "-H", "two=2",
         "-X", f"acks={acks}", stdin=lines)
    expected = sorted((b"key-%d" % (i % 97), value) for i, value in enumerate(values))

    # acks=0 is answered by nobody: the records may still be on their way.
    end = time.monotonic() + 60
    records = list(ledger.read(bootstrap, topic))
    while acks == "0" and len(records) < len(values) and time.monotonic() < end:
        records = list(ledger.read(bootstrap, topic))
    assert sorted((r.key, r.value) for r in records) == expected, f"{topic}: {len(records)} records"
    assert {r.headers for r in records} == {f"codec={codec},two=2".encode()}
    for partition, digest in ledger.digest(records).items():
        assert (digest.first, digest.next) == (0, digest.records), f"{topic}-{partition}: {digest}"
    assert ledger.digest(records) == ledger.digest(ledger.read(bootstrap, topic)), "read twice"


def nulls() -> None:
    topic = prefix + "-nulls"
    kcat("-P", "-t", topic, "-p", 0, "-K", ":", "-Z", stdin=b"tombstone:\n:\nkey:value\n")
    read = [(r.key, r.value) for r in ledger.read(bootstrap, topic)]
    assert read == [(b"tombstone", None), (None, None), (b"key", b"value")], read


def positions() -> None:
    topic = prefix + "-times"
    kcat("-P", "-t", topic, "-p", 0, stdin=b"before\n")
    time.sleep(0.05)
    between = int(time.time() * 1000)
    time.sleep(0.05)
    kcat("-P", "-t", topic, "-p", 0, stdin=b"after\nlater\n")
    for timestamp, offset in ((0, 0), (between, 1), (-2, 0), (-1, 3)):
        answer = kcat("-Q", "-t", f"{topic}:0:{timestamp}").decode()
        assert f"offset {offset}" in answer, f"ListOffsets {timestamp}: {answer}"
    assert kcat("-C", "-t", topic, "-p", 0, "-o", "-1", "-e", "-q") == b"later\n"
    assert kcat("-C", "-t", topic, "-p", 0, "-o", f"s@{between}", "-c", 1, "-q") == b"after\n"


def metadata() -> None:
    seen = json.loads(kcat("-L", "-J"))
    topics = {topic["topic"]: topic for topic in seen["topics"]}
    nodes = {broker["id"] for broker in seen["brokers"]}
    partitions = topics[prefix + "-none-all"]["partitions"]
    assert [p["partition"] for p in partitions] == list(range(len(partitions)))
    assert all(p["leader"] in nodes for p in partitions), partitions


def group() -> None:
    topic, name = prefix + "-group", prefix + "-members"
    read = []
    for first in (0, 100):
        lines = b"".join(b"%d\n" % i for i in range(first, first + 100))
        kcat("-P", "-t", topic, "-p", 0, stdin=lines)
        read += kcat("-G", name, "-c", 100, "-q", "-X", "auto.offset.reset=earliest",
                     topic).split()
    assert read == [b"%d" % i for i in range(200)], read


for each in CODECS:
    produce_and_consume(each, "all")
produce_and_consume("none", "1")
produce_and_consume("none", "0")
nulls()
positions()
metadata()
group()
print("kcat: codecs, acks, headers, nulls, offsets by time, metadata and a group hold")
