"""Who did what: log-ins, refusals, administration and an operator's word stand in the audit's file,
and secrets stand nowhere that a process writes or tells."""

import json
import ssl

import world
from secure_test import MECHANISMS, Secure
from confluent_kafka import KafkaException
from confluent_kafka.admin import RESOURCE_TOPIC, AdminClient, ConfigResource, NewTopic
from support import site
from support.processes import wait_for
from support.site import Mirror, Router, Site, audited, cluster, link
from world import World

PASSWORD = "planted-Passw0rd-of-alice"
GUESSED = "planted-gu3ss-of-mallory"
VALUE = "planted-value-of-a-config"


class AuditLines:
    """What stands in a role's audit, by the role's name."""

    def lines(self, name: str = "seoul", **expected) -> list[dict]:
        return audited(self.tmp / f"{name}.audit", **expected)

    def wait_line(self, name: str = "seoul", **expected) -> dict:
        """The first line with these members, when it is there."""
        wait_for(lambda: self.lines(name, **expected), f"{expected} stands in the audit of {name}")
        return self.lines(name, **expected)[0]


class Audit(AuditLines, World):
    def setUp(self):
        super().setUp()
        self.seoul, self.tokyo = (self.audited(name, n) for n, name in ((1, "seoul"), (2, "tokyo")))
        self.clusters = self.tmp / "clusters.yaml"
        self.clusters.write_text(json.dumps(Router(
            self.tmp, "corp", {each.name: cluster(each) for each in (self.seoul, self.tokyo)}
        ).config))

    def audited(self, name: str, number: int) -> Site:
        """Clients log in; who comes by another listener may do everything."""
        made = Site(self.tmp, name, number)
        made.config["broker"] |= {"authorizer": "acls", "super.users": ["User:ANONYMOUS"]}
        made.config["audit"] = {"file": str(self.tmp / f"{name}.audit")}
        for each in made.config["listeners"]:
            if each["name"] == "CLIENT":
                each |= {"security.protocol": "SASL_PLAINTEXT", "sasl.enabled.mechanisms": "PLAIN"}
        return self.started(made)

    def command(self, *args: str, allowed=(0,)) -> dict:
        done = site.run(*args, "-o", "json", "--config", self.clusters, check=False)
        self.assertIn(done.returncode, allowed, f"{args}: {done.stdout}{done.stderr}")
        return json.loads(done.stdout) if done.stdout else {}

    def make_user(self) -> None:
        secret = self.tmp / "alice.secret"
        secret.write_text(PASSWORD + "\n")
        secret.chmod(0o600)
        self.command("user", "set", "alice", "--password-file", str(secret))

    def client(self, user: str, password: str) -> AdminClient:
        return AdminClient({"bootstrap.servers": self.seoul.bootstrap, "log_level": 0,
                            "client.id": "tool", "security.protocol": "SASL_PLAINTEXT",
                            "sasl.mechanism": "PLAIN", "sasl.username": user,
                            "sasl.password": password})

    @property
    def inside(self) -> AdminClient:
        return AdminClient({"bootstrap.servers": f"127.0.0.1:{self.seoul.ports['ROUTED']}",
                            "client.id": "operator"})

    def create(self, admin: AdminClient, topic: str) -> None:
        admin.create_topics([NewTopic(topic, 1)])[topic].result(60)

    def set_config(self, admin: AdminClient, key: str, value: str) -> None:
        resource = ConfigResource(RESOURCE_TOPIC, "orders", set_config={key: value})
        with self.assertRaises(KafkaException):
            admin.alter_configs([resource])[resource].result(60)

    def test_it_says_who_was_let_do_what_and_holds_no_secrets(self):
        self.make_user()
        self.assertEqual(
            self.wait_line(action="AlterUserScramCredentials")["resources"], ["alice"])
        self.create(self.inside, "orders")
        line = self.wait_line(action="CreateTopics", outcome="allowed")
        self.assertEqual((line["principal"], line["listener"], line["client_id"]),
                         ("User:ANONYMOUS", "ROUTED", "operator"))
        self.assertEqual(line["resources"], ["orders"])

        mallory = self.client("alice", GUESSED)  # goes on trying, until the line is there
        with self.assertRaises(KafkaException):
            mallory.list_topics(timeout=2)
        line = self.wait_line(action="SaslAuthenticate", outcome="refused")
        del mallory
        self.assertEqual((line["principal"], line["resources"], line["error"]),
                         ("User:ANONYMOUS", ["alice"], "SASL_AUTHENTICATION_FAILED"))

        alice = self.client("alice", PASSWORD)
        with self.assertRaises(KafkaException):
            self.create(alice, "hers")
        line = self.wait_line(action="CreateTopics", outcome="refused")
        self.assertEqual((line["principal"], line["host"], line["client_id"], line["resources"]),
                         ("User:alice", "127.0.0.1", "tool", ["hers"]))
        self.wait_line(action="SaslAuthenticate", outcome="allowed", principal="User:alice")

        for key in ("retention.ms", "planted.key"):
            self.set_config(self.inside, key, VALUE)
        self.wait_line(action="AlterConfigs", outcome="failed")
        self.hold_secrets()
        # A line is counted when it has been written.
        wait_for(lambda: self.seoul.metric("isthmus_audit_lines_total") >= len(self.lines()),
                 "its lines are counted")

    def hold_secrets(self) -> None:
        """In nothing that the process writes or tells."""
        printed = site.run("broker", "--config", self.seoul.config_file, "--print-config")
        told = {"log": (self.seoul.directory / "broker.log").read_text(),
                "audit": (self.tmp / "seoul.audit").read_text(),
                "/status": self.seoul.http("/status"),
                "/metrics": self.seoul.http("/metrics"),
                "--print-config": printed.stdout + printed.stderr}
        for where, text in told.items():
            self.assertTrue(text, where)
            for secret in (PASSWORD, GUESSED, VALUE):
                self.assertNotIn(secret, text, where)

    def test_a_renamed_file_is_followed_by_another_on_sighup(self):
        self.create(self.inside, "before")
        self.wait_line(resources=["before"])
        (self.tmp / "seoul.audit").rename(self.tmp / "seoul.audit.1")
        self.seoul.process.reload()
        wait_for((self.tmp / "seoul.audit").exists, "there is a new file")
        self.create(self.inside, "after")
        self.wait_line(resources=["after"])
        self.assertEqual([line["resources"] for line in self.lines()], [["after"]])

    def test_a_switchover_leaves_its_steps_at_both_sites(self):
        for source, target in ((self.seoul, self.tokyo), (self.tokyo, self.seoul)):
            name = f"{source.name}-{target.name}"
            self.started(Mirror(self.tmp, f"mirror-{name}", {name: link(source, target)}))
        self.started(Router(self.tmp, "router", {each.name: cluster(each)
                                                 for each in (self.seoul, self.tokyo)}))
        self.create(self.inside, "orders")
        move = ("switchover", "--from", "seoul", "--to", "tokyo")
        wait_for(lambda: self.command("link", "describe", "seoul-tokyo", allowed=(0, 2))["topics"],
                 "the topic is mirrored", 60)
        wait_for(lambda: self.command(*move, "--dry-run", allowed=(0, 3))["ready"],
                 "it is ready", 60)
        self.command(*move)
        for name, action in (("tokyo", "SwitchoverWish"), ("seoul", "Fence"), ("seoul", "HandOver"),
                             ("tokyo", "Promote")):
            line = self.wait_line(name, action=action, outcome="allowed")
            self.assertEqual((line["resource_type"], line["resources"]), ("link", ["seoul-tokyo"]))
            self.assertEqual(line["principal"], "User:ANONYMOUS")


