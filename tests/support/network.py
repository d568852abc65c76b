"""Hosts of their own on this machine: network namespaces on a bridge, whose lines can be cut.

    network.in_private_namespace()        # first of all: starts the script again
    network = Network()
    a, b = network.host("a"), network.host("b")
    Process("server", a.command(["server", "--bind", a.address]), log)
    network.cut(a, b)                     # what a sends to b is lost, in silence
    network.heal()

The script that makes the network stands on the bridge itself (Network.address), and nothing of it
is there when the script has ended. Needs root, or a kernel that lets others be root in a namespace.
"""

import contextlib
import ctypes
import os
import subprocess
import sys
import unittest
from typing import Iterator, Sequence

INSIDE = "ISTHMUS_TEST_NETWORK"
BRIDGE = "hosts"
# Nobody has it: the bridge finds no port for a frame to it. So a packet is lost on its way, as
# where a cable is cut, and the sender is told nothing.
NOWHERE = "02:00:00:00:00:00"


def in_private_namespace() -> None:
    """This script again, in a network of its own; in the machine's where that is not allowed, and
    then Network() is a skip."""
    if INSIDE in os.environ:
        return
    as_root = [] if os.geteuid() == 0 else ["--map-root-user"]
    probe = subprocess.run(["unshare", "--net", *as_root, "true"], check=False,
                           capture_output=True)
    os.environ[INSIDE] = "own" if probe.returncode == 0 else probe.stderr.decode().strip() or "none"
    unshare = ["unshare", "--net", *as_root] if probe.returncode == 0 else ["env"]
    os.execvp(unshare[0], [*unshare, sys.executable, *sys.argv])


class Host:
    def __init__(self, name: str, address: str):
        self.name = name
        self.address = address
        # Holds the namespace; ends when its standard input does: with this script, however that
        # ends.
        self._holder = subprocess.Popen(["unshare", "--net", "sh", "-c", "echo; exec cat"],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self._holder.stdout.read(1)

    @property
    def pid(self) -> int:
        return self._holder.pid

    def command(self, command: Sequence) -> list[str]:
        """The same, run there."""
        return ["nsenter", f"--net=/proc/{self.pid}/ns/net", *map(str, command)]

    @contextlib.contextmanager
    def entered(self) -> Iterator[None]:
        """Sockets that this thread makes within it are of that host; 127.0.0.1, too."""
        with open("/proc/thread-self/ns/net") as home, open(f"/proc/{self.pid}/ns/net") as there:
            _set_namespace(there.fileno())
            try:
                yield
            finally:
                _set_namespace(home.fileno())

    def close(self) -> None:
        self._holder.stdin.close()
        self._holder.wait(10)
        self._holder.stdout.close()


class Network:
    address = "10.77.0.1"

    def __init__(self):
        if os.environ.get(INSIDE) != "own":
            raise unittest.SkipTest(f"no network of its own: {os.environ.get(INSIDE)}")
        self.hosts: list[Host] = []
        self.lost: set[tuple[str, str]] = set()  # (from, to) by name
        _ip("link set lo up")
        _ip(f"link add {BRIDGE} type bridge")
        _ip(f"addr add {self.address}/24 dev {BRIDGE}")
        _ip(f"link set {BRIDGE} up")

    def host(self, name: str) -> Host:
        host = Host(name, f"10.77.0.{len(self.hosts) + 2}")
        self.hosts.append(host)
        port = f"port{len(self.hosts)}"
        _ip(f"link add {port} type veth peer name line netns {host.pid}")
        _ip(f"link set {port} master {BRIDGE} up")
        _ip("link set lo up", host)
        _ip(f"addr add {host.address}/24 dev line", host)
        _ip("link set line up", host)
        return host

    def cut(self, sender: Host, receiver: Host) -> None:
        """One way; what the receiver sends still arrives."""
        _ip(f"neigh replace {receiver.address} lladdr {NOWHERE} nud permanent dev line", sender)
        self.lost.add((sender.name, receiver.name))

    def mend(self, sender: Host, receiver: Host) -> None:
        if (sender.name, receiver.name) in self.lost:
            _ip(f"neigh del {receiver.address} dev line", sender)
            self.lost.discard((sender.name, receiver.name))

    def heal(self) -> None:
        for sender in self.hosts:
            for receiver in self.hosts:
                self.mend(sender, receiver)

    def close(self) -> None:
        for host in self.hosts:
            host.close()
        _ip(f"link del {BRIDGE}")


def _set_namespace(file: int) -> None:
    """Of the calling thread."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(file, 0) != 0:
        raise OSError(ctypes.get_errno(), "setns")


def _ip(line: str, host: Host | None = None) -> None:
    command = ["ip", *line.split()]
    subprocess.run(host.command(command) if host else command, check=True, timeout=20)
