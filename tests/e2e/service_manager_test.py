"""What a role tells systemd, over the socket that it opens for Type=notify."""

import socket
import time
from pathlib import Path

import world
from support import site as sites
from support.processes import wait_for


class Notified(world.World):
    def setUp(self):
        super().setUp()
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self.addCleanup(self.socket.close)
        self.socket.bind(str(self.tmp / "notify"))
        self.heard: list[str] = []  # lines, in their order

    def listen(self) -> list[str]:
        while True:
            try:
                self.heard += self.socket.recv(4096).decode().split("\n")
            except BlockingIOError:
                return self.heard

    def under_systemd(self, role: sites.Role) -> sites.Role:
        role.env["NOTIFY_SOCKET"] = str(self.tmp / "notify")
        self.addCleanup(role.__exit__)
        return role.launch()

    def wait_heard(self, line: str, times: int = 1) -> None:
        wait_for(lambda: self.listen().count(line) >= times, f"{line} x{times}", 60)

    def pets_in(self, seconds: float) -> int:
        before = self.listen().count("WATCHDOG=1")
        time.sleep(seconds)
        return self.listen().count("WATCHDOG=1") - before

    @staticmethod
    def stands_still(pid: int) -> bool:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "T"

    def test_a_broker_from_its_start_to_its_end(self):
        broker = self.under_systemd(sites.Site(self.tmp, "seoul", 1))
        self.wait_heard("READY=1")
        self.assertTrue(self.heard[0].startswith("STATUS=starting"), self.heard)
        self.wait_heard("STATUS=ready")
        self.assertTrue(broker.ready(), "it says READY when it serves")
        wait_for(lambda: self.pets_in(3) > 1, "it pets", 30)
        broker.process.pause()
        wait_for(lambda: self.stands_still(broker.process.pid), "it stands still")
        self.assertLess(self.pets_in(2), 1, "a loop that stands pets nobody")
        broker.process.resume()
        broker.process.reload()
        self.wait_heard("READY=1", 2)
        self.assertIn("RELOADING=1", self.heard)
        broker.stop()
        self.listen()
        self.assertIn("STOPPING=1", self.heard)
        told = [line for line in self.heard if line != "WATCHDOG=1"]  # as long as it drains
        self.assertEqual(told[-1], "STATUS=draining", self.heard[-5:])

    def test_a_router_without_its_sites_runs_and_says_what_it_waits_for(self):
        seoul = sites.Site(self.tmp, "seoul", 1)
        router = self.under_systemd(
            sites.Router(self.tmp, "corp", {"seoul": sites.cluster(seoul)}))
        self.wait_heard("READY=1")
        wait_for(lambda: any(line.startswith("STATUS=not ready: ") for line in self.listen()),
                 "it says why", 60)
        self.assertFalse(router.ready())
        self.started(seoul)
        self.wait_heard("STATUS=ready")
        wait_for(lambda: self.pets_in(3) > 1, "it pets", 30)

    def test_one_that_cannot_start_never_says_that_it_has(self):
        first = self.site("seoul", 1)
        second = sites.Site(self.tmp, "tokyo", 2)
        second.config["listeners"][0]["bind"] = f"127.0.0.1:{first.ports['CLIENT']}"
        self.under_systemd(second)
        wait_for(lambda: not second.alive, "it ends", 60)
        self.assertNotIn("READY=1", self.listen())


if __name__ == "__main__":
    world.main()
