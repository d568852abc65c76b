"""The package: what is in it, and that a bare Debian with nothing but it runs two sites."""

import gzip
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest
import urllib.request
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from package.room import Room
from support import testing
from support.network import Host
from support.processes import Process, wait_for

sys.path.insert(0, str(testing.ROOT / "package"))
import make

ROLES = ("broker", "mirror", "router")
CONFIG = ("mirror.yaml", "router.yaml", "seoul.yaml", "tokyo.yaml")
ADMIN = {"seoul": 9644, "tokyo": 9744, "mirror": 9645, "router": 9646}
SERVICES = {"seoul": "broker", "tokyo": "broker", "mirror": "mirror", "router": "router"}


def need_command(name: str, package: str) -> None:
    if not shutil.which(name):
        raise unittest.SkipTest(f"{name} is missing: ./dev test installs {package}")


class Version(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory(prefix="isthmus-version-")
        self.addCleanup(directory.cleanup)
        self.tree = Path(directory.name)

    def git(self, *words: str) -> None:
        subprocess.run(["git", "-c", "user.name=a", "-c", "user.email=a@b", *words], cwd=self.tree,
                       check=True, capture_output=True)

    def test_it_names_the_commit_and_what_is_changed(self):
        need_command("git", "git")
        self.git("init", "-q")
        (self.tree / "file").write_text("one")
        self.git("add", "file")
        self.git("commit", "-qm", "one")
        clean, _ = make.commit(self.tree)
        self.assertRegex(clean, r"^0\.1\.0~\d{14}\.[0-9a-f]+$")
        (self.tree / "file").write_text("two")
        self.assertEqual(make.commit(self.tree)[0], clean + ".dirty")
        for one, other in (("0.1.0~0", clean), (clean, clean + ".dirty"), (clean, "0.1.0")):
            subprocess.run(["dpkg", "--compare-versions", one, "lt", other], check=True)

    def test_without_a_commit(self):
        self.assertEqual(make.commit(self.tree)[0], "0.1.0~0")
        (self.tree / ".git").mkdir()  # of which git knows nothing
        with self.assertRaisesRegex(SystemExit, "git does not say which commit this is"):
            make.commit(self.tree)


class Packaged(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        need_command("dpkg-shlibdeps", "dpkg-dev")
        directory = tempfile.TemporaryDirectory(prefix="isthmus-package-")
        cls.addClassCleanup(directory.cleanup)
        cls.tmp = Path(directory.name)
        cls.deb = cls.made_in(cls.tmp)

    @staticmethod
    def made_in(folder: Path) -> Path:
        program = testing.need(testing.BUILD / "cli" / "isthmus", "./dev build makes it")
        done = subprocess.run([sys.executable, testing.ROOT / "package" / "make.py", program,
                               folder], stdout=subprocess.PIPE, text=True, check=True)
        return Path(done.stdout.strip())


class Content(Packaged):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.root = cls.tmp / "root"
        subprocess.run(["dpkg-deb", "-x", cls.deb, cls.root], check=True)

    def field(self, name: str) -> str:
        return subprocess.run(["dpkg-deb", "-f", self.deb, name], check=True, capture_output=True,
                              text=True).stdout.strip()

    def test_what_dpkg_is_told(self):
        depends = self.field("Depends")
        for library in ("libc6", "libssl3", "libzookeeper-mt2", "adduser"):
            self.assertRegex(depends, rf"\b{library}\b")
        self.assertNotRegex(depends, "systemd|libstdc\\+\\+-|-dev\\b|@")
        self.assertEqual(self.field("Package"), "isthmus")
        control = self.tmp / "control"
        subprocess.run(["dpkg-deb", "-e", self.deb, control], check=True)
        self.assertEqual((control / "conffiles").read_text().split(),
                         [f"/etc/isthmus/{name}" for name in CONFIG])
        for script in ("postinst", "prerm", "postrm"):
            subprocess.run(["sh", "-n", control / script], check=True)
            self.assertNotRegex((control / script).read_text(), r"(?m)^\s*(rm|deluser|userdel)\b")
        names = subprocess.run(["dpkg-deb", "-c", self.deb], check=True, capture_output=True,
                               text=True).stdout.splitlines()
        self.assertTrue(all(line.split()[1] == "root/root" for line in names))

    def test_the_same_commit_makes_the_same_bytes(self):
        again = self.made_in(self.tmp / "again")
        self.assertEqual(again.name, self.deb.name)
        self.assertEqual(again.read_bytes(), self.deb.read_bytes())

    def test_no_configuration_is_for_tmp(self):
        files = sorted(self.root.rglob("*.yaml"))
        self.assertGreater(len(files), len(CONFIG) + 12)
        for file in files:
            self.assertNotIn("/tmp", file.read_text(), f"{file.name}: a unit has a /tmp of its own")

    def test_links_lead_to_what_is_there(self):
        pages = sorted((self.root / "usr/share/doc/isthmus").glob("*.md"))
        self.assertGreater(len(pages), 5)
        for page in pages:
            links = re.findall(r"\]\(((?!http)[^)\s#]+)", page.read_text())
            for link in links:
                at = self.root / link[1:] if link.startswith("/") else page.parent / link
                self.assertTrue(at.exists(), f"{page.name}: {link}")

    def test_what_is_enabled_is_disabled_before_a_removal(self):
        need_command("systemctl", "systemd")
        scripts = self.tmp / "scripts"
        subprocess.run(["dpkg-deb", "-e", self.deb, scripts], check=True)
        root = self.tmp / "enabled"
        shutil.copytree(self.root / "lib", root / "lib", dirs_exist_ok=True)
        for unit in ("isthmus-broker@seoul", "isthmus-router@router"):
            subprocess.run(["systemctl", f"--root={root}", "enable", unit], check=True,
                           capture_output=True)
        wants = root / "etc/systemd/system/multi-user.target.wants"
        other = wants / "other.service"
        other.symlink_to("/lib/systemd/system/other.service")
        for why, left in (("upgrade", 3), ("remove", 1)):
            subprocess.run(["sh", scripts / "prerm", why], check=True, capture_output=True,
                           env={**os.environ, "DPKG_ROOT": str(root)})
            self.assertEqual(len(list(wants.iterdir())), left, why)
        self.assertTrue(other.is_symlink())

    def test_units_are_taken_by_systemd(self):
        need_command("systemd-analyze", "systemd")
        # Of the system around them only its targets are there.
        for unit in Path("/lib/systemd/system").glob("*.*"):
            target = self.root / "lib/systemd/system" / unit.name
            if not target.exists() and unit.is_file():
                shutil.copy(unit, target)
        (self.root / "bin").mkdir()
        shutil.copy("/bin/sh", self.root / "bin/sh")
        for role in ROLES:
            unit = f"isthmus-{role}@seoul.service"
            done = subprocess.run(["systemd-analyze", "verify", "--man=no", f"--root={self.root}",
                                   unit], capture_output=True, text=True, check=False)
            ours = [line for line in done.stderr.splitlines() if "isthmus" in line]
            self.assertEqual((done.returncode, ours), (0, []), done.stderr)
            done = subprocess.run(["systemd-analyze", "security", "--offline=yes", "--threshold=20",
                                   f"--root={self.root}", unit], capture_output=True, text=True,
                                  check=False)
            self.assertEqual(done.returncode, 0, "more exposed than 2.0\n" + done.stdout)

    def test_manual_pages_are_read_without_a_complaint(self):
        need_command("groff", "groff-base")
        pages = sorted((self.root / "usr/share/man/man1").glob("*.gz"))
        self.assertGreater(len(pages), 40)
        names = {page.name for page in pages}
        for page in pages:
            text = gzip.decompress(page.read_bytes())
            done = subprocess.run(["groff", "-ww", "-man", "-Tutf8"], input=text, check=False,
                                  capture_output=True)
            self.assertEqual((done.returncode, done.stderr), (0, b""), page.name)
            said = re.sub(r".\x08|\x1b\[[\d;]*m", "", done.stdout.decode())
            for part in ("NAME", "SYNOPSIS", "OPTIONS"):
                self.assertRegex(said, rf"(?m)^{part}$", page.name)
            for other in re.findall(r"(isthmus[\w-]*)\(1\)", said.partition("SEE ALSO")[2]):
                self.assertIn(f"{other}.1.gz", names, page.name)

    def complete(self, shell: str, line: str) -> list[str]:
        """What bash offers for the last word of the line."""
        file = self.root / "usr/share/bash-completion/completions/isthmus"
        words = line.split(" ")
        script = (f'source "{file}"; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _isthmus; '
                  'printf "%s\\n" "${COMPREPLY[@]}"')
        done = subprocess.run([shell, "-c", script, shell, *words], capture_output=True, text=True,
                              check=True, cwd=self.root / "etc/isthmus")
        self.assertEqual(done.stderr, "")
        return done.stdout.split()

    def test_bash_completes(self):
        for line, expected in {
            "isthmus rou": ["router", "route"],
            "isthmus link de": ["describe"],
            "isthmus link describe --boot": ["--bootstrap-server"],
            "isthmus link describe seoul-tokyo -o ": ["text", "json"],
            "isthmus switchover ta": ["take-back"],
            "isthmus router --config ro": ["router.yaml"],
            "isthmus config check tok": ["tokyo.yaml"],
            "isthmus broker --log-level w": ["warn"],
            "isthmus nonsense --": ["--help"],
        }.items():
            self.assertEqual(sorted(self.complete("bash", line)), sorted(expected), line)

    def test_zsh_reads_its_completion(self):
        need_command("zsh", "zsh")
        file = self.root / "usr/share/zsh/vendor-completions/_isthmus"
        subprocess.run(["zsh", "-n", file], check=True)
        script = ('_describe() { print -l -- $found }; _files() { print files }; '
                  '_message() { print message }; compadd() { print -l -- "$@" }; '
                  'words=("$@"); CURRENT=$#; source "$0"')
        for line, expected in {"isthmus link ": "describe:", "isthmus router --config ": "files",
                               "isthmus topic list -o ": "json",
                               "isthmus switchover --from ": "message"}.items():
            done = subprocess.run(["zsh", "-fc", script, file, *line.split(" ")], check=False,
                                  capture_output=True, text=True)
            self.assertEqual((done.returncode, done.stderr), (0, ""), line)
            self.assertIn(expected, done.stdout, line)


class BareDebian(Packaged):
    def setUp(self):
        super().setUp()
        self.room = Room(self.tmp)
        self.host = Host("room", "127.0.0.1")  # its ports are its own
        self.addCleanup(self.host.close)
        subprocess.run(self.host.command(["ip", "link", "set", "lo", "up"]), check=True)

    def start(self) -> dict[str, Process]:
        """Each as its unit runs it."""
        units = self.room / "lib/systemd/system"
        running = {}
        for name, role in SERVICES.items():
            unit = (units / f"isthmus-{role}@.service").read_text()
            command = re.search(r"(?m)^ExecStart=(.*)$", unit)[1].replace("%i", name).split()
            user = re.search(r"(?m)^User=(.*)$", unit)[1]
            process = Process(name, self.host.command(self.room.command(command, user)),
                              self.tmp / f"{name}.log")
            self.addCleanup(process.kill)
            running[name] = process.start()
        for name, process in running.items():
            process.wait_ready(lambda at=ADMIN[name]: self.ready(at), 60)
        return running

    def ready(self, port: int) -> bool:
        try:
            with self.host.entered(), urllib.request.urlopen(
                    f"http://127.0.0.1:{port}/readyz", timeout=5) as answer:
                return answer.status == 200
        except OSError:
            return False

    def kcat(self, *args, text: str | None = None) -> str:
        done = subprocess.run(self.host.command(["kcat", *args]), input=text, capture_output=True,
                              text=True, timeout=60, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def test_it_is_installed_serves_and_its_records_outlive_it(self):
        self.room.install(self.deb)
        self.assertIn("uid=", self.room.run("id", "isthmus"))
        owner = self.room.run("stat", "-c", "%U:%G %a", "/var/lib/isthmus").split()
        self.assertEqual(owner, ["isthmus:isthmus", "750"])
        for name in CONFIG:
            self.room.run("isthmus", "config", "check", f"/etc/isthmus/{name}")

        running = self.start()
        self.kcat("-b", "127.0.0.1:19092", "-t", "orders", "-P", text="one\ntwo\n")
        read = ["-b", "127.0.0.1:9192", "-t", "orders", "-C", "-e", "-q", "-o", "beginning"]
        wait_for(lambda: self.at_tokyo(read) == ["one", "two"], "both are at tokyo", 90, 0.5)
        wait_for(self.is_mirrored, "the link is well and has no lag", 60, 0.5)
        for process in running.values():
            process.kill()

        # What an operator has changed, and all records, are his.
        edited = self.room / "etc/isthmus/seoul.yaml"
        edited.write_text(edited.read_text() + "# mine\n")
        self.room.run("apt-get", "remove", "-qy", "isthmus")
        self.assertFalse((self.room / "usr/bin/isthmus").exists())
        self.assertTrue(edited.read_text().endswith("# mine\n"))
        said = self.room.run("apt-get", "purge", "-qy", "isthmus")
        self.assertIn("/var/lib/isthmus, /var/log/isthmus and the user isthmus stay", said)
        self.assertFalse(edited.exists(), "a purge takes the configuration")
        self.assertTrue(list((self.room / "var/lib/isthmus/tokyo").glob("orders-*")))
        self.assertIn("uid=", self.room.run("id", "isthmus"))

        self.room.install(self.deb)
        self.start()
        wait_for(lambda: self.at_tokyo(read) == ["one", "two"], "both are there still", 60, 0.5)

    def is_mirrored(self) -> bool:
        done = subprocess.run(
            self.host.command(self.room.command(["isthmus", "link", "describe", "seoul-tokyo", "-o",
                                                 "json", "--config", "/etc/isthmus/mirror.yaml"])),
            capture_output=True, text=True, check=False)
        return done.returncode == 0 and json.loads(done.stdout)["lag_records"] == 0

    def at_tokyo(self, read: list[str]) -> list[str]:
        try:
            return sorted(self.kcat(*read).split())
        except AssertionError:  # no such topic yet
            return []


if __name__ == "__main__":
    testing.main()
