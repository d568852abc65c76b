"""The demo's processes: two sites, a mirror for both directions and a router, from the files in
config/ as they stand, but for where data lies and for the lines: what goes from one site to the
other, and between the router and either site, passes a relay that delays each way."""

import json
import secrets
import ssl
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import NamedTuple

from confluent_kafka.admin import AdminClient

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from support import ledger, site
from support.client import Member, Producer
from support.kcat import Tail
from support.processes import Failed, Process, answers
from support.relay import Relay
from support.testing import ROOT
from support.zookeeper import Zookeeper

DELAY_MS = 20
ROUTER = 19092
MIRROR_ADMIN, ROUTER_ADMIN = 9645, 9646


class Ports(NamedTuple):
    """A broker's. CLIENT and INSIDE listeners and the admin port are those of config/. The demo's
    own: WAN for the mirror across, ROUTED for the clients of the router, ROUTER_INSIDE for the
    router itself."""
    client: int
    inside: int
    admin: int
    wan: int
    routed: int
    router_inside: int


began = time.monotonic()


def say(text: str) -> None:
    print(f"[{time.monotonic() - began:6.1f} s] {text}", flush=True)


class Part:
    """One process, with its log in the demo's directory."""

    def __init__(self, role: str, name: str, directory: Path, config: str, admin: int,
                 tls: ssl.SSLContext | None = None):
        self.name = name
        self.admin = admin
        self.tls = tls  # of its admin port
        file = directory / f"{name}.yaml"
        file.write_text(config)
        self.config_file = file
        command = [site.program(), role, "--config", file]
        self.process = Process(name, command, directory / f"{name}.log")

    def start(self) -> None:
        self.process.start()
        self.wait_ready()

    def wait_ready(self, deadline_s: float = 60) -> None:
        self.process.wait_ready(lambda: self.http("/readyz") is not None, deadline_s)

    def http(self, path: str) -> str | None:
        try:
            url = f"http{'s' if self.tls else ''}://127.0.0.1:{self.admin}{path}"
            with urllib.request.urlopen(url, timeout=20, context=self.tls) as answer:
                return answer.read().decode()
        except OSError:
            return None


