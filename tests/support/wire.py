"""Kafka's protocol by hand, for what no library does: a log-in with a token of yesterday, a session
that is not renewed. Old versions, whose headers have no tagged fields.

    with Wire(socket.create_connection(("127.0.0.1", port), 5)) as wire:
        answer = wire.log_in("PLAIN", b"\\0alice\\0secret")     # an Authenticated
        wire.topics()                                         # asks for metadata; Ended if it ends
"""

import socket
import struct
from typing import NamedTuple

METADATA, SASL_HANDSHAKE, SASL_AUTHENTICATE = 3, 17, 36


class Ended(Exception):
    """The other side has closed the connection."""


class Authenticated(NamedTuple):
    error: int           # Kafka's code
    message: str | None
    data: bytes          # what the mechanism answers
    lifetime_ms: int     # of the session; 0: for ever


class Wire:
    def __init__(self, line: socket.socket):
        self.line = line
        self.line.settimeout(30)
        self.asked = 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.line.close()

    def call(self, key: int, version: int, body: bytes) -> "Reader":
        self.asked += 1
        client = b"wire"
        frame = struct.pack(">hhih", key, version, self.asked, len(client)) + client + body
        try:
            self.line.sendall(struct.pack(">i", len(frame)) + frame)
            size, = struct.unpack(">i", self._exactly(4))
            answer = Reader(self._exactly(size))
        except (ConnectionError, BrokenPipeError) as error:
            raise Ended(str(error)) from error
        assert answer.int32() == self.asked
        return answer

    def _exactly(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            part = self.line.recv(size - len(data))
            if not part:
                raise Ended(f"after {len(data)} of {size} bytes")
            data += part
        return data

    def log_in(self, mechanism: str, first: bytes) -> Authenticated:
        """The handshake and the first message."""
        name = mechanism.encode()
        answer = self.call(SASL_HANDSHAKE, 1, struct.pack(">h", len(name)) + name)
        assert answer.int16() == 0, mechanism
        return self.authenticate(first)

    def authenticate(self, message: bytes) -> Authenticated:
        answer = self.call(SASL_AUTHENTICATE, 1, struct.pack(">i", len(message)) + message)
        return Authenticated(answer.int16(), answer.text(), answer.data(), answer.int64())

    def topics(self) -> None:
        """Metadata, of no topic."""
        self.call(METADATA, 1, struct.pack(">i", 0))


class Reader:
    def __init__(self, data: bytes):
        self.rest = data

    def _take(self, size: int) -> bytes:
        taken, self.rest = self.rest[:size], self.rest[size:]
        return taken

    def int16(self) -> int:
        return int.from_bytes(self._take(2), "big", signed=True)

    def int32(self) -> int:
        return int.from_bytes(self._take(4), "big", signed=True)

    def int64(self) -> int:
        return int.from_bytes(self._take(8), "big", signed=True)

    def text(self) -> str | None:
        size = self.int16()
        return None if size < 0 else self._take(size).decode()

    def data(self) -> bytes:
        return self._take(max(self.int32(), 0))
