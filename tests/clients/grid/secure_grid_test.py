"""Stock clients that log in: every library by every way, at a site, through a router, and on
through a switchover; and Kafka's own tools.

    secure_grid_test.py [--only NAME,NAME] [--ways WAY,WAY] [--write]

A cell of the grid is one program of grid_test.py's, told how to log in (secured.py): it writes
at least 100 records and reads them, by a group and without. What is written and read is held as in
the grid. Who it is taken for is asked by ACLs: each person may use a topic of his own. With
ISTHMUS_LONG every way is tried, and the table goes into docs/compatibility.md.
"""

import argparse
import contextlib
import dataclasses
import json
import os
import re
import select
import socket
import ssl
import subprocess
import sys
import threading
import time
import unittest
from collections import defaultdict
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parents[1]), str(HERE.parents[1] / "e2e"), str(HERE)]
import account
import secure_test
import secured
import table
import world
from confluent_kafka import KafkaError
from confluent_kafka.admin import AdminClient, NewTopic
from library import LIBRARIES, Library, Running, peer_python
from secured import CERTIFICATE, MECHANISMS, WAYS
from support import kafka, ledger, testing
from support.processes import Failed, free_port, wait_for
from support.site import Mirror, Router, Site, link

RECORDS = 100
SHORT = ("SCRAM-SHA-512", "OAUTHBEARER", CERTIFICATE)
# Its TLS is not part of the program that is built here.
LEFT_OUT = ("rskafka",)
BEGIN = "<!-- tests/clients/grid/secure_grid_test.py --write: from here"
NAMES = {"ssl.principal.mapping.rules": "RULE:^CN=([^,]+).*$/$1/"}
PEOPLE = ("alice", "carol", "duke")
TOPICS, USERS = "kafka-topics", "kafka-configs of users, kafka-acls"


def arguments() -> tuple[argparse.Namespace, list[str]]:
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", default="", help="these libraries")
    parser.add_argument("--ways", default="", help="these ways to log in")
    parser.add_argument("--write", action="store_true", default=world.LONG,
                        help="the table into the docs")
    return parser.parse_known_args()