class World:
    folder = "config"
    ports = {"seoul": Ports(9092, 9093, 9644, 9094, 9095, 9096),
             "tokyo": Ports(9192, 9193, 9744, 9194, 9195, 9196)}
    sites = {"seoul": ["seoul"], "tokyo": ["tokyo"]}  # their brokers
    admin_tls: ssl.SSLContext | None = None
    client: dict[str, str] = {}  # what stock clients need besides, librdkafka's with _ for .
    inside_keys = ""             # of a listener that the demo adds for mirrors and routers
    least_rate_mb_s = 20.0       # at full speed into the active site

    def __init__(self):
        self.directory = tempfile.TemporaryDirectory(prefix="isthmus-demo-")
        self.path = Path(self.directory.name)
        self.relay = Relay()
        # Where a listener is reached: over a line, where it has one.
        self.line = {kind: {name: self.lay(f"{kind}-{name}", getattr(ports, kind))
                            for name, ports in self.ports.items()}
                     for kind in ("wan", "routed", "router_inside")}
        self.brokers = {name: Part("broker", name, self.path, self.site_config(name), ports.admin,
                                   self.admin_tls)
                        for name, ports in self.ports.items()}
        self.mirror = Part("mirror", "mirror", self.path, self.mirror_config(), MIRROR_ADMIN,
                           self.admin_tls)
        self.router = Part("router", "router", self.path, self.router_config(), ROUTER_ADMIN,
                           self.admin_tls)
        self.parts = [*self.brokers.values(), self.mirror, self.router]

    def lay(self, line: str, port: int) -> int:
        return self.relay.route(line, port, delay_ms=DELAY_MS)

    def cut(self) -> None:
        """The line between the sites; the router reaches both as before."""
        for name in self.ports:
            self.relay.cut(f"wan-{name}")

    def reached(self, site_name: str, kind: str) -> str:
        """All brokers of a site, at one of their listeners."""
        ports = [self.line[kind][name] if kind in self.line else getattr(self.ports[name], kind)
                 for name in self.sites[site_name]]
        return ",".join(f"127.0.0.1:{port}" for port in ports)

    def listener(self, title: str, name: str, whom: str = "") -> str:
        kind = title.lower()
        keys = f"    for: [{whom}]\n{self.inside_keys}" if whom else ""
        return (f"  - name: {title}\n    bind: 127.0.0.1:{getattr(self.ports[name], kind)}\n"
                f"    advertised.listeners: 127.0.0.1:{self.line[kind][name]}\n{keys}")

    def added(self, name: str) -> str:
        return "".join((self.listener("WAN", name, "mirrors"), self.listener("ROUTED", name),
                        self.listener("ROUTER_INSIDE", name, "routers")))

    def site_config(self, name: str) -> str:
        return edit(f"{self.folder}/{name}.yaml", (f"/tmp/isthmus/{name}", str(self.path / name)),
                    ("listeners:\n", "listeners:\n" + self.added(name)))

    def router_config(self) -> str:
        return edit(f"{self.folder}/router.yaml", *(
            (f'{key}: "{self.reached(name, kind)}"', f'{key}: "{self.reached(name, line)}"')
            for name in self.sites
            for key, kind, line in (("bootstrap.servers", "client", "routed"),
                                    ("inside", "inside", "router_inside"))))

    def mirror_config(self) -> str:
        return edit(f"{self.folder}/mirror.yaml", *(
            (f'source: {{bootstrap.servers: "{self.reached(name, "inside")}"',
             f'source: {{bootstrap.servers: "{self.reached(name, "wan")}"') for name in self.sites))

    def start(self) -> None:
        self.hold_ports_free(*(port for ports in self.ports.values() for port in ports),
                             MIRROR_ADMIN, ROUTER_ADMIN, ROUTER)
        for part in self.parts:
            before = time.monotonic()
            part.start()
            say(f"{part.name} is ready after {time.monotonic() - before:.2f} s")

    def hold_ports_free(self, *ports: int) -> None:
        for port in ports:
            if answers(port):
                raise Failed(f"port {port} is in use: the demo runs on the ports of {self.folder}/")

    def kill_site(self, name: str) -> None:
        for broker in self.sites[name]:
            self.brokers[broker].process.kill()

    def start_site(self, name: str) -> None:
        """All at once: who was in sync last may be any of them."""
        for broker in self.sites[name]:
            self.brokers[broker].process.start()
        for broker in self.sites[name]:
            self.brokers[broker].wait_ready(60)

    # --- stock clients --------------------------------------------------------------------------

    def producer(self, topic: str, **options) -> Producer:
        return Producer(self.bootstrap, topic, **self.client, **options)

    def member(self, group: str, topic: str, at: str | None = None, **options) -> Member:
        return Member(self.at(at) if at else self.bootstrap, group, topic, **self.client, **options)

    def read(self, topic: str, at: str | None = None):
        return ledger.read(self.at(at) if at else self.bootstrap, topic, *self.kcat)

    def tail(self, at: str, topic: str) -> Tail:
        return Tail(self.at(at), topic, *self.kcat)

    @property
    def kcat(self) -> list[str]:
        return [word for key, value in self.client.items()
                for word in ("-X", f"{key.replace('_', '.')}={value}")]

    @property
    def bootstrap(self) -> str:
        return f"127.0.0.1:{ROUTER}"

    def at(self, name: str) -> str:
        """Where a stock client reaches the site itself, past the router."""
        return self.reached(name, "client")

    def command(self, *args: str, allowed=(0,), show: bool = True) -> dict:
        """One of the operator's commands, with its JSON."""
        line = [*args, "--config", str(self.router.config_file)]
        if show:
            say("$ isthmus " + " ".join(args))
        done = site.run(*line, "-o", "json", check=False, timeout_s=120)
        if done.returncode not in allowed:
            raise Failed(f"isthmus {' '.join(args)}: exit {done.returncode}\n"
                         f"{done.stdout}{done.stderr}")
        return json.loads(done.stdout)

    def close(self) -> None:
        for part in reversed(self.parts):
            part.process.kill()
        self.relay.close()
        self.directory.cleanup()

    def logs(self) -> str:
        return "\n".join(part.process.tail(15) for part in self.parts)


