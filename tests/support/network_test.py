"""Hosts reach each other until a line is cut, one way and in silence, and again when it is mended.
"""

import socket
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from support import network, testing
from support.network import Network
from support.processes import Process, wait_for

# Counts what arrives, and answers each datagram.
ECHO = """
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind((sys.argv[1], 7000))
print("ready", flush=True)
while True:
    data, sender = s.recvfrom(100)
    print(data.decode(), flush=True)
    s.sendto(data, sender)
"""
# Sends one datagram; exits 0 if it is answered.
ASK = """
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.settimeout(float(sys.argv[3]))
s.connect((sys.argv[1], 7000))
s.send(sys.argv[2].encode())
try:
    assert s.recv(100).decode() == sys.argv[2]
except TimeoutError:
    sys.exit(1)
"""


class Lines(unittest.TestCase):
    def setUp(self):
        self.network = Network()
        self.addCleanup(self.network.close)
        self.a, self.b, self.c = (self.network.host(name) for name in "abc")
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.log = Path(folder.name) / "echo"
        command = self.b.command([sys.executable, "-c", ECHO, self.b.address])
        echo = Process("echo", command, self.log)
        self.addCleanup(echo.kill)
        echo.start()
        wait_for(lambda: "ready" in self.log.read_text(), "echo")

    def answered(self, host, what: str, within_s: float = 20) -> bool:
        """A mended line, too, loses nothing from the first packet on."""
        command = host.command([sys.executable, "-c", ASK, self.b.address, what, within_s])
        return subprocess.run(command, check=False).returncode == 0

    def arrived(self, what: str) -> bool:
        return what in self.log.read_text().split()

    def test_each_way_is_cut_alone_and_mended(self):
        self.assertTrue(self.answered(self.a, "first"))
        self.network.cut(self.a, self.b)
        self.assertFalse(self.answered(self.a, "lost", 0.5))
        self.assertFalse(self.arrived("lost"))
        self.assertTrue(self.answered(self.c, "others"))
        self.network.mend(self.a, self.b)
        self.assertTrue(self.answered(self.a, "again"))
        self.network.cut(self.b, self.a)
        self.assertFalse(self.answered(self.a, "unanswered", 0.5))
        wait_for(lambda: self.arrived("unanswered"), "it arrives")
        self.network.cut(self.a, self.b)
        self.network.heal()
        self.assertEqual(self.network.lost, set())
        self.assertTrue(self.answered(self.a, "healed"))

    def test_a_script_on_the_bridge_reaches_all(self):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as line:
            line.settimeout(10)
            line.sendto(b"here", (self.b.address, 7000))
            self.assertEqual(line.recv(100), b"here")


if __name__ == "__main__":
    network.in_private_namespace()
    testing.main()
