"""Three brokers of one cluster that speak by mutual TLS and have an authorizer: they copy from one
another by their certificates, nobody else is taken for one of them, and certificates are changed
under them."""

import shutil
import socket
import ssl
import struct
import tempfile
from pathlib import Path

import world
from confluent_kafka.admin import AdminClient, NewTopic
from secure_test import INSIDE, PASSWORD, Secure
from support import ledger, site
from support.processes import free_port, wait_for
from support.site import Cluster, Router
from support.tls import Certificates
from support.wire import Ended, Reader, Wire
from world import identities, marked

NODES = (301, 302, 303)
NAMES = [f"b{node}" for node in NODES]
TOPIC, PARTITIONS = "orders", 6
FETCH, CREATE_ACLS, BROKER_VIEW = 1, 30, 10030
NOT_AUTHORIZED_FOR_TOPIC, NOT_AUTHORIZED_FOR_CLUSTER = 29, 31
BY_NAME = {"ssl.principal.mapping.rules": "RULE:^CN=([^,]+).*$/$1/"}


def text(value: str) -> bytes:
    return struct.pack(">h", len(value)) + value.encode()


class SecureBrokers(Secure):
    @classmethod
    def setUpClass(cls):
        cls.certificates = Certificates.of_class(cls, *NAMES, "admin", "stranger")

    def setUp(self):
        super().setUp()
        self.cluster = Cluster(self.tmp, "busan", 3)
        self.addCleanup(self.cluster.__exit__)
        for broker, name in zip(self.cluster.brokers, NAMES):
            self.present(name, self.certificates)
            self.secure(broker, name)

    def present(self, name: str, authority: Certificates) -> None:
        """Puts a broker's files where its configuration says."""
        for file, source in zip(self.files(name), (*authority[name], authority.ca)):
            shutil.copy(source, file)

    def files(self, name: str) -> list[Path]:
        return [self.tmp / f"{name}.{kind}" for kind in ("crt", "key", "ca")]

    def secure(self, broker, name: str, named=tuple(NAMES)) -> None:
        certificate, key, ca = map(str, self.files(name))
        edge = {"certificate": certificate, "key": {"file": key}}
        broker.config["tls"] = {"edge": edge, "inside": {**edge, "ca": ca}}
        broker.config["broker"] |= {
            "authorizer": "acls",
            "super.users": [f"User:{user}" for user in ("admin", "alice", *named)]}
        for listener in broker.config["listeners"]:
            if "for" in listener:
                listener |= {**INSIDE, **BY_NAME}
            else:
                listener |= {"security.protocol": "SASL_SSL", "tls": "edge",
                             "sasl.enabled.mechanisms": ["SCRAM-SHA-512"]}

    def start(self) -> None:
        self.cluster.start()
        config = Router(self.tmp, "corp", {"busan": {
            "bootstrap.servers": self.cluster.router_inside,
            "inside": self.cluster.router_inside, **INSIDE}}).config
        config["tls"] = self.tls("admin")
        self.clusters = self.tmp / "clusters.yaml"
        self.clusters.write_text(world.json.dumps(config))
        self.make_user()
        self.admin = AdminClient({"bootstrap.servers": self.cluster.bootstrap, "log_level": 0,
                                  **{k.replace("_", "."): v for k, v in self.client().items()}})
        self.admin.create_topics([NewTopic(TOPIC, PARTITIONS, len(NODES))])[TOPIC].result(60)

    def leaders_and_isrs(self) -> list[tuple[int, set[int]]]:
        """Nothing: the one that was asked has not heard of the topic yet."""
        told = self.admin.list_topics(TOPIC, timeout=30).topics[TOPIC].partitions
        return [(told[i].leader, set(told[i].isrs)) for i in sorted(told)]

    def wait_in_sync(self, *nodes: int, deadline_s: float = 60) -> None:
        wait_for(lambda: [isr for _, isr in self.leaders_and_isrs()] == [set(nodes)] * PARTITIONS,
                 f"{nodes} are in sync", deadline_s)

    def wire(self, node: int, name: str) -> Wire:
        port = self.cluster.broker(node).ports["INSIDE"]
        line = socket.create_connection(("127.0.0.1", port), 20)
        context = self.certificates.client(name)
        return Wire(context.wrap_socket(line, server_hostname="localhost"))

    def fetch_as(self, wire: Wire, follower: int) -> int:
        """What partition 0 is answered to a Fetch of this replica."""
        body = struct.pack(">iiiibii", follower, 0, 1, 1 << 20, 0, 0, -1)
        body += struct.pack(">i", 1) + text(TOPIC)
        body += struct.pack(">iiiqqi", 1, 0, -1, 0, 0, 1 << 20)
        answer = wire.call(FETCH, 11, body + struct.pack(">i", 0) + text(""))
        answer.int32()  # throttled for
        self.assertEqual((answer.int16(), answer.int32(), answer.int32()), (0, 0, 1))
        self.assertEqual((answer.text(), answer.int32(), answer.int32()), (TOPIC, 1, 0))
        return answer.int16()

    def view_as(self, wire: Wire) -> int:
        """What it is answered that asks as brokers ask one another."""
        # Tagged fields of the header; all topics, none by id, groups too; tagged fields.
        answer = wire.call(BROKER_VIEW, 0, b"\0" + b"\1\1\1" + b"\0")
        return Reader(answer.rest[1:]).int16()

    def hold_all_read(self, producer) -> None:
        producer.flush_and_close()
        self.hold_ledger(producer, ledger.read(self.cluster.bootstrap, TOPIC, *self.kcat()))

    def test_brokers_replicate_and_go_on_when_one_of_them_is_killed(self):
        self.start()
        producer = self.producer(self.cluster.bootstrap, TOPIC, **self.client())
        producer.send(marked("p", 0, 300))
        wait_for(lambda: producer.acks == 300, "it is served", 60)
        self.wait_in_sync(*NODES)
        victim, _ = self.leaders_and_isrs()[0]
        self.cluster.broker(victim).kill()
        producer.send(marked("p", 300, 300))
        wait_for(lambda: producer.acks == 600, "the others serve", 60)
        self.wait_in_sync(*(set(NODES) - {victim}))
        self.cluster.broker(victim).start()
        self.wait_in_sync(*NODES)
        self.hold_all_read(producer)
        for broker in self.cluster.brokers:
            said = self.log_of(broker)
            self.assertNotIn("refuse", said)
            self.assertNotIn("cannot be spoken to", said)

    def test_a_certificate_without_rights_is_no_brokers(self):
        self.start()
        self.wait_in_sync(*NODES)
        leader, _ = self.leaders_and_isrs()[0]
        follower = next(node for node in NODES if node != leader)
        with self.wire(leader, "stranger") as stranger:
            self.assertEqual(self.fetch_as(stranger, follower), NOT_AUTHORIZED_FOR_TOPIC)
            self.assertEqual(self.fetch_as(stranger, -1), NOT_AUTHORIZED_FOR_TOPIC)
            self.assertEqual(self.view_as(stranger), NOT_AUTHORIZED_FOR_CLUSTER)
        # One of them would be heard, but has to say in which epoch and of which start it follows.
        with self.wire(leader, f"b{follower}") as broker:
            self.assertNotIn(self.fetch_as(broker, follower), (0, NOT_AUTHORIZED_FOR_TOPIC))
            self.assertEqual(self.view_as(broker), 0)

    def test_a_broker_that_nobody_names_is_told_of_until_an_acl_lets_it_in(self):
        for broker, name in zip(self.cluster.brokers, NAMES):
            self.secure(broker, name, named=("b301", "b302"))
        last = self.cluster.broker(303)
        said = site.run("config", "check", last.write_config()).stdout
        self.assertIn("warn  broker.super.users: does not name User:b303, whom the other brokers "
                      "take this one for", said)
        first = site.run("config", "check", self.cluster.broker(301).write_config()).stdout
        self.assertNotIn("super.users", first)
        self.start()
        self.hold_said(last, "will refuse this one: User:b303, whom they take it for")

        def copies_nothing() -> bool:
            told = self.leaders_and_isrs()
            return bool(told) and all((303 in isr) == (leader == 303) for leader, isr in told)
        wait_for(copies_nothing, "it copies nothing", 60)
        self.hold_said(last, "needs CLUSTER_ACTION on the cluster")
        with self.wire(301, "admin") as admin:
            self.allow_cluster_action(admin, "User:b303")
        self.wait_in_sync(*NODES)

    def allow_cluster_action(self, wire: Wire, principal: str) -> None:
        cluster, literal, cluster_action, allow = 4, 3, 9, 3
        body = struct.pack(">ib", 1, cluster) + text("kafka-cluster") + struct.pack(">b", literal)
        body += text(principal) + text("*") + struct.pack(">bb", cluster_action, allow)
        answer = wire.call(CREATE_ACLS, 1, body)
        answer.int32()  # throttled for
        self.assertEqual((answer.int32(), answer.int16()), (1, 0))

    def test_brokers_log_in_where_they_are_told_to(self):
        secret = self.tmp / "broker.password"
        secret.write_text(PASSWORD)
        secret.chmod(0o600)
        scram = {"security.protocol": "SASL_SSL", "tls": "inside"}
        for broker in self.cluster.brokers:
            broker.config["broker"]["super.users"].append("User:broker")
            broker.config["broker"]["colleagues"] = {
                **scram, "sasl.mechanism": "SCRAM-SHA-512", "username": "broker",
                "password": {"file": str(secret)}}
            for listener in broker.config["listeners"]:
                if listener["name"] == "INSIDE":
                    listener |= {**scram, "sasl.enabled.mechanisms": ["SCRAM-SHA-512"]}
        self.start()
        # Until somebody has made their user.
        for broker in self.cluster.brokers:
            self.hold_said(broker, "as whom this broker logs in there, broker.colleagues says")
            self.assertNotIn(PASSWORD, self.log_of(broker))
        self.make_user("broker")
        producer = self.producer(self.cluster.bootstrap, TOPIC, **self.client())
        producer.send(marked("p", 0, 300))
        self.wait_in_sync(*NODES)
        self.hold_all_read(producer)

    def test_brokers_go_from_plain_text_to_tls_one_after_the_other(self):
        for broker in self.cluster.brokers:
            broker.ports["BROKERS"] = free_port()
            broker.config["broker"]["super.users"].append("User:ANONYMOUS")
            for listener in broker.config["listeners"]:
                if listener["name"] == "INSIDE":
                    for key in (*INSIDE, *BY_NAME):
                        listener.pop(key)
                elif "for" in listener:
                    listener["for"] = ["mirrors", "routers"]
        self.start()
        producer = self.producer(self.cluster.bootstrap, TOPIC, **self.client())
        for step in (self.add_listener, self.name_listener, self.remove_listener):
            for broker in self.cluster.brokers:
                producer.send(marked("p", producer.sent, 100))
                broker.stop()
                step(broker)
                broker.start()
                self.wait_in_sync(*NODES)
        for broker in self.cluster.brokers:
            self.assertNotIn("cannot be spoken to", self.log_of(broker))
        self.hold_all_read(producer)

    @staticmethod
    def add_listener(broker) -> None:
        broker.config["listeners"].append({
            "name": "BROKERS", "bind": f"127.0.0.1:{broker.ports['BROKERS']}",
            "for": ["brokers"], **INSIDE, **BY_NAME})

    @staticmethod
    def name_listener(broker) -> None:
        broker.config["broker"]["inter.broker.listener.name"] = "BROKERS"

    @staticmethod
    def remove_listener(broker) -> None:
        broker.config["broker"].pop("inter.broker.listener.name")
        broker.config["listeners"] = [each for each in broker.config["listeners"]
                                      if each["name"] != "INSIDE"]

    def test_certificates_and_authority_change_while_they_run(self):
        folder = tempfile.TemporaryDirectory(prefix="isthmus-tls-")
        self.addCleanup(folder.cleanup)
        new = Certificates(Path(folder.name) / "tls", *NAMES, "admin")
        trusted = self.tmp / "both.ca"
        trusted.write_text(self.certificates.ca.read_text() + new.ca.read_text())
        self.start()
        producer = self.producer(self.cluster.bootstrap, TOPIC,
                                 **{**self.client(), "ssl_ca_location": str(trusted)})
        producer.send(marked("p", 0, 300))
        wait_for(lambda: producer.acks == 300, "it is served", 60)
        for name in NAMES:
            self.present(name, new)
        for broker in self.cluster.brokers:
            wait_for(lambda b=broker: self.is_trusted_by(new, b), f"{broker.name} shows it", 60)
        producer.send(marked("p", 300, 300))
        wait_for(lambda: producer.acks == 600, "what is open goes on", 60)
        # From here on nobody trusts what was there before: who is dialled now is so by the new one.
        for node in NODES[:2]:
            self.cluster.broker(node).kill()
            producer.send(marked("p", producer.sent, 100))
            self.cluster.broker(node).start()
            self.admin = AdminClient({
                "bootstrap.servers": self.cluster.bootstrap, "log_level": 0,
                **{k.replace("_", "."): v for k, v in self.client().items()},
                "ssl.ca.location": str(trusted)})
            self.wait_in_sync(*NODES)
        producer.flush_and_close()
        read = list(ledger.read(self.cluster.bootstrap, TOPIC, *self.kcat(
            **{**self.client(), "ssl_ca_location": str(trusted)})))
        self.hold_ledger(producer, read)
        self.assertEqual(len(set(identities(read))), producer.sent)

    def is_trusted_by(self, authority: Certificates, broker) -> bool:
        """Both ways: its listener shows, and takes, certificates of this authority."""
        context = authority.client("admin")
        try:
            with socket.create_connection(("127.0.0.1", broker.ports["INSIDE"]), 20) as plain:
                with context.wrap_socket(plain, server_hostname="localhost") as line:
                    with Wire(line) as wire:
                        wire.topics()
                        return True
        except (ssl.SSLError, OSError, Ended):
            return False


if __name__ == "__main__":
    world.main()