class SecureWorld(World):
    """The same from config/secure/, with certificates and a password of the moment."""

    folder = "config/secure"
    user, password = "duke", secrets.token_urlsafe(12)
    inside_keys = ("    security.protocol: SSL\n    tls: inside\n"
                   "    ssl.principal.mapping.rules: \"RULE:^CN=([^,]+).*$/$1/\"\n"
                   "    sasl.enabled.mechanisms: SCRAM-SHA-512\n")
    guards_admin = True

    def __init__(self):
        self.certificates = tempfile.TemporaryDirectory(prefix="isthmus-demo-tls-")
        self.tls = Path(self.certificates.name) / "tls"
        site.run("tls", "create", "--for", ",".join((*self.ports, "mirror", "router")), "--out",
                 self.tls)
        if self.guards_admin:
            self.admin_tls = ssl.create_default_context(cafile=self.tls / "ca.crt")
        self.client = {"security_protocol": "SASL_SSL", "ssl_ca_location": str(self.tls / "ca.crt"),
                       "sasl_mechanism": "SCRAM-SHA-512", "sasl_username": self.user,
                       "sasl_password": self.password}
        super().__init__()

    def added(self, name: str) -> str:
        """Without ROUTED: the router asks for its clients, where it is known itself."""
        return "".join((
            self.listener("WAN", name, "mirrors"),
            self.listener("ROUTER_INSIDE", name, "routers")))

    def site_config(self, name: str) -> str:
        # The demo's client may do everything: its ACLs would be a line of kafka-acls.
        return edit(f"config/secure/{name}.yaml",
                    (f"/tmp/isthmus/secure/{name}", str(self.path / name)),
                    ("/tmp/isthmus/tls", str(self.tls)),
                    ("listeners:\n", "listeners:\n" + self.added(name)),
                    ('"User:router"]', f'"User:router", "User:{self.user}"]'))

    def router_config(self) -> str:
        return edit("config/secure/router.yaml", ("/tmp/isthmus/tls", str(self.tls)), *(
            (f'"{self.reached(name, "inside")}"', f'"{self.reached(name, "router_inside")}"')
            for name in self.sites))

    def mirror_config(self) -> str:
        return edit("config/secure/mirror.yaml", ("/tmp/isthmus/tls", str(self.tls)), *(
            (f'source: {{bootstrap.servers: "{self.reached(name, "inside")}"',
             f'source: {{bootstrap.servers: "{self.reached(name, "wan")}"') for name in self.sites))

    def start(self) -> None:
        super().start()
        file = self.path / "password"
        file.write_text(self.password)
        self.command("user", "set", self.user, "--password-file", str(file))

    def close(self) -> None:
        super().close()
        self.certificates.cleanup()


CLUSTERS = {name: [f"{name}-{n}" for n in (1, 2, 3)] for name in ("seoul", "tokyo")}
CLUSTER_PORTS = {CLUSTERS[name][n - 1]: Ports(*(base + 10 * n + last for last in range(2, 8)))
                 for name, base in (("seoul", 9300), ("tokyo", 9400)) for n in (1, 2, 3)}


class ClusterWorld(World):
    """The same from config/cluster/: sites of three brokers, each with a ZooKeeper of its own."""

    folder = "config/cluster"
    sites = CLUSTERS
    ports = CLUSTER_PORTS
    zookeeper_port = {"seoul": 2181, "tokyo": 2182}
    least_rate_mb_s = 5.0  # each record is written three times on this machine

    def __init__(self):
        super().__init__()
        self.zookeepers = {name: Zookeeper(self.path / f"zookeeper-{name}", port=port)
                           for name, port in self.zookeeper_port.items()}

    def start(self) -> None:
        self.hold_ports_free(*self.zookeeper_port.values())
        for name, zookeeper in self.zookeepers.items():
            before = time.monotonic()
            zookeeper.start()
            say(f"the ZooKeeper of {name} is ready after {time.monotonic() - before:.2f} s")
        super().start()

    def kill_site(self, name: str) -> None:
        """With everything that is there."""
        super().kill_site(name)
        self.zookeepers[name].kill()

    def start_site(self, name: str) -> None:
        self.zookeepers[name].start()
        super().start_site(name)

    def leader(self, name: str, topic: str) -> str:
        """The broker of a site that leads most of a topic's partitions."""
        client = {key.replace("_", "."): value for key, value in self.client.items()}
        admin = AdminClient({"bootstrap.servers": self.at(name), **client})
        told = admin.list_topics(topic, timeout=30)
        led = [p.leader for p in told.topics[topic].partitions.values()]
        by_id = {self.node_id(broker): broker for broker in self.sites[name]}
        return by_id[max(by_id, key=led.count)]

    def node_id(self, broker: str) -> int:
        site_name, n = broker.split("-")
        return 100 * (1 + list(self.sites).index(site_name)) + int(n)

    def is_whole(self, name: str) -> bool:
        """All brokers of a site serve, and all replicas are in sync."""
        return all(site.run("cluster", "describe", "--bootstrap-server", address,
                            check=False).returncode == 0
                   for address in self.reached(name, "inside").split(","))

    def close(self) -> None:
        super().close()
        for zookeeper in self.zookeepers.values():
            zookeeper.kill()

    def logs(self) -> str:
        return "\n".join((super().logs(),
                          *(each.process.tail(5) for each in self.zookeepers.values())))


