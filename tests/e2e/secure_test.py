"""What crosses networks that nobody trusts: mutual TLS between sites, mirrors and router; clients
log in by SASL over TLS, directly and through the router, and go on through a switchover."""

import shutil
import socket
import ssl
import subprocess
import time

import world
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient, NewTopic
from support import ledger, site
from support.processes import Failed, wait_for
from support.site import Mirror, Router, Site, link
from support.tls import Certificates
from support.wire import Ended, Wire
from world import World, identities, marked

MECHANISMS = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")
PASSWORD = "tr0ub4dor&3"
API_VERSIONS = 18
INSIDE = {"security.protocol": "SSL", "tls": "inside"}


class Secure(World):
    @classmethod
    def setUpClass(cls):
        cls.certificates = Certificates.of_class(cls, "seoul", "tokyo", "mirror", "router", "admin")

    def tls(self, name: str, pair=None) -> dict:
        """The section of a configuration, for a role that shows this certificate."""
        shown = pair or self.certificates[name]
        both = {"certificate": str(shown.certificate), "key": {"file": str(shown.key)}}
        return {"edge": both, "inside": {**both, "ca": str(self.certificates.ca)}}

    def secure_site(self, name: str, number: int, pair=None) -> Site:
        made = Site(self.tmp, name, number)
        made.config["tls"] = self.tls(name, pair)
        for listener in made.config["listeners"]:
            if "for" in listener:
                listener |= {**INSIDE, "sasl.enabled.mechanisms": list(MECHANISMS)}
            else:
                listener |= {"security.protocol": "SASL_SSL", "tls": "edge",
                             "sasl.enabled.mechanisms": list(MECHANISMS)}
        return made

    def commands(self, *sites: Site, shown: str = "admin") -> None:
        """A file for the operator's commands."""
        config = Router(self.tmp, "corp", {each.name: self.cluster(each) for each in sites}).config
        config["tls"] = self.tls(shown)
        self.clusters = self.tmp / "clusters.yaml"
        self.clusters.write_text(world.json.dumps(config))

    def cluster(self, each: Site) -> dict:
        inside = f"127.0.0.1:{each.reached['ROUTER_INSIDE']}"
        return {"bootstrap.servers": inside, "inside": inside, **INSIDE}

    def command(self, *args: str, allowed=(0,)):
        done = site.run(*args, "-o", "json", "--config", self.clusters, check=False)
        self.assertIn(done.returncode, allowed, f"{args}: {done.stdout}{done.stderr}")
        return world.json.loads(done.stdout) if done.stdout else {}

    def make_user(self, name: str = "alice", password: str = PASSWORD) -> None:
        secret = self.tmp / f"{name}.secret"
        secret.write_text(password + "\n")
        self.command("user", "set", name, "--password-file", str(secret))

    def client(self, mechanism: str = "SCRAM-SHA-512", user: str = "alice",
               password: str = PASSWORD) -> dict:
        """What librdkafka needs to log in, with _ for ."""
        return {"security_protocol": "SASL_SSL", "ssl_ca_location": str(self.certificates.ca),
                "sasl_mechanism": mechanism, "sasl_username": user, "sasl_password": password}

    def kcat(self, **client) -> list[str]:
        return [word for key, value in (client or self.client()).items()
                for word in ("-X", f"{key.replace('_', '.')}={value}")]

    def hold_said(self, role, text: str) -> None:
        """The log says so, now or in a moment: who is refused may hear of it before."""
        wait_for(lambda: text in self.log_of(role), f"{role.name} says: {text}", 30)

    def hello(self, context: ssl.SSLContext, listener: str, host: str = "localhost") -> str:
        """What a handshake comes to: the protocol, or the error."""
        try:
            with socket.create_connection(("127.0.0.1", self.seoul.ports[listener]), 20) as plain:
                with context.wrap_socket(plain, server_hostname=host) as line:
                    # By TLS 1.3 a client hears of its refusal with the first thing it reads: what
                    # is answered before a log-in is asked.
                    Wire(line).call(API_VERSIONS, 0, b"")
                    return line.version()
        except (ssl.SSLError, OSError, Ended) as error:
            return str(error)

    def log_of(self, role) -> str:
        return (role.directory / f"{role.role}.log").read_text()


