"""The admin port where others than this machine reach it: who may look, who may change something,
by what they prove who they are, and what becomes of everybody else."""

import base64
import http.client
import shutil
import socket
import ssl
import subprocess
from pathlib import Path

import world
from support import site
from support.processes import wait_for
from support.prometheus import Prometheus
from support.site import Site
from support.testing import need
from support.tls import Certificates
from world import World

PASSWORDS = {"ops": "planted-word-of-ops", "eve": "planted-word-of-eve"}
GUESS = "planted-guess-at-ops"


class AdminPort(World):
    @classmethod
    def setUpClass(cls):
        cls.certificates = Certificates.of_class(cls, "seoul", "tokyo", "prom")

    def setUp(self):
        super().setUp()
        self.seoul = Site(self.tmp, "seoul", 1)
        self.shown = self.tmp / "shown.crt", self.tmp / "shown.key"
        self.show("seoul")
        self.seoul.config["tls"] = {"edge": {
            "certificate": str(self.shown[0]), "key": {"file": str(self.shown[1])},
            "ca": str(self.certificates.ca)}}
        self.seoul.config["audit"] = {"file": str(self.tmp / "audit")}
        self.seoul.config["admin"] = {
            "bind": f"0.0.0.0:{self.seoul.admin}", "tls": "edge",
            "users": {"ops": {"password": {"file": self.word("ops")}, "role": "operator"},
                      "eve": {"password": {"env": "EVES_WORD"}, "role": "viewer"}}}
        self.seoul.env["EVES_WORD"] = PASSWORDS["eve"]
        self.seoul.admin_tls = self.certificates.client()
        self.seoul.admin_user = ("eve", PASSWORDS["eve"])

    def show(self, name: str) -> None:
        for source, target in zip(self.certificates[name], self.shown):
            shutil.copy(source, target)

    def word(self, name: str) -> str:
        file = self.tmp / f"{name}.word"
        file.write_text(PASSWORDS[name] + "\n")
        file.chmod(0o600)
        return str(file)

    def start(self, **changes) -> None:
        self.seoul.config["admin"] |= changes
        self.started(self.seoul)

    def ask(self, path: str, user: str | None = None, password: str | None = None,
            method: str = "GET", context: ssl.SSLContext | None = None) -> int:
        """The status of the answer."""
        line = http.client.HTTPSConnection("localhost", self.seoul.admin, timeout=30,
                                           context=context or self.certificates.client())
        headers = {}
        if user:
            word = base64.b64encode(f"{user}:{password or PASSWORDS[user]}".encode()).decode()
            headers["Authorization"] = f"Basic {word}"
        try:
            line.request(method, path, headers=headers)
            answer = line.getresponse()
            answer.read()
            return answer.status
        finally:
            line.close()

    def hold_audited(self, **expected) -> None:
        wait_for(lambda: site.audited(self.tmp / "audit", **expected),
                 f"{expected} stands in the audit")

    def log(self) -> str:
        return (self.seoul.directory / "broker.log").read_text()

    def test_a_viewer_looks_and_an_operator_changes(self):
        self.start()
        for path in ("/status", "/metrics", "/healthz", "/readyz"):
            self.assertEqual(self.ask(path), 401, path)
            self.assertEqual(self.ask(path, "eve"), 200, path)
            self.assertEqual(self.ask(path, "ops"), 200, path)
        self.assertEqual(self.ask("/reload", method="POST"), 401)
        self.assertEqual(self.ask("/reload", "eve", method="POST"), 403)
        self.assertEqual(self.ask("/reload", "ops", method="POST"), 200)
        self.assertIn("reloaded", self.log())
        self.hold_audited(action="POST /reload", principal="User:eve", outcome="refused")
        self.hold_audited(action="POST /reload", principal="User:ops", outcome="allowed")
        self.seoul.config["broker"]["num.partitions"] = 9
        self.seoul.write_config()
        self.assertEqual(self.ask("/reload", "ops", method="POST"), 409)
        self.assertGreater(self.seoul.metric("isthmus_admin_requests_total"), 10)

    def test_a_wrong_password_is_refused_told_of_and_soon_not_listened_to(self):
        self.start()
        wrong = [self.ask("/status", "ops", GUESS) for _ in range(10)]
        self.assertEqual(wrong, [401] * 10)
        # Every six seconds he is listened to once more, and a slow machine may take as long.
        self.assertTrue(any(self.ask("/status", "ops", GUESS) == 429 and
                            self.ask("/status", "ops") == 429 for _ in range(3)))
        self.hold_audited(action="GET /status", outcome="refused", resources=["ops"])
        self.assertIn("by user=ops: log-in refused", self.log())
        self.hold_secrets(GUESS)

    def hold_secrets(self, *more: str) -> None:
        printed = site.run("broker", "--config", self.seoul.config_file, "--print-config")
        told = {"log": self.log(), "audit": (self.tmp / "audit").read_text(),
                "--print-config": printed.stdout + printed.stderr}
        for secret in (*PASSWORDS.values(), *more):
            for where, text in told.items():
                self.assertNotIn(secret, text, where)

    def test_secrets_stand_on_no_page(self):
        self.start()
        for page in ("/status", "/metrics", "/readyz"):
            for secret in PASSWORDS.values():
                self.assertNotIn(secret, self.seoul.http(page), page)
        self.hold_secrets()

    def test_metrics_may_be_open_alone(self):
        self.start(open="metrics")
        self.assertEqual(self.ask("/metrics"), 200)
        for path in ("/status", "/healthz", "/readyz", "/nowhere"):
            self.assertEqual(self.ask(path), 401, path)
        self.assertEqual(self.ask("/metrics", method="POST"), 401)

    def test_a_certificate_is_a_user_of_its_name(self):
        self.seoul.config["admin"]["users"]["prom"] = {"role": "viewer"}
        self.start(**{"ssl.client.auth": "requested",
                      "ssl.principal.mapping.rules": "RULE:^CN=([^,]+).*$/$1/"})
        self.assertEqual(self.ask("/status", context=self.certificates.client("prom")), 200)
        self.assertEqual(self.ask("/reload", method="POST",
                                  context=self.certificates.client("prom")), 403)
        self.assertEqual(self.ask("/status", context=self.certificates.client("tokyo")), 401)
        for kind in ("expired", "foreign_ca", "self_signed"):
            with self.assertRaises((ssl.SSLError, OSError)):
                self.ask("/status", context=self.certificates.client(self.certificates.bad(kind)))
        wait_for(lambda: "certificate has expired (CN=bad)" in self.log(), "the log names it")

    def test_who_speaks_plainly_is_told_nothing(self):
        self.start()
        with socket.create_connection(("127.0.0.1", self.seoul.admin), 5) as plain:
            plain.sendall(b"GET /status HTTP/1.1\r\nHost: x\r\n\r\n")
            plain.settimeout(30)
            said = b""
            try:
                while more := plain.recv(1000):
                    said += more
            except ConnectionResetError:
                pass
        self.assertNotIn(b"HTTP", said)
        self.assertNotIn(b"cluster", said)
        wait_for(lambda: "it speaks HTTP" in self.log(), "the log says why")

    def test_connections_that_say_nothing_keep_nobody_out(self):
        self.start()
        silent = [socket.create_connection(("127.0.0.1", self.seoul.admin), 5)
                  for _ in range(300)]
        self.assertEqual(self.ask("/readyz", "eve"), 200)
        for each in silent:
            each.close()

    def test_certificate_and_password_are_rotated_without_a_restart(self):
        self.start()
        self.assertEqual(self.name_shown(), "seoul")
        # In this order: the files are looked at from time to time, too.
        (self.tmp / "ops.word").write_text("another-word")
        self.show("tokyo")
        self.seoul.process.reload()
        wait_for(lambda: self.name_shown() == "tokyo", "the new certificate is shown")
        self.assertEqual(self.ask("/status", "ops", "another-word"), 200)
        self.assertEqual(self.ask("/status", "ops"), 401)
        # What is no certificate, or no password, changes nothing.
        self.shown[1].write_text("no key")
        (self.tmp / "ops.word").write_text("")
        self.seoul.process.reload()
        wait_for(lambda: self.log().count("stays in force") >= 2, "both are told of")
        self.assertEqual(self.name_shown(), "tokyo")
        self.assertEqual(self.ask("/status", "ops", "another-word"), 200)

    def name_shown(self) -> str:
        with socket.create_connection(("127.0.0.1", self.seoul.admin), 30) as plain:
            with self.certificates.client().wrap_socket(plain, server_hostname="localhost") as line:
                return dict(part[0] for part in line.getpeercert()["subject"])["commonName"]

    def test_curl_asks_as_the_manual_says(self):
        curl = str(need(Path("/usr/bin/curl"), "./dev test installs it"))
        self.start()
        asked = subprocess.run(
            [curl, "-sS", "--fail", "--cacert", str(self.certificates.ca),
             "--user", f"eve:{PASSWORDS['eve']}", f"https://localhost:{self.seoul.admin}/metrics"],
            capture_output=True, text=True, timeout=60)
        self.assertEqual(asked.returncode, 0, asked.stderr)
        self.assertIn("\nisthmus_ready 1\n", asked.stdout)

    def test_prometheus_scrapes_it_by_tls_and_with_a_password(self):
        self.start()
        word = self.tmp / "eve.word"
        word.write_text(PASSWORDS["eve"])
        prometheus = Prometheus(
            self.tmp / "prometheus", {"broker": [f"localhost:{self.seoul.admin}"]},
            scheme="https", tls_config={"ca_file": str(self.certificates.ca)},
            basic_auth={"username": "eve", "password_file": str(word)})
        self.addCleanup(prometheus.process.kill)
        prometheus.start()
        wait_for(lambda: prometheus.one("isthmus_ready") == 1, "it has been scraped", 60)

    def test_what_is_missing_is_said_with_its_place_before_anything_starts(self):
        admin = self.seoul.config["admin"]
        for gone, lacks in ((("tls",), "needs tls: NAME, "), (("users",), "needs users, "),
                            (("tls", "users"), "needs tls: NAME and users, ")):
            self.seoul.config["admin"] = {k: v for k, v in admin.items() if k not in gone}
            file = self.seoul.write_config()
            line = next(number for number, text in enumerate(file.read_text().split("\n"), 1)
                        if f'"bind": "0.0.0.0:{self.seoul.admin}"' in text)
            done = site.run("config", "check", file, check=False)
            self.assertEqual(done.returncode, 1, done.stdout)
            self.assertRegex(done.stderr, rf"{file}:{line}:\d+: admin\.bind: ")
            self.assertIn(lacks, done.stderr)
        self.seoul.config["admin"] = admin
        (self.tmp / "ops.word").unlink()
        self.seoul.launch()
        self.addCleanup(self.seoul.kill)
        wait_for(lambda: not self.seoul.alive, "it does not start")
        self.assertIn("admin.users.ops.password: ", self.log())


if __name__ == "__main__":
    world.main()
