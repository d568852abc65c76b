"""The log of a process: lines of JSON whatever names are in them, and levels of components, which
SIGHUP and `isthmus log level` change while it runs."""

import base64
import json
import socket
import urllib.error
import urllib.request
from datetime import datetime, timedelta, timezone

import world
from support import site
from support.processes import wait_for
from support.site import Site
from support.tls import Certificates
from world import World

WORDS = {"ops": "planted-word-of-ops", "eve": "planted-word-of-eve"}


class Log(World):
    @classmethod
    def setUpClass(cls):
        cls.certificates = Certificates.of_class(cls, "seoul")

    def setUp(self):
        super().setUp()
        self.seoul = Site(self.tmp, "seoul", 1)
        self.seoul.config["log"] = {"format": "json"}
        self.seoul.config["audit"] = {"file": str(self.tmp / "audit")}
        self.seoul.config["admin"]["users"] = {
            name: {"password": {"file": self.word(name)}, "role": role}
            for name, role in (("ops", "operator"), ("eve", "viewer"))}
        self.seoul.admin_user = ("eve", WORDS["eve"])

    def word(self, name: str) -> str:
        file = self.tmp / f"{name}.word"
        file.write_text(WORDS[name] + "\n")
        file.chmod(0o600)
        return str(file)

    def events(self, **expected) -> list[dict]:
        """Those with these members; every line has to be one."""
        text = (self.seoul.directory / "broker.log").read_text()
        lines = map(json.loads, text.rpartition("\n")[0].splitlines())
        return [line for line in lines if expected.items() <= line.items()]

    def come_and_go(self) -> str:
        """Connects and says nothing; who the log says it was."""
        with socket.create_connection(("127.0.0.1", self.seoul.ports["CLIENT"]), 5) as line:
            return "client {}:{}".format(*line.getsockname())

    def hold_debug(self) -> None:
        who = self.come_and_go()
        wait_for(lambda: self.events(component="server", level="debug", owner=who),
                 f"the end of {who} is logged")

    def hold_no_debug(self) -> None:
        """The line of one that is refused comes after that of one that went before it."""
        who = self.come_and_go()
        with socket.create_connection(("127.0.0.1", self.seoul.ports["CLIENT"]), 5) as line:
            line.sendall(b"\xff" * 64)
            refused = "client {}:{}".format(*line.getsockname())
            wait_for(lambda: self.events(component="server", level="warn", owner=refused),
                     "who speaks no Kafka is warned of")
        self.assertEqual(self.events(owner=who), [])

    def levels(self) -> dict:
        return json.loads(self.seoul.http("/log"))

    def reload(self) -> None:
        self.seoul.write_config()
        self.seoul.process.reload()

    def level(self, *args: str, user: str = "ops", check: bool = True):
        return site.run("log", "level", *args, "--admin", f"127.0.0.1:{self.seoul.admin}",
                        "--admin-user", user, "--admin-password-file", self.tmp / f"{user}.word",
                        check=check)

    def test_every_line_is_an_object_whatever_names_are_in_it(self):
        self.started(self.seoul)
        name = '"},{"level":"error","x":"\n\x1b[31m\\'
        login = base64.b64encode(f"{name}:word".encode()).decode()
        request = urllib.request.Request(self.seoul.admin_url("/status"),
                                         headers={"Authorization": f"Basic {login}"})
        with self.assertRaises(urllib.error.HTTPError):
            urllib.request.urlopen(request, timeout=5)
        wait_for(lambda: self.events(component="admin", level="warn"), "the refusal is logged")
        for event in self.events():
            self.assertEqual(set(event), {"time", "level", "component", "owner", "message"})
            age = datetime.now(timezone.utc) - datetime.fromisoformat(
                event["time"].replace("Z", "+00:00"))
            self.assertLess(abs(age), timedelta(minutes=5), event)
        self.assertTrue(self.events(component="controller", level="info"), "it was founded")
        self.assertEqual(self.events(level="error"), [])

    def test_why_a_process_ends_is_an_object_too(self):
        self.started(self.seoul)
        self.seoul.stop()
        self.seoul.config["cluster"]["number"] = 9
        self.seoul.launch()
        wait_for(lambda: not self.seoul.alive, "it does not start")
        ends = self.events(component="process", level="error")
        self.assertEqual(len(ends), 1, ends)
        self.assertRegex(ends[0]["message"], "^ends: .*belongs? to cluster seoul")

    def test_text_is_the_default(self):
        del self.seoul.config["log"]
        self.started(self.seoul)
        text = (self.seoul.directory / "broker.log").read_text()
        self.assertRegex(text, r"(?m)^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3} info +\w+: ")
        self.assertEqual(self.levels()["format"], "text")

    def test_sighup_takes_the_files_levels(self):
        self.started(self.seoul)
        self.hold_no_debug()
        self.seoul.config["log"]["levels"] = {"server": "debug"}
        self.reload()
        wait_for(lambda: self.levels()["levels"]["server"] == "debug", "the level is in force")
        self.hold_debug()
        self.assertEqual(self.levels()["levels"]["partitions"], "info")
        self.assertEqual(self.levels()["until_reload"], [])

        # Also with what a broker does not take over; not from a file that is wrong.
        self.seoul.config["log"]["levels"] = {"server": "warn"}
        self.seoul.config["broker"]["num.partitions"] = 9
        self.reload()
        wait_for(lambda: self.levels()["levels"]["server"] == "warn", "the level is in force")
        wait_for(lambda: self.events(component="process", level="error"), "the rest is refused")
        self.seoul.config["log"]["levels"] = {"servre": "debug"}
        self.reload()
        wait_for(lambda: any("log.levels.servre: unknown key; did you mean server?"
                             in event["message"] for event in self.events(level="error")),
                 "what is wrong is named")
        self.assertEqual(self.levels()["levels"]["server"], "warn")

    def test_the_command_sets_levels_until_the_next_reload(self):
        self.started(self.seoul)
        said = self.level("server=debug", "groups=error").stdout.splitlines()
        self.assertEqual(said, ["server=debug, until the next reload or restart",
                                "groups=error, until the next reload or restart"])
        self.hold_debug()
        wait_for(lambda: site.audited(self.tmp / "audit", action="POST /log/server=debug",
                                      principal="User:ops", outcome="allowed"),
                 "the audit has it")
        self.assertTrue(any("server=debug, until the next reload" in event["message"]
                            for event in self.events(component="process", owner="log")))
        shown = json.loads(self.level("-o", "json", user="eve").stdout)
        self.assertEqual(shown, self.levels())
        self.assertEqual(sorted(shown["until_reload"]), ["groups", "server"])
        self.assertRegex(self.level(user="eve").stdout,
                         r"(?m)^server +debug +until the next reload or restart$")

        self.seoul.process.reload()
        wait_for(lambda: self.levels()["until_reload"] == [], "the file's levels are back")
        self.hold_no_debug()
        self.level("warn")
        self.assertEqual(set(self.levels()["levels"].values()), {"warn"})

    def test_who_may_not_and_what_is_wrong_change_nothing(self):
        self.started(self.seoul)
        before = self.levels()
        viewer = self.level("server=debug", user="eve", check=False)
        self.assertEqual(viewer.returncode, 1)
        self.assertIn("answers 403: that is for an operator", viewer.stderr)
        nobody = site.run("log", "level", "debug", "--admin", f"127.0.0.1:{self.seoul.admin}",
                          check=False)
        self.assertEqual(nobody.returncode, 1)
        self.assertIn("--admin-user", nobody.stderr)
        wrong = self.level("tls=debug", "servre=debug", check=False)
        self.assertEqual(wrong.returncode, 1)
        self.assertIn('"servre" is no component; there are process, ', wrong.stderr)
        self.assertEqual(len(wrong.stderr.splitlines()), 1, wrong.stderr)
        away = site.run("log", "level", "--admin", "127.0.0.1:1", check=False)
        self.assertEqual(away.returncode, 1)
        self.assertIn("cannot be reached", away.stderr)
        plain = site.run("log", "level", "--admin", "192.0.2.1:9644", check=False)
        self.assertIn("is not https://", plain.stderr)
        self.assertEqual(self.levels(), before)

    def test_the_command_speaks_tls(self):
        pair = self.certificates["seoul"]
        self.seoul.config["tls"] = {"edge": {"certificate": str(pair.certificate),
                                             "key": {"file": str(pair.key)}}}
        self.seoul.config["admin"]["tls"] = "edge"
        self.seoul.admin_tls = self.certificates.client()
        self.started(self.seoul)
        trusting = ["--admin-ca", self.certificates.ca]
        self.assertIn("mirror=debug, until", self.level("mirror=debug", *trusting).stdout)
        self.assertEqual(self.levels()["until_reload"], ["mirror"])
        refused = site.run("log", "level", "--admin", f"https://127.0.0.1:{self.seoul.admin}",
                           check=False)
        self.assertEqual(refused.returncode, 1)
        self.assertIn("of no authority that the system trusts", refused.stderr)
        none = self.level(*trusting[:1], str(self.tmp / "none.crt"), check=False)
        self.assertIn("none.crt has no certificates in PEM", none.stderr)

    def test_components_are_those_of_the_reference(self):
        listed = json.loads(site.run("log", "components", "-o", "json").stdout)
        reference = site.run("config", "reference").stdout
        table = reference.partition("### log.levels\n")[2].partition("### ")[0]
        for each in listed:
            self.assertIn(f"| `{each['component']}` |", table)
        self.assertEqual(table.count("\n| `"), len(listed))


if __name__ == "__main__":
    world.main()
