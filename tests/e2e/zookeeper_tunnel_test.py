"""Brokers reach their ZooKeeper through a tunnel of TLS, stunnel on both sides, as
docs/operations.md has it: its configuration is read from that page."""

import re
import shutil
import socket
import ssl
import threading
import unittest
from pathlib import Path

import world
from confluent_kafka.admin import AdminClient, NewTopic
from support.processes import Process, answers, free_port, wait_for
from support.site import Broker
from support.tls import Certificates, Pair
from support.zookeeper import Zookeeper

PAGE = Path(__file__).resolve().parents[2] / "docs/operations.md"
SERVER = "zk1"
TOPIC = "orders-of-a-secret-kind"


def documented() -> tuple[str, str]:
    """The configurations at a broker and at a server, which stand side by side."""
    block = re.search(r"```\n; at each broker.*?```", PAGE.read_text(), re.S)[0].splitlines()[1:-1]
    width = block[0].index("; at the server")
    return tuple("\n".join(side).rstrip() + "\n" for side in (
        [line[:width].rstrip() for line in block], [line[width:] for line in block]))


class Eavesdropper:
    """Passes bytes to a port and keeps them."""

    def __init__(self, port: int):
        self.to = port
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.heard = bytearray()
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                ours, _ = self.listener.accept()
                theirs = socket.create_connection(("127.0.0.1", self.to), timeout=5)
            except OSError:
                return
            theirs.settimeout(None)
            for source, target in ((ours, theirs), (theirs, ours)):
                threading.Thread(target=self._pass, args=(source, target), daemon=True).start()

    def _pass(self, source: socket.socket, target: socket.socket) -> None:
        try:
            while chunk := source.recv(65536):
                self.heard += chunk
                target.sendall(chunk)
        except OSError:
            pass
        for end in (source, target):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def close(self) -> None:
        self.listener.close()


class Tunnel(world.World):
    @classmethod
    def setUpClass(cls):
        cls.certificates = Certificates.of_class(cls, "broker", SERVER, hosts=(SERVER,))

    def setUp(self):
        super().setUp()
        if not shutil.which("stunnel"):
            raise unittest.SkipTest("stunnel is missing: ./dev test installs it")
        self.zookeeper = Zookeeper(self.tmp)
        self.addCleanup(self.zookeeper.__exit__)
        self.zookeeper.start()
        self.at_server, self.at_broker = free_port(), free_port()
        self.line = Eavesdropper(self.at_server)
        self.addCleanup(self.line.close)

    def tunnel(self, name: str, text: str, pair: Pair, **changes: str) -> Process:
        """stunnel by the page's text, with other places in it."""
        folder = self.tmp / name
        folder.mkdir()
        both = folder / "both.pem"
        both.write_text(pair.key.read_text() + pair.certificate.read_text())
        both.chmod(0o600)
        for key, value in {"cert": both, "CAfile": self.certificates.ca, **changes}.items():
            text, count = re.subn(rf"^{key} = .*$", f"{key} = {value}", text, flags=re.M)
            self.assertEqual(count, 1, f"the page's configuration has {key} once")
        config = folder / "stunnel.conf"
        config.write_text("foreground = yes\npid =\n" + text)
        process = Process(name, ["stunnel", config], folder / "stunnel.log")
        self.addCleanup(process.kill)
        return process.start()

    def server_side(self, pair: Pair) -> Process:
        tunnel = self.tunnel(f"at-{pair.certificate.stem}", documented()[1], pair,
                             accept=f"127.0.0.1:{self.at_server}",
                             connect=f"127.0.0.1:{self.zookeeper.port}")
        tunnel.wait_ready(lambda: answers(self.at_server))
        return tunnel

    def broker_side(self) -> Process:
        tunnel = self.tunnel("at-the-broker", documented()[0], self.certificates["broker"],
                             accept=f"127.0.0.1:{self.at_broker}",
                             connect=f"127.0.0.1:{self.line.port}")
        tunnel.wait_ready(lambda: answers(self.at_broker))
        return tunnel

    def broker(self, node: int) -> Broker:
        broker = Broker(self.tmp, "busan", 3, node, f"127.0.0.1:{self.at_broker}/isthmus",
                        session_ms=10_000)  # it outlives the end of a tunnel
        self.addCleanup(broker.__exit__)
        return broker

    def create(self, broker: Broker, topic: str) -> None:
        wish = NewTopic(topic, num_partitions=2, replication_factor=-1)
        admin = AdminClient({"bootstrap.servers": broker.bootstrap})
        admin.create_topics([wish])[topic].result(60)

    def test_brokers_serve_over_it_and_nobody_reads_it(self):
        self.server_side(self.certificates[SERVER])
        tunnel = self.broker_side()
        brokers = [self.broker(node).start() for node in (301, 302)]
        self.create(brokers[0], TOPIC)
        wait_for(lambda: TOPIC in AdminClient({"bootstrap.servers": brokers[1].bootstrap})
                 .list_topics(timeout=30).topics, "the other knows it", 60)
        self.assertGreater(len(self.line.heard), 2000)
        for word in (TOPIC, "busan", "isthmus"):
            self.assertNotIn(word.encode(), bytes(self.line.heard))
        # A tunnel that ends is a line that is cut.
        tunnel.kill()
        wait_for(lambda: "ZooKeeper does not answer" in brokers[0].http("/readyz"), "degraded", 60)
        tunnel.start()
        wait_for(lambda: "degraded" not in brokers[0].http("/readyz"), "connected", 60)
        self.create(brokers[0], "wine")

    def answered(self, context: ssl.SSLContext | None) -> bytes:
        """What the server's tunnel gives somebody who asks ZooKeeper how it is."""
        try:
            with socket.create_connection(("127.0.0.1", self.at_server), timeout=5) as line, \
                    context.wrap_socket(line, server_hostname=SERVER) if context else line as end:
                end.sendall(b"ruok")
                return end.recv(16)
        except OSError:
            return b""

    def test_nobody_comes_in_without_a_certificate(self):
        self.server_side(self.certificates[SERVER])
        wait_for(lambda: self.answered(self.certificates.client("broker")) == b"imok", "an answer")
        self.assertEqual(self.answered(None), b"")
        self.assertEqual(self.answered(self.certificates.client()), b"")
        self.assertEqual(self.answered(
            self.certificates.client(self.certificates.bad("foreign_ca"))), b"")

    def test_a_server_of_another_name_is_none(self):
        impostor = self.server_side(self.certificates.bad("wrong_host"))
        tunnel = self.broker_side()
        broker = self.broker(301)
        broker.launch()
        wait_for(lambda: "does not answer" in broker.process.log.read_text(), "it says so", 60)
        wait_for(lambda: "Subject checks failed" in tunnel.log.read_text(), "the tunnel why", 60)
        self.assertFalse(broker.ready())
        impostor.kill()
        self.server_side(self.certificates[SERVER])
        broker.process.wait_ready(broker.ready, 90)


if __name__ == "__main__":
    world.main()
