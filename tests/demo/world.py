"""The demo's processes: two sites, a mirror for both directions and a router, from the files in
config/ as they stand, but for where data lies and for the lines: what goes from one site to the
other, and between the router and either site, passes a relay that delays each way."""

import json
import secrets
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from support import ledger, site
from support.client import Member, Producer
from support.kcat import Tail
from support.processes import Failed, Process, answers
from support.relay import Relay
from support.testing import ROOT

DELAY_MS = 20
# Of config/: CLIENT and INSIDE listeners, admin ports. The demo's own: WAN for the mirror across,
# ROUTED for the clients of the router, ROUTER_INSIDE for the router itself.
CLIENT = {"seoul": 9092, "tokyo": 9192}
INSIDE = {"seoul": 9093, "tokyo": 9193}
WAN = {"seoul": 9094, "tokyo": 9194}
ROUTED = {"seoul": 9095, "tokyo": 9195}
ROUTER_INSIDE = {"seoul": 9096, "tokyo": 9196}
ADMIN = {"seoul": 9644, "tokyo": 9744, "mirror": 9645, "router": 9646}
ROUTER = 19092

began = time.monotonic()


def say(text: str) -> None:
    print(f"[{time.monotonic() - began:6.1f} s] {text}", flush=True)


class Part:
    """One process, with its log in the demo's directory."""

    def __init__(self, role: str, name: str, directory: Path, config: str):
        self.name = name
        file = directory / f"{name}.yaml"
        file.write_text(config)
        self.config_file = file
        command = [site.program(), role, "--config", file]
        self.process = Process(name, command, directory / f"{name}.log")

    def start(self) -> None:
        self.process.start()
        self.process.wait_ready(lambda: self.http("/readyz") is not None)

    def http(self, path: str) -> str | None:
        try:
            url = f"http://127.0.0.1:{ADMIN[self.name]}{path}"
            with urllib.request.urlopen(url, timeout=5) as answer:
                return answer.read().decode()
        except OSError:
            return None


