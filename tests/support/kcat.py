"""Stock kcat (librdkafka) as a producer and as a member of a group, each watched record by record.

    with Producer(bootstrap, "orders") as producer:
        producer.send([(b"key", ledger.mark("p1", 0, b"..."))])
        producer.flush_and_close()       # Failed if a record was not delivered

kcat says each acknowledgement, with partition and offset, on its standard error. What it says is
read by a thread of its own and timed as it comes: the longest silence is the stand-still that a
client sees.
"""

import contextlib
import re
import socket
import subprocess
import threading
import time
from dataclasses import dataclass, field

from . import ledger
from .processes import Failed

_KEY, _END = b"\x1f", b"\x1e"
_DELIVERED = re.compile(rb"Message delivered to partition (\d+) \(offset (-?\d+)\)")


@dataclass
class Silence:
    """The longest time between two events, and when it was."""
    closed_s: float = 0
    latest: float | None = None

    def event(self, now: float) -> None:
        if self.latest is not None:
            self.closed_s = max(self.closed_s, now - self.latest)
        self.latest = now

    @property
    def longest_s(self) -> float:
        """Also one that has not ended yet."""
        now = time.monotonic()
        return max(self.closed_s, now - (self.latest or now))

    def restart(self) -> None:
        self.closed_s, self.latest = 0, time.monotonic()


# How long kcat takes a silent broker for one that may still answer.
_WAIT = ["-X", "api.version.request.timeout.ms=300000", "-X", "socket.timeout.ms=300000",
         "-X", "socket.connection.setup.timeout.ms=300000"]
_patience: list[socket.socket] = []


def patient(bootstrap: str) -> str:
    """kcat ends when all its brokers are down at once. This adds one that is never down: a port
    that takes connections and says nothing. For clusters of one broker that is killed."""
    if not _patience:
        _patience.append(socket.create_server(("127.0.0.1", 0), backlog=1000))
    return f"{bootstrap},127.0.0.1:{_patience[0].getsockname()[1]}"


class Producer:
    """Idempotent, acks=all. Records may hold anything but the two bytes 0x1e and 0x1f."""

    def __init__(self, bootstrap: str, topic: str, *options: str, idempotent: bool = True):
        self.acked: set[tuple[int, int]] = set()    # (partition, offset)
        self.acked_twice: set[tuple[int, int]] = set()  # one position, two records
        self.acks = 0                               # also those that came without a position
        self.sent = 0
        self.failures: list[str] = []
        self.silence = Silence()
        command = ["kcat", "-P", "-b", bootstrap, "-t", topic, "-K", r"\x1f", "-D", r"\x1e",
                   "-v", "-v", "-X", f"enable.idempotence={str(idempotent).lower()}",
                   "-X", "linger.ms=5", *_WAIT, *options]
        self.child = subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE,
                                      stdout=subprocess.DEVNULL, start_new_session=True)
        self.thread = threading.Thread(target=self._listen, daemon=True)
        self.thread.start()

    def send(self, records: list[tuple[bytes, bytes]]) -> None:
        """Keys and values. kcat looks for acknowledgements only between two records, so those of
        the last ones are seen when others follow, or at the end."""
        self.sent += len(records)
        try:
            self.child.stdin.write(b"".join(key + _KEY + value + _END for key, value in records))
            self.child.stdin.flush()
        except BrokenPipeError:
            raise self._failed(f"exit {self.close()}") from None

    def _failed(self, what: str) -> Failed:
        return Failed(f"kcat: {what}, {self.acks} of {self.sent} acknowledged; it said: "
                      f"{' | '.join(self.failures[-3:])}")

    def close(self, deadline_s: float = 60) -> int:
        """Sends what is left; the exit code. What was not acknowledged then has failed."""
        with contextlib.suppress(BrokenPipeError):
            self.child.stdin.close()
        try:
            code = self.child.wait(deadline_s)
        except subprocess.TimeoutExpired:
            self.child.kill()
            code = self.child.wait()
        self.thread.join(10)
        self.child.stderr.close()
        return code

    def flush_and_close(self, deadline_s: float = 60) -> None:
        code = self.close(deadline_s)
        if code != 0 or self.acks != self.sent:
            raise self._failed(f"exit {code}")

    def kill(self) -> None:
        if self.child.poll() is None:
            self.child.kill()
            self.child.wait()

    def _listen(self) -> None:
        for line in self.child.stderr:
            if found := _DELIVERED.search(line):
                self.silence.event(time.monotonic())
                position = (int(found[1]), int(found[2]))
                if position in self.acked:
                    self.acked_twice.add(position)
                if position[1] >= 0:
                    self.acked.add(position)
                self.acks += 1
            else:
                self.failures.append(line.decode(errors="replace").strip())

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kill()


