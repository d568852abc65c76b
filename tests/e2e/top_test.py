"""`isthmus top`: what the page of an admin port shows, in a terminal and for scripts."""

import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time

import world
from support import site
from support.processes import wait_for

COLUMNS, ROWS = 100, 40
ENTER, LEAVE = "\x1b[?1049h", "\x1b[?1049l"


class Terminal:
    """A command in a terminal of its own; what it has written by now is `text`."""

    def __init__(self, *args, **env):
        self.outside, self.inside = pty.openpty()
        fcntl.ioctl(self.inside, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
        self.modes = termios.tcgetattr(self.inside)
        self.process = subprocess.Popen(
            [str(site.program()), *map(str, args)], stdin=self.inside, stdout=self.inside,
            stderr=self.inside, env=dict(os.environ, TERM="xterm", LC_ALL="C.UTF-8", **env),
            # Its controlling terminal, without which Ctrl-C is nothing.
            start_new_session=True, preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))
        self.text = ""

    def read(self) -> str:
        while select.select([self.outside], [], [], 0.1)[0]:
            self.text += os.read(self.outside, 65536).decode(errors="replace")
        return self.text

    def type(self, keys: str) -> None:
        os.write(self.outside, keys.encode())

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self.inside)
        os.close(self.outside)


class Top(world.TwoSites):
    def setUp(self):
        super().setUp()
        self.fill(self.seoul.bootstrap, "orders", 100)
        self.start_mirror("seoul-tokyo")
        self.router = self.start_router()
        self.wait_mirrored("seoul-tokyo")

    def top(self, role, *args, check: bool = False):
        return site.run("top", "--admin", f"127.0.0.1:{role.admin}", *args, check=check)

    def terminal(self, role, *args, **env) -> Terminal:
        shown = Terminal("top", "--admin", f"127.0.0.1:{role.admin}", *args, **env)
        self.addCleanup(shown.close)
        return shown

    def wait_well(self) -> None:
        """And the router has heard of both sites, and of the link between."""
        wait_for(lambda: self.router.status()["links"] and self.top(self.router).returncode == 0,
                 "all is well", 60)

    def test_a_picture_of_each_role_and_its_exit_code(self):
        self.wait_well()
        shown = self.top(self.router, "--once")
        self.assertEqual((shown.returncode, shown.stderr), (0, ""))
        for part in ("All is well.", "SITES", "seoul (1): answers", "LINKS",
                     "a failover now would lose"):
            self.assertIn(part, shown.stdout)
        self.assertNotIn("\x1b", shown.stdout)
        self.assertTrue(all(len(line) <= 80 for line in shown.stdout.splitlines()), shown.stdout)
        self.assertIn("THIS BROKER", self.top(self.seoul).stdout)
        self.assertIn("seoul-tokyo: attached", self.top(self.mirrors["seoul-tokyo"]).stdout)
        told = json.loads(self.top(self.router, "--once", "-o", "json").stdout)
        self.assertEqual(set(told), set(self.router.status()))

    def test_what_is_wrong_comes_first_and_exits_2(self):
        self.wait_well()
        self.seoul.kill()
        wait_for(lambda: "STOP  seoul: does not answer" in self.top(self.router).stdout,
                 "it is told of", 60)
        shown = self.top(self.router)
        self.assertEqual(shown.returncode, 2)
        self.assertLess(shown.stdout.index("WHAT IS WRONG"), shown.stdout.index("SITES"))
        self.assertIn("isthmus failover --from seoul --to tokyo --dry-run",
                      " ".join(shown.stdout.split()))

    def test_no_answer_is_said(self):
        away = site.run("top", "--admin", "127.0.0.1:1", "--once", check=False)
        self.assertEqual(away.returncode, 1)
        self.assertIn("cannot be reached", away.stderr)
        wrong = self.top(self.router, "--every", "2")
        self.assertEqual(wrong.returncode, 1)
        self.assertIn("--every", wrong.stderr)

    def hold_left(self, shown: Terminal) -> None:
        self.assertEqual(shown.process.wait(20), 0)
        self.assertTrue(shown.read().endswith(LEAVE), repr(shown.text[-80:]))
        self.assertEqual(termios.tcgetattr(shown.inside), shown.modes)

    def test_a_terminal_is_drawn_on_until_q_and_left_as_it_was(self):
        self.wait_well()
        shown = self.terminal(self.router, "--every", "500ms")
        wait_for(lambda: shown.read().count("as of ") >= 3, "it is drawn again")
        self.assertTrue(shown.text.startswith(ENTER), repr(shown.text[:80]))
        self.assertIn("\x1b[32m", shown.text)
        self.assertEqual(shown.text.count("\x1b[2J"), 1, "cleared once, at the start")
        shown.type("q")
        self.hold_left(shown)

    def test_control_c_and_signals_end_it_too(self):
        for end in (lambda shown: shown.type("\x03"),
                    lambda shown: shown.process.send_signal(signal.SIGTERM),
                    lambda shown: shown.process.send_signal(signal.SIGINT)):
            shown = self.terminal(self.router, NO_COLOR="1")
            wait_for(lambda: "SITES" in shown.read(), "it is drawn")
            self.assertIsNone(re.search(r"\x1b\[\d+m", shown.text))
            end(shown)
            self.hold_left(shown)

    def test_who_says_nothing_any_more_is_stale(self):
        shown = self.terminal(self.router, "--every", "500ms")
        wait_for(lambda: "SITES" in shown.read(), "it is drawn")
        self.router.kill()
        wait_for(lambda: "STALE: no answer for " in shown.read(), "it is told of")
        before = time.monotonic()
        shown.type("q")
        self.hold_left(shown)
        self.assertLess(time.monotonic() - before, 15)


if __name__ == "__main__":
    world.main()