class World:
    folder = "config"
    client: dict[str, str] = {}  # what stock clients need besides, librdkafka's with _ for .
    inside_keys = ""             # of a listener that the demo adds for mirrors and routers

    def __init__(self):
        self.directory = tempfile.TemporaryDirectory(prefix="isthmus-demo-")
        self.path = Path(self.directory.name)
        self.relay = Relay()
        self.line = {name: self.lay(name, WAN[name]) for name in WAN}
        self.routed = {name: self.lay(f"routed-{name}", ROUTED[name]) for name in ROUTED}
        self.router_inside = {name: self.lay(f"router-{name}", ROUTER_INSIDE[name])
                              for name in ROUTER_INSIDE}
        self.sites = {name: Part("broker", name, self.path, self.site_config(name))
                      for name in CLIENT}
        self.mirror = Part("mirror", "mirror", self.path, self.mirror_config())
        self.router = Part("router", "router", self.path, self.router_config())
        self.parts = [*self.sites.values(), self.mirror, self.router]

    def lay(self, line: str, port: int) -> int:
        return self.relay.route(line, port, delay_ms=DELAY_MS)

    def cut(self) -> None:
        """The line between the sites; the router reaches both as before."""
        for name in self.line:
            self.relay.cut(name)

    def listener(self, title: str, port: int, line: int, whom: str = "") -> str:
        keys = f"    for: [{whom}]\n{self.inside_keys}" if whom else ""
        return (f"  - name: {title}\n    bind: 127.0.0.1:{port}\n"
                f"    advertised.listeners: 127.0.0.1:{line}\n{keys}")

    def added(self, name: str) -> str:
        return "".join((
            self.listener("WAN", WAN[name], self.line[name], "mirrors"),
            self.listener("ROUTED", ROUTED[name], self.routed[name]),
            self.listener("ROUTER_INSIDE", ROUTER_INSIDE[name], self.router_inside[name],
                          "routers")))

    def site_config(self, name: str) -> str:
        return edit(f"config/{name}.yaml", (f"/tmp/isthmus/{name}", str(self.path / name)),
                    ("listeners:\n", "listeners:\n" + self.added(name)))

    def router_config(self) -> str:
        return edit("config/router.yaml", *(
            (f'{{bootstrap.servers: "127.0.0.1:{CLIENT[name]}", '
             f'inside: "127.0.0.1:{INSIDE[name]}"}}',
             f'{{bootstrap.servers: "127.0.0.1:{self.routed[name]}", '
             f'inside: "127.0.0.1:{self.router_inside[name]}"}}') for name in CLIENT))

    def mirror_config(self) -> str:
        return edit("config/mirror.yaml", *(
            (f'source: {{bootstrap.servers: "127.0.0.1:{INSIDE[name]}"}}',
             f'source: {{bootstrap.servers: "127.0.0.1:{self.line[name]}"}}') for name in INSIDE))

    def start(self) -> None:
        for port in (*CLIENT.values(), *INSIDE.values(), *WAN.values(), *ROUTED.values(),
                     *ROUTER_INSIDE.values(), *ADMIN.values(), ROUTER):
            if answers(port):
                raise Failed(f"port {port} is in use: the demo runs on the ports of config/")
        for part in self.parts:
            before = time.monotonic()
            part.start()
            say(f"{part.name} is ready after {time.monotonic() - before:.2f} s")

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
        return f"127.0.0.1:{CLIENT[name]}"

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

    def __init__(self):
        self.certificates = tempfile.TemporaryDirectory(prefix="isthmus-demo-tls-")
        self.tls = Path(self.certificates.name) / "tls"
        site.run("tls", "create", "--for", "seoul,tokyo,mirror,router", "--out", self.tls)
        self.client = {"security_protocol": "SASL_SSL", "ssl_ca_location": str(self.tls / "ca.crt"),
                       "sasl_mechanism": "SCRAM-SHA-512", "sasl_username": self.user,
                       "sasl_password": self.password}
        super().__init__()

    def added(self, name: str) -> str:
        """Without ROUTED: the router asks for its clients, where it is known itself."""
        return "".join((
            self.listener("WAN", WAN[name], self.line[name], "mirrors"),
            self.listener("ROUTER_INSIDE", ROUTER_INSIDE[name], self.router_inside[name],
                          "routers")))

    def site_config(self, name: str) -> str:
        # The demo's client may do everything: its ACLs would be a line of kafka-acls.
        return edit(f"config/secure/{name}.yaml",
                    (f"/tmp/isthmus/secure/{name}", str(self.path / name)),
                    ("/tmp/isthmus/tls", str(self.tls)),
                    ("listeners:\n", "listeners:\n" + self.added(name)),
                    ('"User:router"]', f'"User:router", "User:{self.user}"]'))

    def router_config(self) -> str:
        return edit("config/secure/router.yaml", ("/tmp/isthmus/tls", str(self.tls)), *(
            (f'"127.0.0.1:{INSIDE[name]}"', f'"127.0.0.1:{self.router_inside[name]}"')
            for name in INSIDE))

    def mirror_config(self) -> str:
        return edit("config/secure/mirror.yaml", ("/tmp/isthmus/tls", str(self.tls)), *(
            (f'source: {{bootstrap.servers: "127.0.0.1:{INSIDE[name]}"',
             f'source: {{bootstrap.servers: "127.0.0.1:{self.line[name]}"') for name in INSIDE))

    def start(self) -> None:
        super().start()
        file = self.path / "password"
        file.write_text(self.password)
        self.command("user", "set", self.user, "--password-file", str(file))

    def close(self) -> None:
        super().close()
        self.certificates.cleanup()


def edit(file: str, *changes: tuple[str, str]) -> str:
    text = (ROOT / file).read_text()
    for old, new in changes:
        if old not in text:
            raise Failed(f"{file} no longer says {old!r}: tests/demo/world.py must follow")
        text = text.replace(old, new)
    return text
