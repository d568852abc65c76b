"""Slow lines: the mirror keeps its link while a backlog crosses, whichever end it stands at, and a
switchover is as sure as on a fast one."""

import world
from support.client import Producer
from support.processes import wait_for
from support.site import Mirror, link
from world import TwoSites, marked

RECORD = 50_000


class SlowLine(TwoSites):
    def at_the_source(self) -> dict:
        return {"source": {"bootstrap.servers": self.seoul.inside},
                "target": {"bootstrap.servers": self.tokyo.wan}}

    def cross(self, rate: int, seconds: int, **ends) -> None:
        """A backlog that needs so long, and what is asked meanwhile."""
        count = rate * seconds // RECORD
        with Producer(self.seoul.bootstrap, "orders") as client:
            client.send(marked("fill", 0, count, size=RECORD))
            client.flush_and_close()
        for line in self.between_sites():
            self.relay.rate(line, rate)
        links = {"seoul-tokyo": link(self.seoul, self.tokyo) | ends}
        mirror = self.started(Mirror(self.tmp, "mirror-seoul-tokyo", links))
        wait_for(lambda: self.describe("seoul-tokyo")["topics"], "the topic is known", 60)
        wait_for(lambda: self.describe("seoul-tokyo")["lag_records"] == 0, "all is there",
                 3 * seconds + 60)
        self.assertEqual(mirror.status()["links"]["seoul-tokyo"]["link_epoch"], 1,
                         "it has attached once")
        self.assertEqual(sum(self.hold_bytes("orders").values()), count)

    def test_a_megabyte_a_second_from_the_source_and_a_switchover(self):
        self.cross(1_000_000, 12)
        self.start_mirror("tokyo-seoul")
        self.wait_ready("seoul", "tokyo")
        self.switch_over("seoul", "tokyo")

    def test_a_megabyte_a_second_to_the_target_and_a_switchover(self):
        self.cross(1_000_000, 12, **self.at_the_source())
        self.start_mirror("tokyo-seoul")
        self.wait_ready("seoul", "tokyo")
        self.switch_over("seoul", "tokyo")

    def test_a_megabit_a_second_from_the_source(self):
        self.cross(128_000, 20)

    def test_a_megabit_a_second_to_the_target(self):
        self.cross(128_000, 20, **self.at_the_source())


if __name__ == "__main__":
    world.main()
