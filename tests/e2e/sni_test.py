"""A router whose brokers share one port and are told apart by name, in TLS (SNI): stock clients,
which know the bootstrap's name alone, and what comes with another name or none."""

import json
import socket
import struct
import subprocess

from secure_test import MECHANISMS, PASSWORD, Secure
from support import kafka
from support.hosts import made_up
from support.processes import free_port, wait_for
from support.site import Router
from support.wire import Wire

import world

FIND_COORDINATOR, HEARTBEAT = 10, 12
NOT_COORDINATOR, UNKNOWN_MEMBER_ID = 16, 25
HOST = "kafka.corp"
COUNT = 200


class ByName(Secure):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.certificates.add("edge", hosts=(HOST, f"*.{HOST}"))

    def setUp(self):
        super().setUp()
        self.enterContext(made_up(f"{HOST}"))
        self.seoul = self.started(self.secure_site("seoul", 1))
        self.tokyo = self.secure_site("tokyo", 2)

    def start_router(self, *routes: dict) -> Router:
        made = Router(self.tmp, "router", {each.name: self.cluster(each)
                                           for each in (self.seoul, self.tokyo)},
                      routes=[{"default": "seoul"}, *routes])
        made.port = free_port()
        made.config["tls"] = self.tls("router")
        pair = self.certificates["edge"]
        made.config["tls"]["edge"] = {"certificate": str(pair.certificate),
                                      "key": {"file": str(pair.key)}}
        made.config["virtual_cluster"] = {
            "name": "corp", "advertise": HOST, "bind": "127.0.0.1", "sni": True,
            "ports": str(made.port), "security.protocol": "SASL_SSL", "tls": "edge",
            "sasl.enabled.mechanisms": list(MECHANISMS)}
        return self.started(made)

    def kcat_at_router(self, *args: str, said: str = "") -> str:
        command = ["timeout", "60", "kcat", "-b", f"{HOST}:{self.router.port}", *args,
                   *self.kcat()]
        done = subprocess.run(command, input=said, text=True, capture_output=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def requests_of(self, node: int) -> int:
        return next(each["requests"] for each in self.router.status()["nodes"]
                    if each["id"] == node)

    def test_stock_clients_find_each_broker_by_its_name(self):
        self.started(self.tokyo)
        self.commands(self.seoul, self.tokyo)
        self.make_user()
        self.router = self.start_router({"topic": "tea", "cluster": "tokyo"},
                                        {"group": "of-tea", "cluster": "tokyo"})
        listed = json.loads(self.kcat_at_router("-L", "-J"))
        self.assertEqual({each["name"] for each in listed["brokers"]},
                         {f"b{node}.{HOST}:{self.router.port}" for node in (101, 201)})
        numbers = "".join(f"{i}\n" for i in range(COUNT))
        for topic, node in (("orders", 101), ("tea", 201)):
            before = self.requests_of(node)
            self.kcat_at_router("-P", "-t", topic, said=numbers)
            read = self.kcat_at_router("-C", "-e", "-q", "-t", topic)
            self.assertEqual(sorted(read.split(), key=int), numbers.split())
            wait_for(lambda n=node, b=before: self.requests_of(n) > b, f"{topic} is at {node}")
            self.read_by_java(topic)
        addresses = [each["advertised"] for each in self.router.status()["nodes"]]
        self.assertEqual(addresses, [f"b{node}.{HOST}:{self.router.port}" for node in (101, 201)])

    def read_by_java(self, topic: str) -> None:
        """Kafka's console consumer, in a group."""
        of = "org.apache.kafka.common.security.plain.PlainLoginModule"
        properties = self.tmp / "java.properties"
        properties.write_text(
            "security.protocol=SASL_SSL\nsasl.mechanism=PLAIN\nssl.truststore.type=PEM\n"
            f"ssl.truststore.location={self.certificates.ca}\n"
            f"sasl.jaas.config={of} required username=\"alice\" password=\"{PASSWORD}\";\n")
        read = kafka.run_tool(
            kafka.CONSOLE_CONSUMER, "--bootstrap-server", f"{HOST}:{self.router.port}",
            "--topic", topic, "--group", f"of-{topic}", "--from-beginning", "--max-messages",
            COUNT, "--timeout-ms", 60000, "--consumer.config", properties)
        self.assertEqual(len(read.stdout.split()), COUNT)

    # --- by hand --------------------------------------------------------------------------------

    def wire(self, name: str | None) -> Wire:
        context = self.certificates.client()
        context.check_hostname = name is not None
        line = socket.create_connection(("127.0.0.1", self.router.port), 20)
        made = Wire(context.wrap_socket(line, server_hostname=name))
        self.addCleanup(made.__exit__)
        self.assertEqual(made.log_in("PLAIN", f"\0alice\0{PASSWORD}".encode()).error, 0)
        return made

    @staticmethod
    def heartbeat(wire: Wire) -> int:
        """What a coordinator says to a member that it does not know, and nobody else."""
        body = struct.pack(">h", 1) + b"g" + struct.pack(">ih", 1, 1) + b"m"
        return wire.call(HEARTBEAT, 0, body).int16()

    def test_any_other_name_is_the_bootstrap_until_it_is_a_brokers(self):
        self.commands(self.seoul)
        self.make_user()
        self.router = self.start_router()
        named = self.wire(f"b101.{HOST}")
        group = struct.pack(">h", 1) + b"g"
        wait_for(lambda: named.call(FIND_COORDINATOR, 0, group).int16() == 0, "there is one")
        wait_for(lambda: self.heartbeat(named) == UNKNOWN_MEMBER_ID, "it has its groups")
        for name in (None, HOST, f"b999.{HOST}", f"x.{HOST}", "localhost"):
            wire = self.wire(name)
            self.assertEqual(self.heartbeat(wire), NOT_COORDINATOR, name)
            wire.topics()
        early = self.wire(f"b201.{HOST}")
        self.assertEqual(self.heartbeat(early), NOT_COORDINATOR, "tokyo is not there yet")
        self.started(self.tokyo)
        wait_for(lambda: len(self.router.status()["nodes"]) == 2, "the router knows tokyo", 60)
        wait_for(lambda: self.heartbeat(early) == UNKNOWN_MEMBER_ID, "the same connection")


if __name__ == "__main__":
    world.main()
