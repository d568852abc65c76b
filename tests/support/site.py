"""Isthmus as processes: a site's broker, a mirror, a router, each from a configuration on free
ports in a directory of its own, on this machine or on a host of network.py.

    seoul = Site(tmp, "seoul", number=1).start()
    tokyo = Site(tmp, "tokyo", number=2).start()
    seoul.advertise("WAN", relay.route("seoul", seoul.ports["WAN"]))    # before start()
    mirror = Mirror(tmp, "mirror", {"seoul-tokyo": link(seoul, tokyo)}).start()
    router = Router(tmp, "router", {"seoul": cluster(seoul)}).start()

A configuration is written as JSON, which is YAML; tests that want another change `.config` first.
"""

import base64
import contextlib
import json
import ssl
import subprocess
import urllib.request
from pathlib import Path

from .network import Host
from .processes import Failed, Process, answers, free_port, free_ports
from .testing import BUILD, need
from .zookeeper import Zookeeper


def program() -> Path:
    return need(BUILD / "cli" / "isthmus", "./dev build makes it")


def run(*args, check: bool = True, timeout_s: float = 120) -> subprocess.CompletedProcess:
    """One of the operator's commands: run("link", "describe", "seoul-tokyo", ...)."""
    command = [str(program()), *map(str, args)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=timeout_s)
    if check and done.returncode != 0:
        said = done.stdout + done.stderr
        raise Failed(f"isthmus {' '.join(command[1:])}: exit {done.returncode}\n{said}")
    return done


def audited(file: Path, **expected) -> list[dict]:
    """The lines of an audit with these members; of one that is being written nothing."""
    whole = file.read_text().rpartition("\n")[0].splitlines()
    return [line for line in map(json.loads, whole) if expected.items() <= line.items()]


class Role:
    """A process of `isthmus ROLE --config FILE` with an admin port."""

    role = ""

    def __init__(self, directory: Path, name: str, host: Host | None = None):
        self.name = name
        self.directory = Path(directory) / name
        self.host = host
        self.address = host.address if host else "127.0.0.1"
        self.admin = free_port()
        self.config: dict = {"admin": {"bind": f"127.0.0.1:{self.admin}"}}
        self.env: dict[str, str] = {}  # besides the test's own
        self.process: Process | None = None
        # How the test speaks to the admin port, where that is guarded.
        self.admin_tls: ssl.SSLContext | None = None
        self.admin_user: tuple[str, str] | None = None  # name, password

    @property
    def config_file(self) -> Path:
        return self.directory / f"{self.role}.yaml"

    def write_config(self) -> Path:
        self.directory.mkdir(parents=True, exist_ok=True)
        self.config_file.write_text(json.dumps(self.config, indent=2) + "\n")
        return self.config_file

    def start(self, deadline_s: float = 60):
        """Starts it and waits until it says that it is ready."""
        self.launch()
        self.process.wait_ready(self.ready, deadline_s)
        return self

    def launch(self):
        """Starts it without waiting."""
        command = [program(), self.role, "--config", self.write_config()]
        if self.host:
            command = self.host.command(command)
        self.process = Process(self.name, command, self.directory / f"{self.role}.log", self.env)
        self.process.start()
        return self

    def ready(self) -> bool:
        try:
            return self.http("/readyz") is not None
        except OSError:
            return False

    def http(self, path: str) -> str:
        """GET from the admin port; OSError where it is not there or answers an error."""
        request = urllib.request.Request(self.admin_url(path))
        if self.admin_user:
            login = base64.b64encode(":".join(self.admin_user).encode()).decode()
            request.add_header("Authorization", f"Basic {login}")
        with self.host.entered() if self.host else contextlib.nullcontext():
            with urllib.request.urlopen(request, timeout=20, context=self.admin_tls) as answer:
                return answer.read().decode()

    def admin_url(self, path: str) -> str:
        return f"http{'s' if self.admin_tls else ''}://127.0.0.1:{self.admin}{path}"

    def status(self) -> dict:
        return json.loads(self.http("/status"))

    def metric(self, name: str) -> float:
        """The sum of a metric over its labels; 0 where it does not exist."""
        lines = (line for line in self.http("/metrics").splitlines() if line.startswith(name))
        return sum(float(line.rsplit(" ", 1)[1]) for line in lines
                   if line[len(name):len(name) + 1] in ("{", " "))

    def kill(self) -> None:
        self.process.kill()

    def stop(self, deadline_s: float = 40) -> None:
        """SIGTERM; Failed if it takes too long or exits with anything but 0."""
        code = self.process.stop(deadline_s)
        if code != 0:
            raise Failed(f"{self.name} exited with {code}\n{self.process.tail()}")

    @property
    def alive(self) -> bool:
        return self.process is not None and self.process.alive

    def __enter__(self):
        return self if self.alive else self.start()

    def __exit__(self, *_):
        if self.process:
            self.process.kill()


LISTENERS = ("CLIENT", "ROUTED", "INSIDE", "WAN", "ROUTER_INSIDE")


