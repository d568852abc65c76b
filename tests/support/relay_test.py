"""The relay delays, limits, cuts, stalls, restores, counts, and changes no byte."""

import hashlib
import random
import socket
import sys
import threading
import time
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from support import testing
from support.processes import Failed, free_port, wait_for
from support.relay import Relay


class Echo:
    """Sends back what it is sent, on every connection, until closed."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                peer, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(peer,), daemon=True).start()

    @staticmethod
    def _serve(peer):
        with peer:
            try:
                while data := peer.recv(65536):
                    peer.sendall(data)
            except OSError:
                pass  # the relay cut it: what the tests are about


def dial(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=20)


def round_trip_s(peer: socket.socket) -> float:
    began = time.monotonic()
    peer.sendall(b"x")
    assert peer.recv(1) == b"x"
    return time.monotonic() - began


class RelayTest(unittest.TestCase):
    def setUp(self):
        self.echo = Echo()
        self.relay = Relay()
        self.addCleanup(self.relay.close)
        self.addCleanup(self.echo.listener.close)

    def test_changes_no_byte_and_counts_them(self):
        port = self.relay.route("a", self.echo.port, delay_ms=3)
        sent = random.Random(1).randbytes(5_000_000)
        with dial(port) as peer:
            threading.Thread(target=lambda: (peer.sendall(sent), peer.shutdown(1))).start()
            received = b"".join(iter(lambda: peer.recv(65536), b""))
        self.assertEqual(hashlib.sha256(received).digest(), hashlib.sha256(sent).digest())
        stats = self.relay.stats("a")
        self.assertEqual((stats["up"], stats["down"]), (len(sent), len(sent)))

    def test_delays_each_way(self):
        port = self.relay.route("a", self.echo.port)
        with dial(port) as peer:
            # The best of some: a machine that is busy is late with the others.
            wait_for(lambda: round_trip_s(peer) < 0.01, "no delay", 30)
            self.relay.delay("a", 20)

            def is_delayed_once() -> bool:
                took = round_trip_s(peer)
                self.assertGreaterEqual(took, 0.040)
                return took < 0.060
            wait_for(is_delayed_once, "20 ms each way", 30)

    def test_a_long_line_is_not_a_slow_one(self):
        port = self.relay.route("a", self.echo.port, delay_ms=50)
        with dial(port) as peer:
            def took_s() -> float:
                began = time.monotonic()
                for _ in range(100):
                    peer.sendall(b"y" * 1000)
                    time.sleep(0.001)
                received = 0
                while received < 100_000:
                    received += len(peer.recv(65536))
                return time.monotonic() - began
            wait_for(lambda: took_s() < 0.6, "all of it is on the way at once", 30)

    def test_limits_the_rate(self):
        port = self.relay.route("a", self.echo.port, bytes_per_second=2_000_000)
        with dial(port) as peer:
            def is_in_time() -> bool:
                began = time.monotonic()
                threading.Thread(target=peer.sendall, args=(b"z" * 1_000_000,)).start()
                received = 0
                while received < 1_000_000:
                    received += len(peer.recv(65536))
                took = time.monotonic() - began
                self.assertGreater(took, 0.4)
                return took < 0.9
            wait_for(is_in_time, "its rate is used", 30)

    def test_cut_resets_and_refuses_until_restored(self):
        port = self.relay.route("a", self.echo.port)
        with dial(port) as peer:
            round_trip_s(peer)
            self.relay.cut("a")
            with self.assertRaises(ConnectionResetError):
                peer.recv(1)
        with self.assertRaises(ConnectionRefusedError):
            dial(port)
        self.relay.restore("a")
        with dial(port) as peer:
            round_trip_s(peer)

    def test_stall_holds_without_closing(self):
        port = self.relay.route("a", self.echo.port)
        with dial(port) as peer:
            round_trip_s(peer)
            self.relay.stall("a")
            peer.sendall(b"x")
            peer.settimeout(0.2)
            with self.assertRaises(TimeoutError):
                peer.recv(1)
            self.relay.restore("a")
            peer.settimeout(20)
            self.assertEqual(peer.recv(1), b"x")

    def test_stall_of_one_way_leaves_the_other(self):
        server = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(server.close)
        port = self.relay.route("a", server.getsockname()[1])
        with dial(port) as near:
            far, _ = server.accept()
            self.addCleanup(far.close)
            for way, sender, receiver in (("up", near, far), ("down", far, near)):
                self.relay.stall("a", way)
                receiver.sendall(b"x")
                sender.settimeout(20)
                self.assertEqual(sender.recv(1), b"x")
                sender.sendall(b"y")
                receiver.settimeout(0.2)
                with self.assertRaises(TimeoutError):
                    receiver.recv(1)
                self.relay.restore("a")
                receiver.settimeout(20)
                self.assertEqual(receiver.recv(1), b"y")

    def test_a_dead_target_resets_the_client(self):
        port = self.relay.route("a", free_port())
        with self.assertRaises(ConnectionResetError), dial(port) as peer:
            peer.recv(1)

    def test_routes_do_not_share_a_fate(self):
        first = self.relay.route("a", self.echo.port)
        second = self.relay.route("b", self.echo.port)
        with dial(first) as a, dial(second) as b:
            round_trip_s(a)
            self.relay.cut("a")
            round_trip_s(b)

    def test_refuses_what_it_does_not_understand(self):
        self.relay.route("a", self.echo.port)
        known = f"route a 0 {self.echo.port}"
        for line in ("nonsense a", "cut nobody", "delay a",
                     "stall a sideways", known, "route b 0 0", "cut"):
            with self.assertRaises(Failed):
                self.relay.ask(line)

    def test_ends_with_the_process_that_started_it(self):
        relay = Relay()
        relay.child.stdin.close()
        self.assertEqual(relay.child.wait(20), 0)
        relay.answers.close()
        relay.control.close()
        relay.child.stdout.close()


if __name__ == "__main__":
    testing.main()
