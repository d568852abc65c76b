"""`isthmus debug bundle`: all that somebody who helps asks for is in it, and nothing secret."""

import json
import stat
import tarfile

import world
from support import site
from support.site import Site
from support.tls import Certificates
from world import World

WORDS = {"ops": "planted-word-of-ops", "eve": "planted-word-of-eve"}
COMMENT = "planted-word-in-a-comment"


class DebugBundle(World):
    @classmethod
    def setUpClass(cls):
        cls.certificates = Certificates.of_class(cls, "seoul")

    def setUp(self):
        super().setUp()
        self.seoul = Site(self.tmp, "seoul", 1)
        pair = self.certificates["seoul"]
        self.seoul.config["tls"] = {"edge": {"certificate": str(pair.certificate),
                                             "key": {"file": str(pair.key)}}}
        self.seoul.config["admin"]["users"] = {
            "ops": {"password": {"file": self.word("ops")}, "role": "operator"},
            "eve": {"password": {"env": "EVES_WORD"}, "role": "viewer"}}
        self.seoul.env["EVES_WORD"] = WORDS["eve"]
        self.seoul.admin_user = ("eve", WORDS["eve"])
        self.key = pair.key
        self.word("eve")

    def word(self, name: str) -> str:
        file = self.tmp / f"{name}.word"
        file.write_text(WORDS[name] + "\n")
        file.chmod(0o600)
        return str(file)

    def bundle(self, *args, user: str | None = "eve", name: str = "bundle.tar.gz"):
        who = ["--admin-user", user, "--admin-password-file", self.tmp / f"{user}.word"]
        self.out = self.tmp / name
        return site.run("debug", "bundle", "--admin", f"127.0.0.1:{self.seoul.admin}",
                        *(who if user else []), "--out", self.out, *args, check=False)

    def parts(self) -> dict[str, str]:
        with tarfile.open(self.out) as archive:
            return {member.name.partition("/")[2]: archive.extractfile(member).read().decode()
                    for member in archive.getmembers()}

    def hold_no_secret(self, *texts: str) -> None:
        key_lines = [line for line in self.key.read_text().splitlines() if "-----" not in line]
        for text in texts:
            for secret in (*WORDS.values(), COMMENT, *key_lines):
                self.assertNotIn(secret, text)

    def test_all_is_in_it_and_no_secret(self):
        self.started(self.seoul)
        self.fill(self.seoul.bootstrap, "orders", 10)
        with self.seoul.config_file.open("a") as file:
            file.write(f"# {COMMENT}\n")
        made = self.bundle("--config", self.seoul.config_file,
                           "--log", self.seoul.directory / "broker.log")
        self.assertEqual((made.returncode, made.stderr), (0, ""), made.stdout)
        self.assertIn("No password, key or token is in it", made.stdout)
        self.assertEqual(stat.S_IMODE(self.out.stat().st_mode), 0o600)
        parts = self.parts()
        self.assertEqual(json.loads(parts["status.json"])["pid"], self.seoul.status()["pid"])
        self.assertIn("isthmus_ready 1", parts["metrics.txt"])
        self.assertEqual(parts["healthz.txt"], "ok\n")
        self.assertIn("ready", parts["readyz.txt"])
        self.assertIn("levels", json.loads(parts["log-levels.json"]))
        self.assertIn("num.partitions", parts["config.yaml"])
        self.assertIn("eve", parts["config.yaml"])
        for place in ("EVES_WORD", str(self.tmp / "ops.word"), str(self.key)):
            self.assertNotIn(place, parts["config.yaml"])
        log = (self.seoul.directory / "broker.log").read_text()
        self.assertIn(parts["log.txt"].splitlines()[0], log)
        self.assertIn("uname: Linux", parts["system.txt"])
        self.assertIn("Name:\tisthmus", parts["process/status.txt"])
        self.assertIn("Max open files", parts["process/limits.txt"])
        self.assertIn("socket: ", parts["process/fds.txt"])
        self.assertGreater(len(parts["process/threads.txt"].splitlines()), 3)
        for name in set(parts) - {"contents.txt"}:
            self.assertIn(f"{name}: ", parts["contents.txt"])
            self.assertIn(f"{name}: ", made.stdout)
        self.hold_no_secret(*parts.values(), made.stdout)

    def test_only_the_last_lines_of_a_long_log(self):
        self.started(self.seoul)
        log = self.tmp / "long.log"
        log.write_text("".join(f"line {i}\n" for i in range(5000)))
        self.bundle("--log", log, name="bundle.tar")
        lines = self.parts()["log.txt"].splitlines()
        self.assertEqual((lines[0], lines[-1], len(lines)), ("line 3000", "line 4999", 2000))

    def test_what_cannot_be_had_is_said_and_the_rest_is_there(self):
        self.started(self.seoul)
        nobody = self.bundle(user=None)
        self.assertEqual(nobody.returncode, 2)
        self.assertIn("status.json: not included: ", nobody.stdout)
        self.assertIn("--admin-user", nobody.stdout)
        self.assertIn("--pid", nobody.stdout)
        self.assertIn("system.txt", self.parts())
        pid = self.seoul.status()["pid"]

        wrong = self.tmp / "wrong.yaml"
        wrong.write_text(f"broker: {{}}\npassword: {COMMENT}\n")
        self.seoul.process.kill()
        away = self.bundle("--config", wrong, "--pid", str(pid), "-o", "json")
        self.assertEqual(away.returncode, 2)
        told = {part["name"]: part for part in json.loads(away.stdout)["parts"]}
        self.assertIn("cannot be reached", told["status.json"]["note"])
        self.assertFalse(told["config.yaml"]["included"])
        self.assertIn("isthmus config check", told["config.yaml"]["note"])
        self.assertFalse(told["process/status.txt"]["included"])
        self.hold_no_secret(away.stdout, away.stderr, *self.parts().values())


if __name__ == "__main__":
    world.main()