class Sites(secure_test.Secure):
    """Two sites with ACLs, their mirrors, and two routers: for passwords and for certificates."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.certificates.add(*PEOPLE)
        cls.provider = secured.Provider(cls.certificates.folder / "provider")

    def setUp(self):
        super().setUp()
        self.sites = {name: self.started(self.secure_site(name, number))
                      for number, name in enumerate(("seoul", "tokyo"), 1)}
        self.active, self.standby = self.sites.values()
        self.commands(*self.sites.values())
        self.make_user("alice", secured.PASSWORD)
        self.routers = {protocol: self.started(self.router_of(protocol))
                        for protocol in ("SASL_SSL", "SSL")}
        for each in self.sites.values():
            self.make_acls(each)
        for source, target in ((self.active, self.standby), (self.standby, self.active)):
            self.start_mirror(source, target)

    def secure_site(self, name: str, number: int, pair=None) -> Site:
        made = super().secure_site(name, number, pair)
        made.config["broker"] |= {
            "authorizer": "acls",
            "super.users": [f"User:{each}" for each in ("admin", "mirror", "router")],
            "sasl.oauthbearer.jwks.endpoint.url": f"file://{self.provider.jwks}",
            "sasl.oauthbearer.expected.issuer": secured.ISSUER,
            "sasl.oauthbearer.expected.audience": [secured.AUDIENCE]}
        for listener in made.config["listeners"]:
            listener["sasl.enabled.mechanisms"] = list(MECHANISMS)
            listener |= NAMES if "for" in listener else {}
        port = made.ports["CERT"] = free_port()
        made.config["listeners"].append(
            {"name": "CERT", "bind": f"127.0.0.1:{port}",
             "advertised.listeners": f"127.0.0.1:{port}", "security.protocol": "SSL",
             "tls": "inside", "ssl.client.auth": "required", **NAMES})
        return made

    def router_of(self, protocol: str) -> Router:
        made = Router(self.tmp, f"router_{protocol.lower()}",
                      {name: self.cluster(each) for name, each in self.sites.items()})
        made.config["tls"] = self.tls("router")
        made.config["virtual_cluster"] |= {"security.protocol": protocol} | (
            {"tls": "edge", "sasl.enabled.mechanisms": list(MECHANISMS)}
            if protocol == "SASL_SSL" else
            {"tls": "inside", "ssl.client.auth": "required", **NAMES})
        return made

    def start_mirror(self, source: Site, target: Site) -> None:
        name = f"{source.name}-{target.name}"
        ends = link(source, target)
        for end in ("source", "target"):
            ends[end] |= secure_test.INSIDE
        mirror = Mirror(self.tmp, f"mirror-{name}", {name: ends})
        mirror.config["tls"] = self.tls("mirror")
        self.started(mirror)

    def as_admin(self) -> dict:
        pair = self.certificates["admin"]
        return {"security.protocol": "SSL", "ssl.ca.location": str(self.certificates.ca),
                "ssl.certificate.location": str(pair.certificate),
                "ssl.key.location": str(pair.key)}

    def make_acls(self, at: Site) -> None:
        rows = [(f"User:{person}", kind, name, "PREFIXED") for person in PEOPLE
                for kind, name in (("TOPIC", "grid-"), ("GROUP", "grid-"),
                                   ("TOPIC", f"of-{person}"),
                                   ("GROUP", "unused"))]  # librdkafka's, of who has none
        rows += [(f"User:{person}", "BROKER", "kafka-cluster", "LITERAL") for person in PEOPLE]
        options = self.as_admin() | {"bootstrap.servers": at.inside}
        subprocess.run([*map(str, peer_python("acls.py")()), json.dumps(options),
                        json.dumps(rows)], check=True, timeout=120)

    def make_topics(self, topics: dict[str, int]) -> None:
        """At the active site, and mirrored."""
        admin = AdminClient(self.as_admin() | {"bootstrap.servers": self.active.inside})
        for made in admin.create_topics([NewTopic(*each, 1) for each in topics.items()]).values():
            made.result(60)
        name = f"{self.active.name}-{self.standby.name}"

        def mirrored():
            view = self.command("link", "describe", name, allowed=(0, 2))
            return topics.keys() <= {topic["topic"] for topic in view["topics"]}
        wait_for(mirrored, f"the topics are mirrored by {name}", 90, 0.3)

    def told(self, way: str) -> dict:
        return secured.security(way, self.certificates, self.provider)

    def direct(self, way: str) -> str:
        return f"127.0.0.1:{self.active.ports['CERT' if way == CERTIFICATE else 'CLIENT']}"

    def routed(self, way: str) -> str:
        return self.routers[self.told(way)["protocol"]].bootstrap

    def switch_over(self) -> None:
        names = ("--from", self.active.name, "--to", self.standby.name)
        wait_for(lambda: self.command("switchover", *names, "--dry-run", allowed=(0, 3))["ready"],
                 f"{names} is ready", 60, 0.3)
        self.command("switchover", *names)
        self.active, self.standby = self.standby, self.active

    def kcat_options(self, way: str) -> list[str]:
        return [word for option in secured.librdkafka(self.told(way)).items()
                for word in ("-X", "=".join(option))]


class Persons(Sites):
    def error_of(self, bootstrap: str, way: str, topic: str) -> int | None:
        options = secured.librdkafka(self.told(way))
        asked = threading.Event()
        if token := options.get("oauth_cb"):
            options["oauth_cb"] = lambda config: asked.set() or token(config)
        admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 0, **options})
        # librdkafka asks for a token when it is polled, which an AdminClient's listing is not.
        wait_for(lambda: admin.poll(0.2) >= 0 and (asked.is_set() or not token), "it asks", 30)
        error = admin.list_topics(topic, timeout=30).topics[topic].error
        return None if error is None else error.code()

    def test_a_client_is_who_its_log_in_says_here_and_behind_a_router(self):
        self.make_topics({f"of-{person}": 1 for person in PEOPLE})
        for way in WAYS:
            for bootstrap in (self.direct(way), self.routed(way)):
                for person in PEOPLE:
                    expected = (None if person == secured.user_of(way)
                                else KafkaError.TOPIC_AUTHORIZATION_FAILED)
                    with self.subTest(way=way, at=bootstrap, topic=person):
                        self.assertEqual(self.error_of(bootstrap, way, f"of-{person}"), expected)

    def test_debians_kcat_logs_in_by_scram(self):
        """librdkafka to 2.6.0 sends a nonce of its own before the one that it was sent; the server
        looks for its own at the end (CVE-2024-56128)."""
        version = re.search(r"librdkafka (\d+)\.(\d+)", self.kcat("-V"))
        if tuple(map(int, version.groups())) > (2, 6):
            self.skipTest("this kcat's librdkafka has it mended")
        before = self.active.metric("isthmus_scram_second_nonces_total")
        for way in ("SCRAM-SHA-256", "SCRAM-SHA-512"):
            for at, bootstrap in (("direct", self.direct(way)), ("router", self.routed(way))):
                topic = f"grid-{way}-{at}"
                self.make_topics({topic: 1})
                lines = "".join(f"{i}\n" for i in range(RECORDS))
                self.kcat("-P", "-b", bootstrap, "-t", topic, *self.kcat_options(way), said=lines)
                read = self.kcat("-C", "-e", "-q", "-b", bootstrap, "-t", topic,
                                 *self.kcat_options(way))
                self.assertEqual(read, lines, (way, at))
        self.assertNotEqual(*self.nonces_of_kcat())
        self.assertGreaterEqual(
            self.active.metric("isthmus_scram_second_nonces_total") - before, 8)
        self.hold_said(self.active, "sends its SCRAM nonce twice")

    def nonces_of_kcat(self) -> tuple[bytes, bytes]:
        """SCRAM's whole nonce as the server sends it, and as kcat answers; read in the middle."""
        said: dict[str, bytes] = {"server": b"", "client": b""}
        way = "SCRAM-SHA-256"

        def pass_on(who: str, source: ssl.SSLSocket, target: ssl.SSLSocket) -> bool:
            """What has come, if anything: a record may hold a ticket alone. False at the end."""
            source.setblocking(False)
            try:
                data = source.recv(65536)
            except ssl.SSLWantReadError:
                return True
            finally:
                source.settimeout(20)
            said[who] += data
            target.sendall(data)
            return bool(data)

        def serve() -> None:
            with (self.certificates.server("router", ssl.CERT_NONE).wrap_socket(
                      listener.accept()[0], server_side=True) as client,
                  self.certificates.client().wrap_socket(
                      socket.create_connection(("127.0.0.1", self.active.ports["CLIENT"]), 20),
                      server_hostname="localhost") as server,
                  contextlib.suppress(OSError)):
                # One thread, for two may not use one TLS session at once.
                while all([pass_on("client", client, server), pass_on("server", server, client)]):
                    if not client.pending() and not server.pending():
                        select.select([client, server], [], [], 20)

        with socket.create_server(("127.0.0.1", 0)) as listener:
            threading.Thread(target=serve, daemon=True).start()
            self.kcat("-L", "-m", "20", "-b", f"127.0.0.1:{listener.getsockname()[1]}",
                      *self.kcat_options(way))
        sent = re.search(rb"r=([^,]+),s=", said["server"])[1]
        answered = re.search(rb"c=biws,r=([^,]+),p=", said["client"])[1]
        self.assertTrue(answered.endswith(sent), f"{answered} holds not all of {sent}")
        return sent, answered

    def test_a_token_that_nobody_signed_is_refused(self):
        """Debian's kcat knows no other."""
        options = {"security.protocol": "SASL_SSL", "sasl.mechanism": "OAUTHBEARER",
                   "ssl.ca.location": str(self.certificates.ca),
                   "enable.sasl.oauthbearer.unsecure.jwt": "true",
                   "sasl.oauthbearer.config": "principal=carol"}
        words = [word for option in options.items() for word in ("-X", "=".join(option))]
        for bootstrap in (self.direct("OAUTHBEARER"), self.routed("OAUTHBEARER")):
            with self.assertRaises(subprocess.CalledProcessError):
                self.kcat("-L", "-m", "10", "-b", bootstrap, *words)
        for role in (self.active, self.routers["SASL_SSL"]):
            self.hold_said(role, "log-in refused")

    def kcat(self, *args: str, said: str = "") -> str:
        done = subprocess.run(["timeout", "60", "kcat", *args], input=said, text=True, check=True,
                              capture_output=True)
        return done.stdout


