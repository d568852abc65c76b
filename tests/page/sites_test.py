"""The page of the real thing: two sites, their mirrors and a router, and what becomes of the page
when a line is cut, a partition fails, or a site is switched over."""

import os
import subprocess
import sys
import urllib.request
from pathlib import Path

from browser import PHONE, Browser
from port import PAGE, POLICY, TYPES

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "e2e"))
import world
from support import site as sites
from support.client import Member
from support.processes import wait_for
from support.site import Role

SCHEMES = ("light", "dark")


class Sites(world.TwoSites):
    @classmethod
    def setUpClass(cls):
        cls.browser = Browser()
        cls.addClassCleanup(cls.browser.close)

    def tearDown(self):
        self.browser.picture(f"sites-{self._testMethodName.removeprefix('test_')}")

    def open(self, role: Role, **looks) -> None:
        self.browser.open(role.admin_url("/"), **looks)

    def start_all(self) -> None:
        """With 1000 records at seoul, of which a group has read all."""
        self.fill(self.seoul.bootstrap, "orders", 1000)
        with Member(self.seoul.bootstrap, "billing", "orders") as member:
            member.wait_read(1000)
            member.leave()
        self.start_mirror("seoul-tokyo")
        self.start_mirror("tokyo-seoul")
        self.router = self.start_router()
        self.wait_mirrored("seoul-tokyo")

    def lane(self, name: str) -> str:
        """What is seen of a link."""
        return next((text for text in self.browser.texts(".link") if text.startswith(name)), "")

    def wait_lane(self, name: str, expected: str, deadline_s: float = 30) -> None:
        wait_for(lambda: expected in self.lane(name), f"{name}: {expected}", deadline_s)

    def told_of(self, name: str) -> dict:
        """A link as the router's /status has it."""
        return next(each for each in self.router.status()["links"] if each["name"] == name)

    def test_every_role_serves_its_page_and_a_router_the_whole_picture(self):
        self.start_all()
        self.open(self.router)
        self.wait_lane("seoul-tokyo", "A failover now would lose nothing.")
        seoul, tokyo = self.browser.texts(".site")
        for text, name, node in ((seoul, "seoul", "101"), (tokyo, "tokyo", "201")):
            for expected in (name, "answers", node, "serving"):
                self.assertIn(expected, text)
        self.assertIn("OK", self.lane("seoul-tokyo"))
        self.browser.wait_text("#groups tbody", "billing", 20)
        self.assertRegex(self.browser.text("#groups tbody"), r"billing\s+seoul")
        self.assertIn("default", self.browser.text("#routes tbody"))
        self.browser.wait_text("#state", "Ready. All is well.", 20)
        for role in (self.router, self.seoul, *self.mirrors.values()):
            for scheme in SCHEMES:
                self.open(role, scheme=scheme)
                self.browser.unfold()
                self.assertIn(f"Isthmus {role.role}", self.browser.text("#what"))
                self.assertEqual(self.browser.audit(), [], role.name)
                self.assertEqual(self.browser.complaints(), [], role.name)
                self.browser.picture(f"real-{role.name}-{scheme}")
            self.open(role, width=PHONE)
            self.assertLessEqual(self.browser.sideways(), 0, self.browser.too_wide())
            self.browser.picture(f"real-{role.name}-phone")

    def test_its_files_are_served_as_the_other_tests_serve_them(self):
        paths = {"/": PAGE / "index.html"}
        paths |= {f"/page/{file.name}": file for file in PAGE.iterdir() if file.suffix != ".html"}
        for path, file in (paths | {"/page/chart.js": Path("chart.js")}).items():
            with urllib.request.urlopen(self.seoul.admin_url(path), timeout=5) as answer:
                self.assertEqual(answer.headers["Content-Type"], TYPES[file.suffix], path)
                self.assertEqual(answer.headers["Content-Security-Policy"], POLICY, path)
                body = answer.read()
            if path in paths:
                self.assertEqual(body, file.read_bytes(), path)

    def test_a_cut_line_is_seen_as_lag_and_a_site_that_is_away_keeps_its_picture(self):
        self.start_all()
        self.open(self.router)
        self.wait_lane("seoul-tokyo", "A failover now would lose nothing.")
        self.cut()
        self.fill(self.seoul.bootstrap, "orders", 700, "unseen")
        wait_for(lambda: (self.told_of("seoul-tokyo")["lag_records"] or 0) >= 700, "it is told", 30)
        self.wait_lane("seoul-tokyo", "700 records")
        self.browser.picture("real-cut")
        for listener in ("ROUTED", "ROUTER_INSIDE"):
            self.relay.cut(f"seoul-{listener}")
        self.browser.wait_text(".troubles > li", "seoul does not answer", 60)
        self.assertIn("STOP", self.browser.text(".troubles > li"))
        silent = self.browser.text(".site.silent")
        self.assertIn("the last that was heard", silent)
        self.assertIn("101", silent)
        self.browser.picture("real-away")
        self.relay.restore()
        wait_for(lambda: self.browser.count(".site.silent") == 0, "seoul answers again", 60)
        self.wait_lane("seoul-tokyo", "A failover now would lose nothing.", 60)

    def test_a_partition_that_fails_stands_first_until_it_is_mended(self):
        for _ in range(3):
            self.fill(self.seoul.bootstrap, "orders", 100)
        log = max(self.seoul.data.glob("orders-*/*.log"), key=lambda file: file.stat().st_size)
        content = log.read_bytes()
        self.write_near_end(log, content[-4] ^ 0x40)
        self.start_mirror("seoul-tokyo")
        self.router = self.start_router()
        wait_for(lambda: self.describe("seoul-tokyo")["failed"] == 1, "it is seen", 30)
        self.open(self.router)
        first = self.browser.wait_text(".troubles > li", log.parent.name, 20)
        for expected in ("STOP", "seoul-tokyo", "damaged_batch", "Next:"):
            self.assertIn(expected, first)
        self.assertIn("1 not mirrored", self.lane("seoul-tokyo"))
        self.write_near_end(log, content[-4])
        wait_for(lambda: log.parent.name not in self.browser.text(".troubles"), "it is mended", 60)
        self.wait_lane("seoul-tokyo", "OK")

    def write_near_end(self, log: Path, byte: int) -> None:
        with log.open("r+b") as file:
            file.seek(-4, os.SEEK_END)
            file.write(bytes([byte]))

    def test_a_broker_names_what_its_disk_has_damaged(self):
        self.fill(self.seoul.bootstrap, "orders", 100)
        self.seoul.kill()
        log = max(self.seoul.data.glob("orders-*/*.log"), key=lambda file: file.stat().st_size)
        self.write_near_end(log, log.read_bytes()[-4] ^ 0x40)
        self.seoul.start()
        self.open(self.seoul)
        first = self.browser.wait_text(".troubles > li", "1 partition offline", 20)
        self.assertIn(f"isthmus partition describe {log.parent.name}", first)

    def test_a_switchover_is_seen_and_stays_among_the_last(self):
        self.start_all()
        self.open(self.router)
        self.browser.wait_text("#moves", "None since this router started.", 20)
        self.wait_ready("seoul", "tokyo")
        self.switch_over("seoul", "tokyo")
        row = self.browser.wait_text("#moves tbody tr", "seoul-tokyo", 20)
        self.assertIn("switchover", row)
        wait_for(lambda: self.router.status()["switchovers"][0]["over"], "it is over", 20)
        self.browser.unfold()
        self.browser.wait_text("#moves .steps", "promoted")
        stood = self.router.status()["switchovers"][0]["stand_still_ms"]
        if stood is not None:
            shown = f"{stood} ms" if stood < 1000 else f"{stood / 1000:.1f} s"
            self.assertIn(shown, self.browser.text("#moves tbody tr"))
        self.browser.wait_text("#routes", "tokyo has taken over the routes of seoul", 20)
        wait_for(lambda: "tokyo" in self.browser.text("#groups tbody tr"), "billing moved", 20)

    def test_a_switchover_that_waits_is_shown_with_a_clock_and_then_as_given_up(self):
        self.start_all()
        self.open(self.router)
        self.wait_ready("seoul", "tokyo")
        self.mirrors["seoul-tokyo"].kill()
        command = subprocess.Popen(
            [sites.program(), "switchover", "--from", "seoul", "--to", "tokyo", "--wait", "12",
             "--config", self.clusters], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.addCleanup(command.kill)
        self.browser.wait_text(".move h3", "seoul-tokyo: switchover under way", 10)
        self.assertIn("wished", self.browser.text(".move .steps"))
        clock = self.browser.text(".move .clock")
        wait_for(lambda: self.browser.text(".move .clock") not in ("", clock), "the clock runs", 4)
        self.browser.picture("real-under-way")
        self.assertEqual(command.wait(60), 1)
        row = self.browser.wait_text("#moves tbody tr", "seoul-tokyo", 20)
        self.assertIn("switchover", row)
        self.assertEqual(self.browser.count(".move"), 0)


if __name__ == "__main__":
    world.main()