class AtTheDoor(AuditLines, Secure):
    """Whom TLS has turned away, and who has logged in at the router: with the address from which
    he came, where the site's own audit has the router's."""

    def setUp(self):
        super().setUp()
        self.seoul = self.secure_site("seoul", 1)
        self.seoul.config["audit"] = {"file": str(self.tmp / "seoul.audit")}
        self.started(self.seoul)
        self.commands(self.seoul)

    def test_whom_mutual_tls_turns_away_stands_in_the_audit(self):
        own = self.certificates
        self.hello(own.client(), "INSIDE")
        for kind in ("expired", "foreign_ca"):
            self.hello(own.client(own.bad(kind, "mallory")), "INSIDE")
        told = {}
        for why in ("shows no certificate", "certificate has expired (CN=mallory)",
                    "certificate signature failure (CN=mallory)"):
            def found(why=why):
                return [line for line in self.lines() if why in line.get("detail", "")]
            wait_for(found, f"{why} stands in the audit")
            told[why] = found()[0]
        for line in told.values():
            self.assertEqual((line["action"], line["outcome"], line["listener"], line["host"],
                              line["principal"]),
                             ("TlsHandshake", "refused", "INSIDE", "127.0.0.1", "User:ANONYMOUS"))
        # Where nobody is asked for a certificate, a handshake that fails is the client's affair.
        before = len(self.lines())
        self.refuse_to_trust("CLIENT")
        self.hold_said(self.seoul, "listener=CLIENT closed")
        self.hello(own.client(), "INSIDE")
        wait_for(lambda: len(self.lines()) > before, "the next refusal is written")
        self.assertNotIn("CLIENT", [line["listener"] for line in self.lines()])

    def refuse_to_trust(self, listener: str) -> None:
        """As a client that knows another authority."""
        context = ssl.create_default_context()
        self.assertIn("CERTIFICATE_VERIFY_FAILED", self.hello(context, listener))

    def test_log_ins_at_the_router_stand_in_its_audit(self):
        router = Router(self.tmp, "router", {"seoul": self.cluster(self.seoul)})
        router.config["tls"] = self.tls("router")
        router.config["audit"] = {"file": str(self.tmp / "router.audit")}
        router.config["virtual_cluster"] |= {
            "security.protocol": "SASL_SSL", "tls": "edge",
            "sasl.enabled.mechanisms": list(MECHANISMS)}
        self.started(router)
        self.make_user("alice", PASSWORD)
        for mechanism in MECHANISMS:
            guesses = self.try_to_log_in(router, mechanism, GUESSED)
            line = self.wait_line("router", outcome="refused", detail=mechanism)
            del guesses  # it went on trying, until the line was there
            self.assertEqual((line["action"], line["resources"], line["host"], line["principal"],
                              line["error"]),
                             ("SaslAuthenticate", ["alice"], "127.0.0.1", "User:ANONYMOUS",
                              "SASL_AUTHENTICATION_FAILED"))
            self.try_to_log_in(router, mechanism, PASSWORD)
            line = self.wait_line("router", outcome="allowed", detail=mechanism)
            self.assertEqual((line["action"], line["resources"], line["principal"]),
                             ("SaslAuthenticate", ["alice"], "User:alice"))
        wait_for(lambda: router.metric("isthmus_audit_lines_total") >= 2 * len(MECHANISMS),
                 "its lines are counted")
        for text in ((self.tmp / "router.audit").read_text(), self.log_of(router)):
            for secret in (PASSWORD, GUESSED):
                self.assertNotIn(secret, text)

    def try_to_log_in(self, router: Router, mechanism: str, password: str) -> AdminClient:
        client = AdminClient({"bootstrap.servers": router.bootstrap, "log_level": 0,
                              **{key.replace("_", "."): value for key, value in
                                 self.client(mechanism, "alice", password).items()}})
        try:
            client.list_topics(timeout=60 if password == PASSWORD else 2)
        except KafkaException:
            self.assertEqual(password, GUESSED)
        return client


if __name__ == "__main__":
    world.main()
