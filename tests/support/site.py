"""Isthmus as processes: a site's broker, a mirror, a router, each from a configuration on free
ports in a directory of its own.

    seoul = Site(tmp, "seoul", number=1).start()
    tokyo = Site(tmp, "tokyo", number=2).start()
    seoul.advertise("WAN", relay.route("seoul", seoul.ports["WAN"]))    # before start()
    mirror = Mirror(tmp, "mirror", {"seoul-tokyo": link(seoul, tokyo)}).start()
    router = Router(tmp, "router", {"seoul": cluster(seoul)}).start()

A configuration is written as JSON, which is YAML; tests that want another change `.config` first.
"""

import json
import subprocess
import urllib.request
from pathlib import Path

from .processes import Failed, Process, answers, free_port, free_ports
from .testing import BUILD, need


def program() -> Path:
    return need(BUILD / "cli" / "isthmus", "./dev build makes it")


def run(*args, check: bool = True, timeout_s: float = 60) -> subprocess.CompletedProcess:
    """One of the operator's commands: run("link", "describe", "seoul-tokyo", ...)."""
    command = [str(program()), *map(str, args)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=timeout_s)
    if check and done.returncode != 0:
        said = done.stdout + done.stderr
        raise Failed(f"isthmus {' '.join(command[1:])}: exit {done.returncode}\n{said}")
    return done


class Role:
    """A process of `isthmus ROLE --config FILE` with an admin port."""

    role = ""

    def __init__(self, directory: Path, name: str):
        self.name = name
        self.directory = Path(directory) / name
        self.admin = free_port()
        self.config: dict = {"admin": {"bind": f"127.0.0.1:{self.admin}"}}
        self.env: dict[str, str] = {}  # besides the test's own
        self.process: Process | None = None

    @property
    def config_file(self) -> Path:
        return self.directory / f"{self.role}.yaml"

    def write_config(self) -> Path:
        self.directory.mkdir(parents=True, exist_ok=True)
        self.config_file.write_text(json.dumps(self.config, indent=2) + "\n")
        return self.config_file

    def start(self, deadline_s: float = 20):
        """Starts it and waits until it says that it is ready."""
        self.launch()
        self.process.wait_ready(self.ready, deadline_s)
        return self

    def launch(self):
        """Starts it without waiting."""
        command = [program(), self.role, "--config", self.write_config()]
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
        with urllib.request.urlopen(f"http://127.0.0.1:{self.admin}{path}", timeout=5) as answer:
            return answer.read().decode()

    def status(self) -> dict:
        return json.loads(self.http("/status"))

    def metric(self, name: str) -> float:
        """The sum of a metric over its labels; 0 where it does not exist."""
        lines = (line for line in self.http("/metrics").splitlines() if line.startswith(name))
        return sum(float(line.rsplit(" ", 1)[1]) for line in lines
                   if line[len(name):len(name) + 1] in ("{", " "))

    def kill(self) -> None:
        self.process.kill()

    def stop(self, deadline_s: float = 15) -> None:
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
                 durability: str = "fsync", **kafka_keys):
        super().__init__(directory, name)
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
                {"name": listener, "bind": f"127.0.0.1:{port}",
                 "advertised.listeners": f"127.0.0.1:{port}",
                 **({} if listener in ("CLIENT", "ROUTED") else inside)}
                for listener, port in self.ports.items()
            ],
        }

    def advertise(self, listener: str, port: int) -> None:
        """Says that the listener is reached at `port`, a relay's. Before start()."""
        self.reached[listener] = port
        for each in self.config["listeners"]:
            if each["name"] == listener:
                each["advertised.listeners"] = f"127.0.0.1:{port}"

    @property
    def bootstrap(self) -> str:
        return f"127.0.0.1:{self.reached['CLIENT']}"

    @property
    def inside(self) -> str:
        return f"127.0.0.1:{self.reached['INSIDE']}"

    @property
    def wan(self) -> str:
        return f"127.0.0.1:{self.reached['WAN']}"

    @property
    def data(self) -> Path:
        return self.directory / "data"

    def ready(self) -> bool:
        return answers(self.ports["CLIENT"]) and super().ready()


def link(source: Site, target: Site, **options) -> dict:
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


def cluster(site: Site) -> dict:
    """What a router knows of it."""
    return {"bootstrap.servers": f"127.0.0.1:{site.reached['ROUTED']}",
            "inside": f"127.0.0.1:{site.reached['ROUTER_INSIDE']}"}


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
