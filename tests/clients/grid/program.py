"""What the Python programs of the grid share: their orders, their events, their end.

A program is told in one JSON argument what to do:

    bootstrap, id, topics, partitions, rate     it produces id:0, id:1, ... to them in turn
    idempotent                                  whether it asks its library for that
    security                                    none, or {protocol, ca} and {mechanism, user,
                                                password}, {mechanism, token, token_file} or
                                                {certificate, key, both}: files in PEM
    consumers                                   [{name, group, instance, commit}, ...]: without a
                                                group it assigns itself everything, from the
                                                beginning; commit is "manual" (after each poll) or
                                                "auto"; instance makes it a static member

It prints one JSON object per event, with the time in milliseconds as `t`:

    start     version                           the library's
    acked     n, p, o                           record n is at partition p, offset o (-1: not told)
    failed    n, error                          the library has given record n up
    read      c, p, o, n                        consumer c was given record n
    assigned, revoked   c, p                    a rebalance, as the application sees it
    committed c; commit_failed c, error
    error     c, error                          whatever else the application has to handle
    note      error                             what a library says and then mends by itself
    flushed   sent                              after the line "flush" on standard input
    end                                         after standard input has ended

A partition is numbered over all topics: topic's index * 1000 + partition.
"""

import json
import sys
import threading
import time

STRIDE = 1000  # partitions of one topic
LIBRDKAFKA = {"protocol": "security.protocol", "ca": "ssl.ca.location",
              "certificate": "ssl.certificate.location", "key": "ssl.key.location",
              "mechanism": "sasl.mechanism", "user": "sasl.username", "password": "sasl.password"}


def librdkafka_of(security: dict | None) -> dict:
    """What librdkafka is to be told of an order's security, but for a token."""
    return {name: security[key] for key, name in LIBRDKAFKA.items() if security and key in security}


class Program:
    def __init__(self, version: str):
        self.order = json.loads(sys.argv[1])
        self.topics = self.order["topics"]
        self.places = [(topic, p) for topic in self.topics for p in range(self.order["partitions"])]
        self.index = {topic: i for i, topic in enumerate(self.topics)}
        self.flushing, self.over = threading.Event(), threading.Event()
        self.lock = threading.Lock()
        self.say("start", version=version)
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        for line in sys.stdin:
            if line.strip() == "flush":
                self.flushing.set()
        self.flushing.set()
        self.over.set()

    def say(self, event: str, **fields) -> None:
        line = json.dumps({"t": time.time() * 1000, "e": event, **fields}, default=str) + "\n"
        with self.lock:
            sys.stdout.write(line)
            sys.stdout.flush()

    def value(self, n: int) -> bytes:
        return b"%s:%d:%s" % (self.order["id"].encode(), n, b"x" * 80)

    def place(self, n: int) -> tuple[str, int]:
        """Topic and partition of record n."""
        return self.places[n % len(self.places)]

    def number(self, topic: str, partition: int) -> int:
        return self.index[topic] * STRIDE + partition

    def acked(self, n: int, topic: str, partition: int, offset: int | None) -> None:
        self.say("acked", n=n, p=self.number(topic, partition),
                 o=-1 if offset is None else offset)

    def read(self, consumer: str, topic: str, partition: int, offset: int, value: bytes) -> None:
        self.say("read", c=consumer, p=self.number(topic, partition), o=offset,
                 n=int(value.split(b":", 2)[1]))

    def rebalanced(self, event: str, consumer: str, partitions) -> None:
        self.say(event, c=consumer, p=sorted(self.number(p.topic, p.partition) for p in partitions))

    def due(self, n: int, began: float) -> float:
        """Seconds until record n is to be sent; its pace does not wait for acknowledgements."""
        return began + n / self.order["rate"] - time.monotonic()

    def paced(self, wait=time.sleep):
        """Numbers of records, each when it is due, until the producer is to flush."""
        began, n = time.monotonic(), 0
        while not self.flushing.is_set():
            left = self.due(n, began)
            if left > 0:
                wait(min(left, 0.05))
                continue
            yield n
            n += 1

    def run(self, produce, consume) -> None:
        """Each in a thread of its own: `produce(program)` returns how many records it sent,
        `consume(program, spec)` when the program is over."""
        def producer():
            sent = produce(self)
            self.say("flushed", sent=sent)
        threads = [threading.Thread(target=self.guarded, args=(producer,))]
        threads += [threading.Thread(target=self.guarded, args=(consume, self, spec))
                    for spec in self.order["consumers"]]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.say("end")

    def guarded(self, work, *args) -> None:
        """An exception ends that thread alone; the harness sees who went silent."""
        try:
            work(*args)
        except Exception as error:
            name = args[1]["name"] if len(args) > 1 else "producer"
            self.say("error", c=name, error=f"ended by {error!r}")