class OneSite(Secure):
    def setUp(self):
        super().setUp()
        self.seoul = self.started(self.secure_site("seoul", 1))
        self.commands(self.seoul)

    def round_trip(self, count: int, **client) -> None:
        with world.Producer(self.seoul.bootstrap, "orders", **client) as producer:
            producer.send(marked(client["sasl_mechanism"], 0, count))
            producer.flush_and_close()

    def test_clients_log_in_by_each_mechanism_and_read_what_they_wrote(self):
        self.make_user()
        for mechanism in MECHANISMS:
            self.round_trip(100, **self.client(mechanism))
        for mechanism in MECHANISMS:
            read = ledger.read(self.seoul.bootstrap, "orders", *self.kcat(**self.client(mechanism)))
            self.assertEqual(sorted(set(identities(read))),
                             sorted((m, i) for m in MECHANISMS for i in range(100)), mechanism)

    def refused(self, says: str, **client) -> None:
        """It goes on trying until the site's log says so."""
        admin = AdminClient({"bootstrap.servers": self.seoul.bootstrap, "log_level": 0,
                             **{key.replace("_", "."): value for key, value in client.items()}})

        def is_told_of() -> bool:
            with self.assertRaises(KafkaException):
                admin.list_topics(timeout=2)
            return says in self.log_of(self.seoul)
        wait_for(is_told_of, f"the site says: {says}", 30)

    def test_who_is_not_a_user_or_has_another_password_is_refused_and_named(self):
        self.make_user()
        for user, password in (("alice", "wrong"), ("mallory", PASSWORD)):
            for mechanism in MECHANISMS:
                self.refused(f"log-in refused: user={user}",
                             **self.client(mechanism, user, password))
        self.assertNotIn(PASSWORD, self.log_of(self.seoul))

    def test_a_user_that_is_deleted_is_out_at_once(self):
        self.make_user()
        admin = AdminClient({"bootstrap.servers": self.seoul.bootstrap, "log_level": 0,
                             **{k.replace("_", "."): v for k, v in self.client().items()}})
        admin.list_topics(timeout=30)
        self.command("user", "delete", "alice")
        with self.assertRaises(KafkaException):
            admin.list_topics(timeout=2)
        self.hold_said(self.seoul, "user alice may log in no more")

    def test_nothing_is_answered_before_the_log_in(self):
        self.refused("wants a log-in first", security_protocol="SSL",
                     ssl_ca_location=str(self.certificates.ca))

    # --- TLS ------------------------------------------------------------------------------------

    def test_inside_only_who_has_a_certificate_of_the_authority_is_let_in(self):
        own = self.certificates
        self.assertEqual(self.hello(own.client("mirror"), "INSIDE"), "TLSv1.3")
        self.assertNotIn("TLSv1", self.hello(own.client(), "INSIDE"))
        self.hold_said(self.seoul, "it shows no certificate")
        for kind in ("expired", "not_yet_valid", "foreign_ca", "no_client_use", "self_signed"):
            self.assertNotIn("TLSv1", self.hello(own.client(own.bad(kind)), "INSIDE"), kind)
        for why in ("certificate has expired", "not yet valid", "unsuitable certificate purpose"):
            self.hold_said(self.seoul, why)

    def test_old_protocols_are_refused(self):
        context = self.certificates.client()
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        self.assertEqual(self.hello(context, "CLIENT"), "TLSv1.2")
        context.minimum_version = ssl.TLSVersion.TLSv1_1
        context.maximum_version = ssl.TLSVersion.TLSv1_1
        context.set_ciphers("ALL:@SECLEVEL=0")
        self.assertNotIn("TLSv1.1", [self.hello(context, "CLIENT")])

    def test_nobody_renegotiates(self):
        asked = subprocess.run(
            ["openssl", "s_client", "-tls1_2", "-connect",
             f"127.0.0.1:{self.seoul.ports['CLIENT']}"],
            input="R\n", capture_output=True, text=True, timeout=60, check=False)
        self.assertIn("RENEGOTIATING", asked.stdout + asked.stderr)
        self.assertIn("no renegotiation", asked.stderr)

    def test_who_speaks_something_else_is_told_apart_in_the_log(self):
        port = self.seoul.ports["CLIENT"]
        for said, told in ((b"GET / HTTP/1.1\r\n\r\n", "it speaks HTTP"),
                           (b"\x00\x00\x00\x10\x00\x12\x00\x00" + bytes(20),
                            "does not speak TLS")):
            with socket.create_connection(("127.0.0.1", port), 20) as plain:
                plain.sendall(said)
                plain.settimeout(20)
                while plain.recv(100):
                    pass
            wait_for(lambda told=told: told in self.log_of(self.seoul), told)

    def test_handshakes_that_stop_in_the_middle_keep_nobody_out(self):
        self.make_user()
        hello = bytes.fromhex("16030102000100")  # of which the rest never comes
        idle = []
        for _ in range(1000):
            idle.append(socket.create_connection(("127.0.0.1", self.seoul.ports["CLIENT"]), 20))
            idle[-1].sendall(hello)
        self.round_trip(100, **self.client())
        for each in idle:
            each.close()
        wait_for(lambda: self.seoul.metric("isthmus_connections") < 10, "all of them are gone", 60)

    def test_a_certificate_is_rotated_without_a_dropped_connection(self):
        self.make_user()
        shown = self.tmp / "shown.crt", self.tmp / "shown.key"
        for source, target in zip(self.certificates["seoul"], shown):
            shutil.copy(source, target)
        self.seoul.stop()
        for each in self.seoul.config["tls"].values():
            each |= {"certificate": str(shown[0]), "key": {"file": str(shown[1])}}
        self.seoul.start()
        producer = self.producer(self.seoul.bootstrap, "orders", **self.client())
        producer.send(marked("p", 0, 100))
        wait_for(lambda: producer.acks == 100, "it is served", 60)
        opened = self.seoul.metric("isthmus_tls_handshakes_total")

        for source, target in zip(self.certificates["tokyo"], shown):
            shutil.copy(source, target)
        wait_for(lambda: self.name_shown() == "tokyo", "the new one is shown", 60)
        shown[1].write_text("no key")
        wait_for(lambda: "stays in force" in self.log_of(self.seoul), "a broken key is told of", 60)
        self.assertEqual(self.name_shown(), "tokyo")
        producer.send(marked("p", 100, 100))
        producer.flush_and_close()
        self.hold_ledger(producer, ledger.read(self.seoul.bootstrap, "orders", *self.kcat()))
        self.assertGreater(opened, 0)
        self.assertGreater(self.seoul.metric("isthmus_certificate_not_after_seconds"), time.time())

    def name_shown(self) -> str:
        context = self.certificates.client()
        with socket.create_connection(("127.0.0.1", self.seoul.ports["CLIENT"]), 20) as plain:
            with context.wrap_socket(plain, server_hostname="localhost") as line:
                return dict(part[0] for part in line.getpeercert()["subject"])["commonName"]

    def test_what_is_wrong_with_certificates_is_said_before_anything_starts(self):
        config = self.seoul.config
        bad = self.certificates.bad
        nothing, no_pem = self.tmp / "nothing", self.tmp / "no.pem"
        no_pem.write_text("hello\n")
        good = self.certificates["seoul"]
        for certificate, key, where, why in (
                (bad("expired").certificate, bad("expired").key, "certificate", "has expired on"),
                (bad("not_yet_valid").certificate, bad("not_yet_valid").key, "certificate",
                 "is not valid before"),
                (bad("wrong_key").certificate, bad("wrong_key").key, "key",
                 "is not that of the certificate"),
                (nothing, good.key, "certificate", "No such file"),
                (no_pem, good.key, "certificate", "holds no certificate in PEM"),
                (good.certificate, no_pem, "key", "holds no private key")):
            config["tls"]["edge"] = {"certificate": str(certificate), "key": {"file": str(key)}}
            file = self.seoul.write_config()
            done = site.run("config", "check", file, check=False)
            said = done.stdout + done.stderr
            self.assertEqual(done.returncode, 1, said)
            self.assertIn(f"tls.edge.{where}: ", said)
            self.assertIn(why, said)
            self.assertRegex(said, rf"{file}:\d+:\d+: ")

    def test_config_check_tells_when_certificates_end(self):
        short = self.tmp / "short"
        site.run("tls", "create", "--for", "seoul", "--out", short, "--days", "7")
        gone, good = self.certificates.bad("expired"), self.certificates["seoul"]
        self.seoul.config["tls"] = {
            "good": {"certificate": str(good.certificate), "key": {"file": str(good.key)},
                     "ca": str(self.certificates.ca)},
            "near": {"certificate": str(short / "seoul.crt"),
                     "key": {"file": str(short / "seoul.key")}},
            "past": {"certificate": str(gone.certificate), "key": {"file": str(gone.key)}}}
        done = site.run("config", "check", self.seoul.write_config(), check=False)
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stdout, r"(?m)^ok    tls\.good\.certificate: ends in \d+ days, on 20")
        self.assertRegex(done.stdout, r"(?m)^ok    tls\.good\.ca: ends in \d+ days, on 20")
        self.assertRegex(done.stdout, r"(?m)^warn  tls\.near\.certificate: ends in [67] days, on")
        self.assertRegex(done.stdout, r"(?m)^STOP  tls\.past\.certificate: has expired on 20")
        self.assertIn("Next: renew", done.stdout)

    def test_a_secret_that_others_may_read_is_warned_of_at_the_start_and_by_config_check(self):
        key = self.tmp / "open.key"
        shutil.copy(self.certificates["seoul"].key, key)
        key.chmod(0o640)
        said = f"tls.edge.key.file: {key} may be used by others on this machine (mode 0640)"
        self.seoul.stop()
        self.seoul.config["tls"]["edge"]["key"]["file"] = str(key)
        self.seoul.start()
        self.hold_said(self.seoul, said)
        done = site.run("config", "check", self.seoul.config_file)
        self.assertIn(f"warn  {said}", done.stdout)
        key.chmod(0o600)
        done = site.run("config", "check", self.seoul.config_file)
        self.assertNotIn("warn", done.stdout)


