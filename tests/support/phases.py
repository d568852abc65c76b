"""The wire between those who drive a switchover and the sites, frame by frame. It holds one request
or one answer of an API, so that a test can kill somebody at exactly that point.

    phases = Phases()
    port = phases.route(site.ports["WAN"])      # to be advertised instead
    held = phases.hold(HAND_OVER)               # before the step that sends it
    held.wait()                                 # it was sent, and has not arrived
    mirror.kill()
    held.pass_on()                              # it arrives late; drop(): lost, with its connection

Nothing behind a held frame overtakes it on its connection; the other direction and all other
connections go on. A frame outlives its sender: what a killed process has sent can still arrive.
"""

import contextlib
import socket
import struct
import threading
import time
from collections import deque
from typing import Iterator

from .processes import Failed

# kafka/schema/private/
FENCE, HAND_OVER, PROMOTE, WISH, FINISH = range(10006, 10011)
NAMES = {FENCE: "Fence", HAND_OVER: "HandOver", PROMOTE: "Promote", WISH: "SwitchoverWish",
         FINISH: "FinishSwitchover"}

_REQUEST = struct.Struct(">ihhi")  # length, API key, API version, correlation id
_ANSWER = struct.Struct(">ii")     # length, correlation id


class Held:
    """One frame that is to be held, or is."""

    def __init__(self, api: int, answer: bool):
        self.what = f"the {'answer to' if answer else 'request'} {NAMES.get(api, api)}"
        self.wanted = (api, answer)
        self.reached = threading.Event()
        self._decided = threading.Event()
        self._passes = False

    def wait(self, deadline_s: float = 60) -> None:
        if not self.reached.wait(deadline_s):
            raise Failed(f"{self.what} did not come within {deadline_s:g} s")

    def pass_on(self) -> None:
        self._passes = True
        self._decided.set()

    def drop(self) -> None:
        self._decided.set()

    def passes(self) -> bool:
        """Called with the frame in hand: whether it goes on, once that is decided."""
        self.reached.set()
        self._decided.wait()
        return self._passes


class Phases:
    def __init__(self):
        self._lock = threading.Lock()
        self._listeners: list[socket.socket] = []
        self._connections: set[_Connection] = set()
        self._held: list[Held] = []
        self._seen: deque[str] = deque(maxlen=40)
        self._began = time.monotonic()

    def route(self, target: int) -> int:
        """A new line to a local port; returns the port that leads there."""
        listener = socket.create_server(("127.0.0.1", 0), backlog=100)
        self._listeners.append(listener)
        threading.Thread(target=self._accept, args=(listener, target), daemon=True).start()
        return listener.getsockname()[1]

    def hold(self, api: int, answer: bool = False) -> Held:
        """The next request of this API, or the next answer to one, on whatever line."""
        held = Held(api, answer)
        with self._lock:
            self._held.append(held)
        return held

    def seen(self) -> str:
        """The latest frames of a switchover, in the order in which they came by."""
        with self._lock:
            return "\n".join(self._seen)

    def close(self) -> None:
        for listener in self._listeners:
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            listener.close()
        with self._lock:
            for held in self._held:
                held.drop()
            connections = list(self._connections)
        for connection in connections:
            connection.cut()

    def _accept(self, listener: socket.socket, target: int) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return  # closed
            try:
                server = socket.create_connection(("127.0.0.1", target), timeout=5)
            except OSError:
                client.close()  # nobody is there: as if nobody had answered here
                continue
            server.settimeout(None)
            connection = _Connection(self, client, server)
            with self._lock:
                self._connections.add(connection)
            connection.start()

    def _comes_by(self, api: int, answer: bool) -> Held | None:
        with self._lock:
            if api in NAMES:
                self._note(f"{NAMES[api]} {'answered' if answer else 'asked'}")
            for held in self._held:
                if held.wanted == (api, answer):
                    self._held.remove(held)
                    return held
        return None

    def _note(self, what: str) -> None:
        self._seen.append(f"    {time.monotonic() - self._began:8.3f} s  {what}")

    def note(self, what: str) -> None:
        """A line of the test's own among the frames."""
        with self._lock:
            self._note(what)

    def _ended(self, connection: "_Connection") -> None:
        with self._lock:
            self._connections.discard(connection)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class _Connection:
    """Both directions of one connection, each on a thread of its own and ending by itself: what was
    sent before an end arrives before it."""

    def __init__(self, phases: Phases, client: socket.socket, server: socket.socket):
        self._phases = phases
        self._client, self._server = client, server
        self._asked: dict[int, int] = {}  # correlation id -> API
        for peer in (client, server):
            peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def start(self) -> None:
        threading.Thread(target=self._run, daemon=True).start()

    def cut(self) -> None:
        for peer in (self._client, self._server):
            with contextlib.suppress(OSError):
                peer.shutdown(socket.SHUT_RDWR)

    def _run(self) -> None:
        answers = threading.Thread(target=self._pump, daemon=True,
                                   args=(self._server, self._client, True))
        answers.start()
        self._pump(self._client, self._server, False)
        answers.join()
        self._client.close()
        self._server.close()
        self._phases._ended(self)

    def _pump(self, source: socket.socket, sink: socket.socket, answers: bool) -> None:
        with contextlib.suppress(OSError):  # an end was killed: what the tests are about
            for frame in _frames(source):
                held = self._phases._comes_by(self._api_of(frame, answers), answers)
                if held is not None and not held.passes():
                    self.cut()
                    return
                sink.sendall(frame)
        with contextlib.suppress(OSError):
            sink.shutdown(socket.SHUT_WR)

    def _api_of(self, frame: bytes, answer: bool) -> int:
        if answer:
            return self._asked.pop(_ANSWER.unpack_from(frame)[1], -1)
        _, api, _, correlation_id = _REQUEST.unpack_from(frame)
        self._asked[correlation_id] = api
        return api


def _frames(peer: socket.socket) -> Iterator[bytes]:
    """Whole frames with their length in front; a torn one at the end is not passed on."""
    with peer.makefile("rb") as stream:
        while len(length := stream.read(4)) == 4:
            size = int.from_bytes(length, "big")
            body = stream.read(size)
            if len(body) < size:
                return
            yield length + body