class Site(Role):
    """A cluster of one broker. Its listeners: CLIENT for clients here, ROUTED for those that come
    by a router; INSIDE, WAN and ROUTER_INSIDE for brokers and mirrors here, those across the line,
    and routers."""

    role = "broker"

    def __init__(self, directory: Path, name: str, number: int, node_id: int | None = None,
                 durability: str = "fsync", host: Host | None = None, **kafka_keys):
        super().__init__(directory, name, host)
        self.number = number
        self.node_id = node_id or number * 100 + 1
        self.ports = {listener: free_port() for listener in LISTENERS}
        self.reached = dict(self.ports)  # where others are told to find each
        inside = {"for": ["brokers", "mirrors", "routers"]}
        self.config |= {
            "cluster": {"name": name, "number": number},
            "broker": {
                "node.id": self.node_id,
                "log.dirs": [str(self.directory / "data")],
                "metadata": "embedded",
                "durability": durability,
                "group.initial.rebalance.delay.ms": 0,
                "offsets.topic.num.partitions": 4,
                **{key.replace("_", "."): value for key, value in kafka_keys.items()},
            },
            "listeners": [
                {"name": listener, "bind": f"{self.address}:{port}",
                 "advertised.listeners": f"{self.address}:{port}",
                 **({} if listener in ("CLIENT", "ROUTED") else inside)}
                for listener, port in self.ports.items()
            ],
        }

    def advertise(self, listener: str, port: int) -> None:
        """Says that the listener is reached at `port`, a relay's. Before start()."""
        self.reached[listener] = port
        for each in self.config["listeners"]:
            if each["name"] == listener:
                each["advertised.listeners"] = f"{self.address}:{port}"

    @property
    def bootstrap(self) -> str:
        return f"{self.address}:{self.reached['CLIENT']}"

    @property
    def inside(self) -> str:
        return f"{self.address}:{self.reached['INSIDE']}"

    @property
    def wan(self) -> str:
        return f"{self.address}:{self.reached['WAN']}"

    @property
    def routed(self) -> str:
        return f"127.0.0.1:{self.reached['ROUTED']}"

    @property
    def router_inside(self) -> str:
        return f"127.0.0.1:{self.reached['ROUTER_INSIDE']}"

    @property
    def routed(self) -> str:
        return f"127.0.0.1:{self.reached['ROUTED']}"

    @property
    def router_inside(self) -> str:
        return f"127.0.0.1:{self.reached['ROUTER_INSIDE']}"

    @property
    def data(self) -> Path:
        return self.directory / "data"

    def ready(self) -> bool:
        return answers(self.ports["CLIENT"], self.address) and super().ready()


class Broker(Site):
    """One of several brokers of a cluster, with its metadata in ZooKeeper, where `connect` says."""

    def __init__(self, directory: Path, cluster: str, number: int, node_id: int, connect: str,
                 session_ms: int = 6000, name: str = "", **kafka_keys):
        super().__init__(directory, name or f"{cluster}-{node_id}", number, node_id, **kafka_keys)
        self.config["cluster"]["name"] = cluster
        self.config["broker"]["metadata"] = {"zookeeper.connect": connect,
                                             "zookeeper.session.timeout.ms": session_ms}


class Cluster:
    """A cluster of several brokers over a ZooKeeper of its own, reached where any of them is:

        seoul = Cluster(tmp, "seoul", 1).start()     # brokers 101, 102, 103
    """

    def __init__(self, directory: Path, name: str, number: int, count: int = 3, **kafka_keys):
        self.name, self.number = name, number
        self.zookeeper = Zookeeper(Path(directory) / f"{name}-metadata")
        connect = self.zookeeper.connect(f"/{name}")
        self.brokers = [Broker(directory, name, number, number * 100 + 1 + i, connect, **kafka_keys)
                        for i in range(count)]

    def start(self) -> "Cluster":
        self.zookeeper.start()
        for broker in self.brokers:
            broker.start()
        return self

    def broker(self, node_id: int) -> Broker:
        return next(b for b in self.brokers if b.node_id == node_id)

    def _all(self, listener: str) -> str:
        return ",".join(f"127.0.0.1:{b.reached[listener]}" for b in self.brokers)

    @property
    def bootstrap(self) -> str:
        return self._all("CLIENT")

    @property
    def inside(self) -> str:
        return self._all("INSIDE")

    @property
    def wan(self) -> str:
        return self._all("WAN")

    @property
    def routed(self) -> str:
        return self._all("ROUTED")

    @property
    def router_inside(self) -> str:
        return self._all("ROUTER_INSIDE")

    def __exit__(self, *_) -> None:
        for broker in self.brokers:
            broker.__exit__()
        self.zookeeper.__exit__()


def link(source: "Site | Cluster", target: "Site | Cluster", **options) -> dict:
    """A preserve-mode link of everything; the mirror stands at the target's site."""
    return {
        "mode": "preserve",
        "source": {"bootstrap.servers": source.wan},
        "target": {"bootstrap.servers": target.inside},
        "topics": ".*",
        "groups": ".*",
        "start": "earliest",
        **options,
    }


def cluster(site: "Site | Cluster") -> dict:
    """What a router knows of it."""
    return {"bootstrap.servers": site.routed, "inside": site.router_inside}


class Mirror(Role):
    role = "mirror"

    def __init__(self, directory: Path, name: str, links: dict[str, dict]):
        super().__init__(directory, name)
        self.config["links"] = links


class Router(Role):
    """A virtual cluster over clusters (`cluster(site)` each); without routes, all goes to the
    first."""

    role = "router"
    node_ports = 8

    def __init__(self, directory: Path, name: str, clusters: dict[str, dict], routes=None,
                 **switchover):
        super().__init__(directory, name)
        first = free_ports(self.node_ports)
        self.port = first
        last = first + self.node_ports - 1
        self.config |= {
            "virtual_cluster": {"name": name, "advertise": "127.0.0.1",
                                "bind": "127.0.0.1", "ports": f"{first}-{last}"},
            "clusters": clusters,
            "routes": routes or [{"default": next(iter(clusters))}],
        }
        if switchover:
            self.config["switchover"] = switchover

    @property
    def bootstrap(self) -> str:
        return f"127.0.0.1:{self.port}"

    def ready(self) -> bool:
        return answers(self.port) and super().ready()