@dataclass
class Reading:
    """What a member of a group was given, in order."""
    records: list[ledger.Record] = field(default_factory=list)
    silence: Silence = field(default_factory=Silence)


class Member:
    """A member of a group. It commits every 5 s (kcat's way, whatever it is told) and at its
    end."""

    def __init__(self, bootstrap: str, group: str, topic: str, *options: str):
        self.reading = Reading()
        self.said: list[str] = []
        command = ["kcat", "-G", group, "-b", bootstrap, "-u", "-f", ledger.FORMAT,
                   "-X", "auto.offset.reset=earliest", "-X", "check.crcs=true",
                   *_WAIT, *options, topic]
        self.child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                      start_new_session=True)
        self.threads = [threading.Thread(target=self._read, daemon=True),
                        threading.Thread(target=self._hear, daemon=True)]
        for thread in self.threads:
            thread.start()

    @property
    def records(self) -> list[ledger.Record]:
        return self.reading.records

    @property
    def silence(self) -> Silence:
        return self.reading.silence

    def wait_read(self, count: int, deadline_s: float = 30) -> None:
        end = time.monotonic() + deadline_s
        while len(self.records) < count:
            if time.monotonic() > end or self.child.poll() is not None:
                raise Failed(f"kcat -G: {len(self.records)} of {count} records; it said: "
                             f"{' | '.join(self.said[-3:])}")
            time.sleep(0.01)

    def wait_end(self, deadline_s: float = 60) -> list[ledger.Record]:
        """With the option -c N: until it has read so many, committed and left."""
        try:
            code = self.child.wait(deadline_s)
        except subprocess.TimeoutExpired:
            raise Failed(f"kcat -G: {len(self.records)} records; it said: "
                         f"{' | '.join(self.said[-3:])}") from None
        if code != 0:
            raise Failed(f"kcat -G: exit {code}; it said: {' | '.join(self.said[-3:])}")
        return self._read_to_end()

    def leave(self, deadline_s: float = 20) -> list[ledger.Record]:
        """SIGTERM: it commits, leaves the group and ends. What it has read."""
        if self.child.poll() is None:
            self.child.terminate()
        try:
            self.child.wait(deadline_s)
        except subprocess.TimeoutExpired:
            self.child.kill()
            self.child.wait()
            raise Failed("kcat -G did not leave its group") from None
        return self._read_to_end()

    def _read_to_end(self) -> list[ledger.Record]:
        for thread in self.threads:
            thread.join(10)
        return self.records

    def kill(self) -> None:
        if self.child.poll() is None:
            self.child.kill()
            self.child.wait()

    def _read(self) -> None:
        with self.child.stdout as stream:
            for record in ledger.parse(iter(lambda: stream.read1(1 << 20), b"")):
                self.records.append(record)
                self.silence.event(time.monotonic())

    def _hear(self) -> None:
        with self.child.stderr as stream:
            for line in stream:
                self.said.append(line.decode(errors="replace").strip())

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kill()


class Tail:
    """A reader without a group, from the end on: how long each record took from its producer
    (CreateTime, the same machine's clock) to here."""

    def __init__(self, bootstrap: str, topic: str):
        self.lags_s: list[float] = []
        command = ["kcat", "-C", "-b", bootstrap, "-t", topic, "-o", "end", "-q", "-u", "-f",
                   "%T\n", "-X", "fetch.wait.max.ms=100"]
        self.child = subprocess.Popen(command, stdout=subprocess.PIPE, start_new_session=True)
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        for line in self.child.stdout:
            self.lags_s.append(time.time() - int(line) / 1000)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.child.kill()
        self.child.wait()
