"""Phases passes frames on unchanged, holds the one that it is asked for and no other, and delivers
what a dead process has sent."""

import socket
import struct
import sys
import threading
import time
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from support import testing
from support.phases import FENCE, HAND_OVER, Phases
from support.processes import Failed, free_port, wait_for


class Site:
    """Answers each request with its correlation id and body, and keeps what it was asked."""

    def __init__(self):
        self.asked: list[int] = []
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

    def _serve(self, peer):
        with peer, peer.makefile("rwb") as stream:
            while len(length := stream.read(4)) == 4:
                frame = stream.read(int.from_bytes(length, "big"))
                api, _, correlation_id = struct.unpack_from(">hhi", frame)
                self.asked.append(api)
                body = struct.pack(">i", correlation_id) + frame[8:]
                try:
                    stream.write(struct.pack(">i", len(body)) + body)
                    stream.flush()
                except OSError:
                    return


class Client:
    def __init__(self, port: int):
        self.peer = socket.create_connection(("127.0.0.1", port), timeout=20)
        self.answers = self.peer.makefile("rb")
        self.correlation_id = 0

    def ask(self, api: int, body: bytes = b"") -> None:
        self.correlation_id += 1
        frame = struct.pack(">hhi", api, 0, self.correlation_id) + body
        self.peer.sendall(struct.pack(">i", len(frame)) + frame)

    def answer(self) -> bytes | None:
        """Its body; None at the end of the connection."""
        length = self.answers.read(4)
        return self.answers.read(int.from_bytes(length, "big"))[4:] if length else None

    def close(self) -> None:
        self.answers.close()
        self.peer.close()


class PhasesTest(unittest.TestCase):
    def setUp(self):
        self.site = Site()
        self.addCleanup(self.site.listener.close)
        self.phases = Phases()
        self.addCleanup(self.phases.close)
        self.port = self.phases.route(self.site.port)

    def client(self) -> Client:
        client = Client(self.port)
        self.addCleanup(client.close)
        return client

    def test_frames_pass_unchanged(self):
        client = self.client()
        for body in (b"", b"x", b"y" * 300_000):
            client.ask(3, body)
            self.assertEqual(client.answer(), body)

    def test_a_held_request_has_not_arrived_and_others_have(self):
        held = self.phases.hold(FENCE)
        client, other = self.client(), self.client()
        client.ask(HAND_OVER, b"1")
        client.ask(FENCE, b"2")
        held.wait()
        other.ask(3, b"3")
        self.assertEqual(other.answer(), b"3")
        self.assertEqual(client.answer(), b"1")
        self.assertEqual(sorted(self.site.asked), [3, HAND_OVER])
        held.pass_on()
        self.assertEqual(client.answer(), b"2")
        client.ask(FENCE, b"4")  # one is held, not all
        self.assertEqual(client.answer(), b"4")

    def test_a_held_answer_belongs_to_a_request_that_has_arrived(self):
        held = self.phases.hold(FENCE, answer=True)
        client = self.client()
        client.ask(FENCE, b"1")
        client.ask(3, b"2")
        held.wait()
        self.assertEqual(self.site.asked[0], FENCE)
        client.peer.settimeout(0.1)
        with self.assertRaises(TimeoutError):
            client.peer.recv(1)
        client.peer.settimeout(20)
        held.pass_on()
        self.assertEqual((client.answer(), client.answer()), (b"1", b"2"))

    def test_a_dropped_frame_takes_its_connection_with_it(self):
        held = self.phases.hold(FENCE)
        client = self.client()
        client.ask(FENCE)
        held.wait()
        held.drop()
        self.assertIsNone(client.answer())
        self.assertEqual(self.site.asked, [])

    def test_what_a_dead_process_has_sent_arrives(self):
        held = self.phases.hold(HAND_OVER)
        client = self.client()
        client.ask(HAND_OVER)
        held.wait()
        client.close()
        time.sleep(0.05)
        held.pass_on()
        wait_for(lambda: self.site.asked == [HAND_OVER], "it arrives")

    def test_where_nobody_listens_the_connection_ends(self):
        client = Client(self.phases.route(free_port()))
        self.addCleanup(client.close)
        self.assertIsNone(client.answer())

    def test_what_does_not_come_is_said(self):
        with self.assertRaisesRegex(Failed, "the answer to Fence did not come within 0.1 s"):
            self.phases.hold(FENCE, answer=True).wait(0.1)

    def test_the_frames_of_a_switchover_are_kept_in_order(self):
        client = self.client()
        for api in (3, FENCE, HAND_OVER):
            client.ask(api)
            client.answer()
        said = [line.split("s  ")[1] for line in self.phases.seen().splitlines()]
        self.assertEqual(said, ["Fence asked", "Fence answered", "HandOver asked",
                                "HandOver answered"])


if __name__ == "__main__":
    testing.main()