class Grid(Sites):
    options: argparse.Namespace

    def setUp(self):
        super().setUp()
        self.versions: dict[str, str] = {}
        self.found: dict = defaultdict(lambda: defaultdict(dict))  # library -> way -> place -> [..]
        self.libraries: list[Library] = []
        self.missing: list[str] = []
        names = [name for name in self.options.only.split(",") if name] or list(LIBRARIES)
        for library in (LIBRARIES[name] for name in names if name not in LEFT_OUT):
            try:
                library.command()
            except unittest.SkipTest as reason:
                self.missing.append(f"{library.name}: {reason}")
                continue
            kinds = ("assign", "manual" if "manual" in library.consumers else "auto")
            self.libraries.append(dataclasses.replace(
                library, name=f"grid-{library.name}", partitions=min(library.partitions, 2),
                consumers=tuple(kind for kind in library.consumers if kind in kinds)))

    @property
    def ways(self) -> tuple[str, ...]:
        return tuple(filter(None, self.options.ways.split(","))) or (WAYS if world.LONG else SHORT)

    def test_each_library_by_each_way(self):
        for way in self.ways:
            began = time.monotonic()
            self.try_way(way)
            print(f"    {way}: {time.monotonic() - began:.0f} s", flush=True)
        if world.LONG:
            self.try_tools(self.ways)
        text = secured.block(self.versions, self.found)
        print(f"\n{text}\n", flush=True)
        faults = [f"{library}, {way}, {place}: {'; '.join(said)}"
                  for library, ways in self.found.items() for way, places in ways.items()
                  for place, said in places.items() if said]
        if self.options.write and not self.options.only and not self.missing:
            table.write(text, begin=BEGIN)
        self.assertEqual(faults, [])
        self.assertTrue(self.libraries or self.missing)
        if self.missing:
            self.skipTest("; ".join(self.missing))

    def try_way(self, way: str) -> None:
        able = [each for each in self.libraries
                if (each.name.removeprefix("grid-"), way) not in secured.CANNOT]
        stages = {place: f"{place}-{way.lower()}" for place in ("direct", "routed")}
        self.make_topics({topic: library.partitions for library in able
                          for stage in stages.values()
                          for topic in library.order("", stage)["topics"]})
        direct = self.start(able, way, self.direct(way), stages["direct"])
        routed = self.start(able, way, self.routed(way), stages["routed"])
        self.judge_served(direct, way, "direct")
        self.finish(direct, way, "direct")
        self.judge_served(routed, way, "router")
        self.switch_over()
        moved_ms = time.time() * 1000
        late = self.wait_all(routed, lambda each: not each.silent(moved_ms))
        for each in late:
            silent = f"silent after the switchover: {each.silent(moved_ms)}"
            self.found[each.name.removeprefix("grid-")][way]["switchover"] = [silent]
        time.sleep(1)
        self.finish(routed, way, "switchover")

    def start(self, able: list[Library], way: str, bootstrap: str, stage: str) -> list[Running]:
        running = []
        for library in able:
            log = self.tmp / f"{library.name}-{stage}.log"
            running.append(Running(library, bootstrap, stage, log, self.told(way)))
            self.addCleanup(running[-1].kill)
        return running

    def wait_all(self, running: list[Running], condition, deadline_s: float = 120) -> list[Running]:
        """Who has not come to it, after the deadline."""
        end = time.monotonic() + deadline_s
        while (late := [each for each in running if not condition(each)]):
            if time.monotonic() > end:
                break
            time.sleep(0.1)
        return late

    def judge_served(self, running: list[Running], way: str, place: str) -> None:
        late = self.wait_all(running, lambda each: len(each.heard.acks) >= RECORDS
                             and not each.silent(0))
        for each in running:
            name = each.name.removeprefix("grid-")
            self.found[name][way][place] = self.said(each) if each in late else []

    def said(self, running: Running) -> list[str]:
        print(running.tail(), flush=True)
        return [f"{len(running.heard.acks)} acknowledged, silent: {running.silent(0)}"]

    def finish(self, running: list[Running], way: str, place: str) -> None:
        """Everyone sends no more, reads to the end and leaves; then all is judged."""
        ended_ms = time.time() * 1000  # what a library says of its own end is nobody's concern
        for each in running:
            each.flush()
        late = self.wait_all(running, lambda each: each.heard.sent is not None
                             and each.caught_up(), 120)
        for each in running:
            if each in late:
                each.kill()
            else:
                each.close()
            name = each.name.removeprefix("grid-")
            self.versions[name] = each.heard.version
            self.found[name][way].setdefault(place, [])
            self.found[name][way][place] += self.faults(each, ended_ms)

    def faults(self, running: Running, ended_ms: float) -> list[str]:
        names = [consumer["name"] for consumer in running.order["consumers"]]
        log = list(ledger.read(f"127.0.0.1:{self.active.ports['CLIENT']}",
                               running.order["topics"][0], *self.kcat_options("SCRAM-SHA-512")))
        truth = account.truth(running.heard, running.order["id"], names, log)
        said = [f"{count} {what}" for what, count in truth.faults().items()]
        said += sorted({account.said(event) for event in running.heard.events
                        if event["e"] in ("error", "failed", "commit_failed")
                        and event["t"] < ended_ms})
        if len(running.heard.acks) < RECORDS:
            said.append(f"{len(running.heard.acks)} acknowledged")
        if said:
            print(f"{running.order['id']}:\n{running.tail()}", flush=True)
        return said

    # --- Kafka's tools --------------------------------------------------------------------------

    def test_kafkas_tools(self):
        self.try_tools(SHORT)
        faults = {(tool, way, place): said for tool in (TOPICS, USERS)
                  for way, places in self.found[tool].items()
                  for place, said in places.items() if said}
        self.assertEqual(faults, {})

    def try_tools(self, ways: tuple[str, ...]) -> None:
        allowed = f"file://{self.provider.token_file}"
        os.environ["JAVA_TOOL_OPTIONS"] = (
            f"-Dorg.apache.kafka.sasl.oauthbearer.allowed.urls={allowed}")
        self.addCleanup(os.environ.pop, "JAVA_TOOL_OPTIONS", None)
        self.versions |= dict.fromkeys((TOPICS, USERS), table.pinned()["java"])
        for way in ways:
            direct, routed = self.direct(way), self.routed(way)
            name = f"grid-tools-{way.lower()}"
            self.try_tool(TOPICS, way, "direct", lambda: self.make_topic(way, direct, name))
            self.try_tool(USERS, way, "direct", lambda: self.make_user_and_acl(way, direct, name))
            self.try_tool(TOPICS, way, "router",
                          lambda: self.make_topic(way, routed, f"{name}-routed"))
            self.switch_over()
            self.try_tool(TOPICS, way, "switchover",
                          lambda: self.see_topic(way, routed, f"{name}-routed"))
        # Each site has its own users and ACLs, so a router does not say that it serves them.
        with self.assertRaisesRegex(Failed, "UnsupportedVersionException"):
            self.tool(way, kafka.ACL_COMMAND, routed, "--list")

    def try_tool(self, tool: str, way: str, place: str, work) -> None:
        try:
            work()
            self.found[tool][way][place] = []
        except (Failed, AssertionError) as failed:
            print(f"    {tool}, {way}, {place}: {failed}", flush=True)
            self.found[tool][way][place] = [str(failed)[:400]]

    def tool(self, way: str, main_class: str, at: str, *args) -> str:
        properties = self.tmp / f"{way}.properties"
        properties.write_text(secured.java_properties(self.told(way)))
        return kafka.run_tool(main_class, "--bootstrap-server", at, "--command-config",
                              properties, *args).stdout.decode()

    def make_topic(self, way: str, at: str, name: str) -> None:
        self.tool(way, kafka.TOPIC_COMMAND, at, "--create", "--topic", name, "--partitions", 2)
        self.see_topic(way, at, name)

    def see_topic(self, way: str, at: str, name: str) -> None:
        """A router, or a site that was moved to, may hear of it a moment later."""
        def seen() -> bool:
            try:
                return "PartitionCount: 2" in self.tool(way, kafka.TOPIC_COMMAND, at, "--describe",
                                                        "--topic", name)
            except Failed as failed:
                if not re.search("does not exist|UnknownTopicOrPartition", str(failed)):
                    raise
                return False
        wait_for(seen, f"{name} has 2 partitions", 60, 1)

    def make_user_and_acl(self, way: str, at: str, topic: str) -> None:
        user = f"bob-{way.lower()}"
        entity = ("--entity-type", "users", "--entity-name", user)
        self.tool(way, kafka.CONFIG_COMMAND, at, "--alter", *entity, "--add-config",
                  "SCRAM-SHA-256=[password=secret]")
        self.assertIn("SCRAM-SHA-256=iterations=",
                      self.tool(way, kafka.CONFIG_COMMAND, at, "--describe", *entity))
        allow = ("--allow-principal", f"User:{user}", "--operation", "Read", "--topic", topic)
        self.tool(way, kafka.ACL_COMMAND, at, "--add", *allow)
        self.assertIn(f"principal=User:{user}",
                      self.tool(way, kafka.ACL_COMMAND, at, "--list", "--topic", topic))
        self.tool(way, kafka.ACL_COMMAND, at, "--remove", "--force", *allow)
        self.assertNotIn(user, self.tool(way, kafka.ACL_COMMAND, at, "--list"))


if __name__ == "__main__":
    Grid.options, rest = arguments()
    os.environ.setdefault("PYTHONUNBUFFERED", "1")
    sys.argv = [sys.argv[0], *rest]
    world.main()