class TwoSecureSites(Secure):
    def setUp(self):
        super().setUp()
        self.seoul = self.started(self.secure_site("seoul", 1))
        self.tokyo = self.started(self.secure_site("tokyo", 2))
        self.commands(self.seoul, self.tokyo)
        self.make_user()
        for name, source, target in (("seoul-tokyo", self.seoul, self.tokyo),
                                     ("tokyo-seoul", self.tokyo, self.seoul)):
            ends = link(source, target)
            for end in ("source", "target"):
                ends[end] |= INSIDE
            mirror = Mirror(self.tmp, f"mirror-{name}", {name: ends})
            mirror.config["tls"] = self.tls("mirror")
            self.started(mirror)
        self.router = Router(self.tmp, "router", {each.name: self.cluster(each)
                                                  for each in (self.seoul, self.tokyo)})
        self.router.config["tls"] = self.tls("router")
        self.router.config["virtual_cluster"] |= {
            "security.protocol": "SASL_SSL", "tls": "edge",
            "sasl.enabled.mechanisms": list(MECHANISMS)}
        self.started(self.router)

    def test_clients_go_on_through_a_switchover_with_each_mechanism(self):
        producers = {}
        for mechanism in MECHANISMS:
            producers[mechanism] = self.producer(self.router.bootstrap, f"to-{mechanism}",
                                                 **self.client(mechanism))
            producers[mechanism].send(marked("p", 0, 200))
            wait_for(lambda m=mechanism: producers[m].acks == 200, f"{mechanism} is served", 60)
        self.move("seoul", "tokyo")
        for mechanism, producer in producers.items():
            producer.send(marked("p", 200, 200))
            producer.flush_and_close()
            read = ledger.read(self.router.bootstrap, f"to-{mechanism}",
                               *self.kcat(**self.client(mechanism)))
            self.hold_ledger(producer, read)
        self.move("tokyo", "seoul")
        read = list(ledger.read(self.seoul.bootstrap, "to-PLAIN", *self.kcat()))
        self.assertEqual(sorted(identities(read)), [("p", i) for i in range(400)])

    def move(self, source: str, target: str) -> None:
        def ready():
            return self.command("switchover", "--from", source, "--to", target, "--dry-run",
                                allowed=(0, 3))["ready"]
        wait_for(ready, f"{source} → {target} is ready", 60)
        self.command("switchover", "--from", source, "--to", target)

    def test_a_wrong_password_is_refused_by_the_router(self):
        admin = AdminClient({"bootstrap.servers": self.router.bootstrap, "log_level": 0,
                             **{k.replace("_", "."): v for k, v in
                                self.client(password="wrong").items()}})
        with self.assertRaises(KafkaException):
            admin.list_topics(timeout=2)
        self.hold_said(self.router, "log-in refused")

    def test_topics_are_made_and_listed_through_the_router(self):
        admin = AdminClient({"bootstrap.servers": self.router.bootstrap,
                             **{k.replace("_", "."): v for k, v in self.client().items()}})
        for made in admin.create_topics([NewTopic("made", 2, 1)]).values():
            made.result(60)
        wait_for(lambda: "made" in admin.list_topics(timeout=30).topics, "it is there")


if __name__ == "__main__":
    world.main()