class SecureClusterWorld(SecureWorld, ClusterWorld):
    """The same from config/cluster/, with what config/secure/ adds to each file."""

    folder = "config/cluster"
    guards_admin = False
    edge_keys = ("    security.protocol: SASL_SSL\n    sasl.enabled.mechanisms: SCRAM-SHA-512\n"
                 "    tls: edge\n")
    dial_keys = "security.protocol: SSL, tls: inside"

    def tls_section(self, name: str) -> str:
        pair = f"certificate: {self.tls / name}.crt, key: {{file: {self.tls / name}.key}}"
        return f"\ntls:\n  edge: {{{pair}}}\n  inside: {{{pair}, ca: {self.tls / 'ca.crt'}}}\n"

    def site_config(self, name: str) -> str:
        ports = self.ports[name]
        brokers = next(brokers for brokers in self.sites.values() if name in brokers)
        users = ", ".join(f'"User:{who}"' for who in (*brokers, "mirror", "router", self.user))
        ours = "    for: [brokers, mirrors, routers]\n"
        client = f"    advertised.listeners: 127.0.0.1:{ports.client}\n"
        return edit(f"config/cluster/{name}.yaml",
                    (f"/tmp/isthmus/{name}", str(self.path / name)),
                    (client, client + self.edge_keys), (ours, ours + self.inside_keys),
                    ("listeners:\n", "listeners:\n" + self.added(name)),
                    ("  durability:", f"  authorizer: acls\n  super.users: [{users}]\n"
                                      "  durability:")) + self.tls_section(name)

    def router_config(self) -> str:
        # Where the router is known itself, it asks for its clients.
        changes = [("  ports: ", self.edge_keys.replace("    ", "  ") + "  ports: ")]
        for name in self.sites:
            client, inside = (f'"{self.reached(name, kind)}"' for kind in ("client", "inside"))
            routed = f'"{self.reached(name, "router_inside")}"'
            keys = f"\n    security.protocol: SSL\n    tls: inside"
            changes += [(client, routed), (f"inside: {inside}", f"inside: {routed}{keys}")]
        return edit("config/cluster/router.yaml", *changes) + self.tls_section("router")

    def mirror_config(self) -> str:
        changes = []
        for name in self.sites:
            inside, wan = (f'{{bootstrap.servers: "{self.reached(name, kind)}"'
                           for kind in ("inside", "wan"))
            changes += [(f"source: {inside}", f"source: {wan}, {self.dial_keys}"),
                        (f"target: {inside}", f"target: {inside}, {self.dial_keys}")]
        return edit("config/cluster/mirror.yaml", *changes) + self.tls_section("mirror")

    def is_whole(self, name: str) -> bool:
        return site.run("cluster", "describe", "--cluster", name, "--config",
                        self.router.config_file, check=False).returncode == 0


def edit(file: str, *changes: tuple[str, str]) -> str:
    text = (ROOT / file).read_text()
    for old, new in changes:
        if old not in text:
            raise Failed(f"{file} no longer says {old!r}: tests/demo/world.py must follow")
        text = text.replace(old, new)
    return text
