"""What a connection costs a broker: CPU to begin it, memory while it is idle."""

import os
import resource
import socket
import ssl
import statistics
import struct
from dataclasses import dataclass, field
from pathlib import Path

from measure import TEST_CORE, cpu_of, pin
from paths import Floor
from reach import PLAIN, Plain, Tls
from support.site import Site

HANDSHAKES = 1000
IDLE = 1000
API_VERSIONS = struct.pack(">ihhih", 10, 18, 0, 1, -1)


def ask(connection: socket.socket) -> None:
    """ApiVersions, answered: behind it lies all that a server sends of itself, tickets too."""
    connection.sendall(API_VERSIONS)
    size = struct.unpack(">i", connection.recv(4))[0]
    while size > 0:
        came = len(connection.recv(size))
        if came == 0:
            raise SystemExit("bench: closed in the middle of ApiVersions")
        size -= came


class Client:
    """Connections to one port of this machine."""

    def __init__(self, reach: Plain, port: int):
        self.port = port
        self.context = reach.certificates.client() if isinstance(reach, Tls) else None

    def connect(self, session: ssl.SSLSession | None = None) -> socket.socket:
        plain = socket.create_connection(("127.0.0.1", self.port), 10)
        if self.context is None:
            connection = plain
        else:
            connection = self.context.wrap_socket(plain, server_hostname="localhost",
                                                  session=session)
        ask(connection)
        return connection


@dataclass
class ConnectionRow:
    """Product and floor in turn, as in a Row; here the unit is the row's own."""
    name: str
    product: list[float] = field(default_factory=list)
    floor: list[float] = field(default_factory=list)

    @property
    def ratios(self) -> list[float]:
        return [p / f for p, f in zip(self.product, self.floor)]

    @property
    def middle(self) -> tuple[float, float, float]:
        """Product, floor and their ratio, of the pair with the median of that."""
        ratio = statistics.median_high(self.ratios)
        at = self.ratios.index(ratio)
        return self.product[at], self.floor[at], ratio

    def as_json(self) -> dict:
        return {"what": self.name, "product": self.product, "floor": self.floor}


class Handshakes:
    """CPU of the server in ms for each: accept, handshake, ApiVersions, close."""

    def __init__(self, directory: Path, site: Site, tls: Tls, resumed: bool):
        self.directory, self.site, self.tls, self.resumed = directory, site, tls, resumed

    def product(self) -> float:
        pin(self.site.process.pid, TEST_CORE)
        return self.measure(self.site.process.pid, self.tls.port(self.site))

    def floor(self) -> float:
        with Floor(self.directory, "broker", **self.tls.floor_listens) as floor:
            return self.measure(floor.pid, floor.port)

    def measure(self, pid: int, port: int) -> float:
        client = Client(self.tls, port)
        with client.connect() as first:
            session = first.session if self.resumed else None
        began = cpu_of(pid)
        for _ in range(HANDSHAKES):
            with client.connect(session) as connection:
                if connection.session_reused != self.resumed:
                    raise SystemExit("bench: a session was resumed, or was not")
        return (cpu_of(pid) - began) / HANDSHAKES * 1e3


class IdleMemory:
    """KiB of a broker, started for this, for each of its connections that has been answered once
    and is idle; the floor is a plain one."""

    def __init__(self, site: Site, tls: Tls):
        self.site, self.tls = site, tls
        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))

    def product(self) -> float:
        return self.measure(self.tls)

    def floor(self) -> float:
        return self.measure(PLAIN)

    def measure(self, reach: Plain) -> float:
        self.site.start()
        client = Client(reach, reach.port(self.site))
        client.connect().close()
        before = resident(self.site.process.pid)
        idle = [client.connect() for _ in range(IDLE)]
        after = resident(self.site.process.pid)
        for each in idle:
            each.close()
        self.site.stop()
        return (after - before) / IDLE / 1024


def resident(pid: int) -> int:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")
