"""./dev says clearly what it cannot do, from any directory, and its list of packages is whole."""

import re
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from support import testing

DEV = testing.ROOT / "dev"


def dev(*args, os_release: str | None = None) -> subprocess.CompletedProcess:
    with tempfile.TemporaryDirectory() as elsewhere:
        env = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
        if os_release is not None:
            env["OS_RELEASE_FILE"] = f"{elsewhere}/os-release"
            Path(env["OS_RELEASE_FILE"]).write_text(os_release)
        return subprocess.run([DEV, *args], cwd=elsewhere, env=env, capture_output=True, text=True,
                              timeout=60)


class Dev(unittest.TestCase):
    def test_help_names_every_command(self):
        text = DEV.read_text()
        commands = set(re.findall(r"^cmd_(\w+)\(\)", text, re.MULTILINE)) - {"help"}
        for command in commands:
            self.assertIn(f"./dev {command}", dev("help").stdout)
        self.assertEqual(commands, {"demo", "test", "build", "package", "bench", "fmt",
                                    "lint", "fuzz"})

    def test_what_it_cannot_do_is_one_line(self):
        for args, said in ((["nope"], "dev: no command 'nope'"),
                           (["fuzz", "soon"], "dev: fuzz: 'soon' is no number of seconds")):
            done = dev(*args)
            self.assertNotEqual(done.returncode, 0)
            self.assertEqual(done.stderr.strip().splitlines()[-1], said)

    def test_another_system_is_refused(self):
        for release, said in (('ID=fedora\nVERSION_ID="40"\n', "this is fedora 40;"),
                              ('ID=debian\nVERSION_ID="11"\n', "this is debian 11;"),
                              ("ID=arch\n", "this is arch ;")):
            done = dev("fmt", os_release=release)
            self.assertEqual(done.returncode, 1)
            self.assertEqual(done.stdout, "")
            self.assertTrue(done.stderr.startswith(f"dev: {said}"), done.stderr)
            self.assertEqual(len(done.stderr.splitlines()), 1)

    def test_every_package_has_a_group_and_a_reason(self):
        text = DEV.read_text()
        rows = text.split("packages='\n")[1].split("\n'\n")[0].splitlines()
        needed = {group for line in re.findall(r"^\s+need ([a-z ]+)$", text, re.MULTILINE)
                  for group in line.split()}
        self.assertGreater(len(rows), 20)
        names = [row.split()[1] for row in rows]
        self.assertEqual(len(names), len(set(names)), "a package stands twice")
        for row in rows:
            group, name, reason = row.split(None, 2)
            self.assertIn(group, needed, row)
            self.assertRegex(name, r"^[a-z0-9.+-]+(:[a-z]+)?$")
            self.assertGreater(len(reason), 3, row)


if __name__ == "__main__":
    testing.main()
