"""The mirror over a line: so long, and so wide, which all connections to the source share.

A run is the same backlog over the line and without one, and what the line takes when nobody but two
loops of plain sockets use it: with its rate, and without, which is what the relay can do. Over a
line that is narrow by its rate the backlog is small, and that without a line is large all the same.
MirrorMaker 2 does the same once, where Apache Kafka's jars are there.
"""

import itertools
import selectors
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from measure import CLIENT_CORE, Interval, OverLine, load, pin, warm
from mirror_maker import MirrorMaker
from paths import MIB, Backlog, Topic
from support.relay import Relay
from support.site import Mirror, Site

BULK = 1_000_000_000
CONNECTIONS = 4  # of plain sockets; as many as the mirror reads ahead over
FASTEST = 2_500_000_000  # bytes a second, for how much is enough where no rate is given
Crossed = Callable[[], int] | None
_numbers = itertools.count()


@dataclass
class Line:
    round_trip_ms: int
    rate: int  # bytes a second


class Ends:
    """Two sites, and the way to the first over a relay."""

    def __init__(self, source: Site, target: Site, relay: Relay, far_port: int):
        self.source, self.target, self.relay, self.far_port = source, target, relay, far_port
        self.name = "far"
        self.peer_near: dict[int, Interval] = {}  # by partitions: what a line has no part in

    def shape(self, line: Line, name: str | None = None) -> None:
        self.relay.delay(name or self.name, line.round_trip_ms // 2)
        self.relay.rate(name or self.name, line.rate)

    def crossed(self) -> int:
        """Bytes that have come over the line from the source, ever."""
        return self.relay.stats(self.name)["down"]

    def straighten(self) -> None:
        self.shape(Line(0, 0))

    @property
    def pids(self) -> tuple[int, ...]:
        return self.source.process.pid, self.target.process.pid, self.relay.child.pid

    def ceiling(self, line: Line) -> float:
        """MB/s of plain sockets over such a line."""
        with Pourer() as pourer:
            name = f"ceiling-{next(_numbers)}"
            port = self.relay.route(name, pourer.port)
            self.shape(line, name)
            return drain(port, min(BULK, 3 * (line.rate or FASTEST)))


class LinePath:
    """A backlog of a topic of so many partitions. `far` and `near` are processes of one link, which
    reach the source over the relay and without it, and never run at once."""

    def __init__(self, directory: Path, ends: Ends, far: Mirror, near: Mirror, line: Line,
                 partitions: int, size: int, has_peer: bool = True):
        self.directory, self.ends, self.far, self.near = directory, ends, far, near
        self.line, self.partitions, self.size = line, partitions, size
        self.has_peer = has_peer

    def times(self, pairs: int) -> int:
        """A backlog that takes so long is measured by the line's clock, and once is enough."""
        return 1 if self.size / (self.line.rate or FASTEST) > 20 else pairs

    def run(self) -> OverLine:
        return OverLine(self.over_the_line(self.mirrored(self.far)),
                        self.mirrored(self.near)(BULK),
                        self.ends.ceiling(self.line),
                        self.ends.ceiling(Line(self.line.round_trip_ms, 0)))

    def run_peer(self) -> OverLine:
        far = f"127.0.0.1:{self.ends.far_port}"
        crossed = self.over_the_line(self.carried(far))
        near = self.ends.peer_near
        if self.partitions not in near:
            near[self.partitions] = self.carried(self.ends.source.bootstrap)(BULK)
        return OverLine(crossed, near[self.partitions])

    def over_the_line(self, move) -> Interval:
        self.ends.shape(self.line)
        try:
            return move(self.size, self.ends.crossed)
        finally:
            self.ends.straighten()

    def mirrored(self, mirror: Mirror):
        def move(size: int, crossed: Crossed = None) -> Interval:
            for other in (self.far, self.near):
                if other.alive:
                    other.stop()
            with Topic(self.ends.source.bootstrap, MIB, "mirrored", self.partitions) as where:
                try:
                    return self.backlog(where, where["topic"], size, crossed).move(mirror)
                finally:
                    mirror.stop()
        return move

    def carried(self, source: str):
        """By MirrorMaker 2, which may have both cores."""
        def move(size: int, crossed: Crossed = None) -> Interval:
            with Topic(self.ends.source.bootstrap, MIB, "carried", self.partitions) as where:
                peer = MirrorMaker(self.directory, source, self.ends.target.bootstrap,
                                   where["topic"])
                try:
                    backlog = self.backlog(where, peer.there, size, crossed)
                    return backlog.move(peer, core=None)
                finally:
                    peer.kill()
                    load("delete", server=self.ends.target.bootstrap, topic=peer.there)
        return move

    def backlog(self, where: dict, there: str, size: int, crossed: Crossed) -> Backlog:
        for pid in self.ends.pids:
            pin(pid, CLIENT_CORE)
        produced = load("produce", **where, bytes=size, in_flight=5)
        warm(self.directory)
        watched = {"server": self.ends.target.bootstrap, "topic": there,
                   "partitions": self.partitions}
        patience = 60 + 3 * size / (self.line.rate or size)
        return Backlog(watched, produced, self.ends.pids, patience, crossed)


class Pourer:
    """Sends to whoever connects, as fast as they take it."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]

    def __enter__(self) -> "Pourer":
        threading.Thread(target=self.accept, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.listener.close()

    def accept(self) -> None:
        try:
            while True:
                connection, _ = self.listener.accept()
                threading.Thread(target=pour, args=(connection,), daemon=True).start()
        except OSError:
            pass  # closed


def pour(connection: socket.socket) -> None:
    block = bytes(MIB)
    try:
        with connection:
            while True:
                connection.sendall(block)
    except OSError:
        pass  # the other end has had enough


def drain(port: int, size: int) -> float:
    """MB/s of so many bytes over several connections; the first tenth, in which they begin, does
    not count."""
    buffer = bytearray(MIB)
    came, begin = 0, None
    with selectors.DefaultSelector() as selector:
        sockets = [socket.create_connection(("127.0.0.1", port)) for _ in range(CONNECTIONS)]
        try:
            for each in sockets:
                selector.register(each, selectors.EVENT_READ)
            while came < size:
                for key, _ in selector.select():
                    n = key.fileobj.recv_into(buffer)
                    if n == 0:
                        raise SystemExit("bench: the line's ceiling: the relay has closed")
                    came += n
                if begin is None and came >= size / 10:
                    begin = (came, time.monotonic())
        finally:
            for each in sockets:
                each.close()
    return (came - begin[0]) / 1e6 / (time.monotonic() - begin[1])
