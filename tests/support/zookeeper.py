"""A ZooKeeper server, Debian's, on a free port, with a folder that outlives its restarts; on
this machine or on a host of network.py.

    with Zookeeper(tmp) as zookeeper:
        zookeeper.connect("/isthmus")    # for zookeeper.connect
"""

import shutil
import socket
from pathlib import Path

from .network import Host
from .processes import Process, free_port
from .testing import need

JAR = Path("/usr/share/java/zookeeper.jar")
# Sessions live for two ticks at least and twenty at most.
TICK_MS = 500


class Zookeeper:
    def __init__(self, directory: Path, host: Host | None = None, port: int | None = None):
        need(JAR, "apt-get install zookeeper")
        need(Path(shutil.which("java") or "java"), "apt-get install zookeeper")
        self.port = port or free_port()
        self.address = host.address if host else "127.0.0.1"
        folder = Path(directory) / "zookeeper"
        command = ["java", "-Xmx128m", "-Dzookeeper.admin.enableServer=false", "-cp", JAR,
                   "-Dzookeeper.4lw.commands.whitelist=ruok",
                   "org.apache.zookeeper.server.ZooKeeperServerMain", self.port, folder / "data",
                   TICK_MS]
        if host:
            command = host.command(command)
        self.process = Process("zookeeper", command, folder / "server.log")

    def start(self) -> "Zookeeper":
        self.process.start()
        self.process.wait_ready(self._is_well, 60)
        return self

    def kill(self) -> None:
        self.process.kill()

    def connect(self, folder: str) -> str:
        return f"{self.address}:{self.port}{folder}"

    def _is_well(self) -> bool:
        try:
            with socket.create_connection((self.address, self.port), timeout=1) as line:
                line.sendall(b"ruok")
                return line.recv(16) == b"imok"
        except OSError:
            return False

    def __enter__(self) -> "Zookeeper":
        return self if self.process.alive else self.start()

    def __exit__(self, *_) -> None:
        self.process.kill()
