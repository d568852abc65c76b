"""Debian's kcat (librdkafka 2.0.2) in the grid; see program.py. It says where each record was
acknowledged, not which record it was: one partition is acknowledged in order, so it counts."""

import queue
import re
import subprocess
import threading

from program import Program, librdkafka_of

# kcat reads its input 128 bytes at a time and waits for all of them.
LINE = 128
DELIVERED = re.compile(rb"% Message delivered to partition (\d+) \(offset (-?\d+)\)")
FAILED = re.compile(rb"% Delivery failed for message: (.*)")
REBALANCED = re.compile(rb"% Group .* rebalanced.*?: (assigned|revoked): (.*)")
PARTITION = re.compile(rb"(\S+) \[(\d+)\]")


def kcat(program: Program, *args, **streams) -> subprocess.Popen:
    # -E: an application would not end because an error is reported that is mended.
    options = librdkafka_of(program.order.get("security"))
    secured = [word for option in options.items() for word in ("-X", "=".join(option))]
    command = ["kcat", "-b", program.order["bootstrap"], "-E", *secured, *map(str, args)]
    return subprocess.Popen(command, **streams)


def produce(program: Program) -> int:
    topic, partition = program.places[0]
    idempotent = str(program.order["idempotent"]).lower()
    child = kcat(program, "-P", "-t", topic, "-p", partition, "-vv", "-X", "acks=all", "-X",
                 "linger.ms=5", "-X", f"enable.idempotence={idempotent}",
                 stdin=subprocess.PIPE, stderr=subprocess.PIPE)
    listener = threading.Thread(target=hear_producer, args=(program, child, topic))
    listener.start()
    sent = 0
    for n in program.paced():
        child.stdin.write(program.value(n).ljust(LINE - 1, b"x") + b"\n")
        child.stdin.flush()
        sent = n + 1
    child.stdin.close()
    listener.join(60)
    return sent


def hear_producer(program: Program, child: subprocess.Popen, topic: str) -> None:
    reported = 0
    for line in child.stderr:
        if found := DELIVERED.match(line):
            program.acked(reported, topic, int(found[1]), int(found[2]))
            reported += 1
        elif found := FAILED.match(line):
            program.say("failed", n=reported, error=found[1].decode())
            reported += 1
        elif b"ERROR" in line:
            program.say("note", c="producer", error=line.decode().strip())


def consume(program: Program, spec: dict) -> None:
    name = spec["name"]
    if spec.get("group"):
        more = ["-X", f"group.instance.id={spec['instance']}"] if spec.get("instance") else []
        args = ["-G", spec["group"], "-X", "auto.offset.reset=earliest", *more, *program.topics]
    else:
        args = ["-C", "-t", program.topics[0], "-o", "beginning"]
    child = kcat(program, "-u", "-f", "%t %p %o %s\n", *args, stdin=subprocess.DEVNULL,
                 stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    ended = queue.Queue()
    for listen, stream in ((hear_records, child.stdout), (hear_consumer, child.stderr)):
        threading.Thread(target=listen, args=(program, name, stream, ended), daemon=True).start()
    threading.Thread(target=lambda: (program.over.wait(), ended.put(None)), daemon=True).start()
    ended.get()
    if not program.over.is_set():
        program.say("error", c=name, error=f"kcat ended with {child.wait()}")
    child.terminate()
    child.wait(20)


def hear_records(program: Program, name: str, stream, ended) -> None:
    for line in stream:
        topic, partition, offset, value = line.split(b" ", 3)
        program.read(name, topic.decode(), int(partition), int(offset), value)
    ended.put(None)


def hear_consumer(program: Program, name: str, stream, _) -> None:
    for line in stream:
        if found := REBALANCED.match(line):
            numbers = [program.number(topic.decode(), int(p))
                       for topic, p in PARTITION.findall(found[2])]
            program.say(found[1].decode(), c=name, p=numbers)
        elif b"ERROR" in line:
            program.say("note", c=name, error=line.decode().strip())


def version() -> str:
    said = subprocess.run(["kcat", "-V"], capture_output=True, text=True).stdout
    found = re.search(r"Version (\S+) .*librdkafka (\S+)", said)
    return f"{found[1]}, librdkafka {found[2]}" if found else "?"


Program(version()).run(produce, consume)
