"""Clients behind a load balancer that tells of them by the PROXY protocol: ACLs, audit and log see
their addresses, at a site and through a router, before TLS and before plain text."""

import socket
import ssl

import world
from confluent_kafka import KafkaError
from confluent_kafka.admin import AdminClient, NewTopic
from secure_test import MECHANISMS, PASSWORD, Secure
from support import balancer, kafka
from support.balancer import Balancer
from support.processes import free_port, wait_for
from support.site import Router, Site, audited
from support.wire import Ended, Wire

GOOD, ALSO_GOOD, BAD = "203.0.113.7", "2001:db8::7", "203.0.113.8"
BELIEVED = ["10.0.0.0/8", "127.0.0.1"]
REFUSED = KafkaError.TOPIC_AUTHORIZATION_FAILED


class Balanced(Secure):
    """CLIENT speaks TLS, PLAIN plain text, both to load balancers on this machine; ELSEWHERE is
    for those of another network."""

    def setUp(self):
        super().setUp()
        self.seoul = self.started(self.site_behind_balancers())
        self.commands(self.seoul)
        self.make_user()
        admin = AdminClient(self.as_admin())
        admin.create_topics([NewTopic("orders", 1, 1)])["orders"].result(60)
        for principal in ("User:alice", "User:ANONYMOUS"):
            self.allow(principal, GOOD, ALSO_GOOD)

    def site_behind_balancers(self) -> Site:
        made = self.secure_site("seoul", 1)
        made.config["broker"] |= {
            "authorizer": "acls",
            "super.users": [f"User:CN={name}" for name in ("admin", "router")]}
        made.config["audit"] = {"file": str(self.tmp / "audit")}
        for name in ("PLAIN", "ELSEWHERE"):
            at = f"127.0.0.1:{made.ports.setdefault(name, free_port())}"
            made.config["listeners"].append(
                {"name": name, "bind": at, "advertised.listeners": at,
                 "proxy.protocol.from": BELIEVED if name == "PLAIN" else ["10.0.0.0/8"]})
        for each in made.config["listeners"]:
            if each["name"] == "CLIENT":
                each["proxy.protocol.from"] = BELIEVED
        return made

    def as_admin(self) -> dict:
        pair = self.certificates["admin"]
        return {"bootstrap.servers": self.seoul.inside, "security.protocol": "SSL",
                "ssl.ca.location": str(self.certificates.ca),
                "ssl.certificate.location": str(pair.certificate),
                "ssl.key.location": str(pair.key)}

    def allow(self, principal: str, *hosts: str) -> None:
        """To see the topic, from there."""
        pair = self.certificates["admin"]
        both, properties = self.tmp / "both.pem", self.tmp / "admin.properties"
        both.write_text(pair.key.read_text() + pair.certificate.read_text())
        properties.write_text(
            "security.protocol=SSL\nssl.truststore.type=PEM\n"
            f"ssl.truststore.location={self.certificates.ca}\nssl.keystore.type=PEM\n"
            f"ssl.keystore.location={both}\n")
        kafka.run_tool(kafka.ACL_COMMAND, "--bootstrap-server", self.seoul.inside,
                       "--command-config", properties, "--add", "--allow-principal", principal,
                       *(word for host in hosts for word in ("--allow-host", host)),
                       "--operation", "Describe", "--topic", "orders")

    def logged_in(self) -> dict:
        return {key.replace("_", "."): value for key, value in self.client().items()}

    def through(self, target: int, says: bytes) -> int:
        """The port of a balancer before the other."""
        made = Balancer(target, says)
        self.addCleanup(made.__exit__)
        return made.port

    def seen(self, target: int, source: str, options: dict) -> int | None:
        """What comes of asking for the topic by a balancer that connects for the address."""
        port = self.through(target, balancer.header(source, tlvs=b"\x04\x00\x02xx"))
        admin = AdminClient({"bootstrap.servers": f"127.0.0.1:{port}", "log_level": 0, **options})
        error = admin.list_topics("orders", timeout=30).topics["orders"].error
        return None if error is None else error.code()

    def hold_audited(self, **expected) -> None:
        wait_for(lambda: audited(self.tmp / "audit", **expected), f"the audit has {expected}")

    def test_acls_by_host_and_the_audit_see_whom_the_balancer_names(self):
        for source, outcome in ((GOOD, None), (ALSO_GOOD, None), (BAD, REFUSED)):
            with self.subTest(source=source):
                self.assertEqual(
                    self.seen(self.seoul.ports["CLIENT"], source, self.logged_in()), outcome)
                self.assertEqual(self.seen(self.seoul.ports["PLAIN"], source, {}), outcome)
                self.hold_audited(action="SaslAuthenticate", listener="CLIENT", host=source,
                                  principal="User:alice", outcome="allowed")
        self.assertNotIn(f"listener=CLIENT closed {GOOD}", self.log_of(self.seoul))

    def test_the_router_tells_the_sites_whom_its_balancer_names(self):
        router = Router(self.tmp, "router", {"seoul": self.cluster(self.seoul)})
        router.config["tls"] = self.tls("router")
        router.config["virtual_cluster"] |= {
            "security.protocol": "SASL_SSL", "tls": "edge", "proxy.protocol.from": BELIEVED,
            "sasl.enabled.mechanisms": list(MECHANISMS)}
        self.started(router)
        for source, outcome in ((GOOD, None), (BAD, REFUSED)):
            self.assertEqual(self.seen(router.port, source, self.logged_in()), outcome, source)
        # The name that a refusal has in the audit is the client's, and its address too.
        self.hold_audited(principal="User:alice", impersonated_by="User:CN=router", host=BAD)

    # --- who says nothing, or something else ----------------------------------------------------

    def answer_to(self, listener: str, says: bytes) -> str:
        with Wire(socket.create_connection(("127.0.0.1", self.seoul.ports[listener]), 20)) as wire:
            wire.line.sendall(says)
            try:
                wire.topics()
            except Ended:
                return "closed"
            return "answered"

    def test_who_should_say_so_and_does_not_is_refused_and_told_of(self):
        self.assertEqual(self.answer_to("PLAIN", balancer.header(GOOD)), "answered")
        self.assertEqual(self.answer_to("PLAIN", balancer.LOCAL), "answered")
        unknown = balancer.SIGNATURE + b"\x21\x00\x00\x00"
        self.assertEqual(self.answer_to("PLAIN", unknown), "answered")
        too_long = balancer.header(GOOD, tlvs=bytes(5000))
        for says, why in ((b"", "begins without a PROXY header of version 2"),
                          (b"PROXY TCP4 203.0.113.7 127.0.0.1 1 2\r\n", "is version 1"),
                          (balancer.SIGNATURE + b"\x22\x11\x00\x00", "has command 2"),
                          (too_long, "has 5028 bytes; at most 4096")):
            self.assertEqual(self.answer_to("PLAIN", says), "closed", why)
            self.hold_said(self.seoul, why)
        for _ in range(50):
            self.answer_to("PLAIN", b"")
        told = self.log_of(self.seoul).count("begins without a PROXY header")
        self.assertLess(told, 10, "not a line for each")

    def test_tls_follows_the_header_and_does_not_replace_it(self):
        port = self.seoul.ports["CLIENT"]
        context = self.certificates.client()
        for says, outcome in ((balancer.header(GOOD), "TLSv1.3"), (b"", "refused")):
            with socket.create_connection(("127.0.0.1", port), 20) as plain:
                plain.sendall(says)
                try:
                    with context.wrap_socket(plain, server_hostname="localhost") as line:
                        self.assertEqual(line.version(), outcome)
                        with Wire(line) as wire:
                            answer = wire.log_in("PLAIN", f"\0alice\0{PASSWORD}".encode())
                            self.assertEqual(answer.error, 0)
                except (ssl.SSLError, ConnectionError):
                    self.assertEqual(outcome, "refused")
        self.hold_said(self.seoul, "listener=CLIENT closed 127.0.0.1:")

    def test_nobody_else_is_believed(self):
        self.assertEqual(self.answer_to("ELSEWHERE", b""), "answered")
        self.assertEqual(self.answer_to("ELSEWHERE", balancer.header(GOOD)), "closed")
        self.hold_said(self.seoul, "proxy.protocol.from does not name its address")


if __name__ == "__main__":
    world.main()
