"""A source whose directory is replaced by a backup while no mirror runs: it counts the same starts,
gives the same epochs out again, and other records get the same offsets. The copy stays as it was,
and everybody says so."""

import shutil

import world
from support.processes import wait_for
from world import TwoSites


class RestoredSource(TwoSites):
    delay_ms = 0

    def reasons(self) -> set[str]:
        return {p["reason"] for t in self.describe("seoul-tokyo")["topics"]
                for p in t["partitions"]}

    def test_it_is_found_out_whatever_it_has_written_since(self):
        mirror = self.start_mirror("seoul-tokyo")
        self.fill(self.seoul.bootstrap, "orders", 1000)
        self.wait_mirrored("seoul-tokyo")
        self.seoul.stop()
        backup = self.tmp / "backup"
        shutil.copytree(self.seoul.data, backup)
        self.seoul.start()
        self.fill(self.seoul.bootstrap, "orders", 500, "after the backup")
        self.wait_mirrored("seoul-tokyo")
        copy = self.digests(self.tokyo.bootstrap, "orders")

        mirror.stop()
        self.seoul.stop()
        shutil.rmtree(self.seoul.data)
        shutil.copytree(backup, self.seoul.data)
        self.seoul.start()
        self.fill(self.seoul.bootstrap, "orders", 700, "other records")
        mirror.launch()
        wait_for(lambda: self.describe("seoul-tokyo")["failed"] > 0, "it is found out", 60)
        # One partition after the other.
        wait_for(lambda: all(r.startswith("diverged: seoul") for r in self.reasons()),
                 "of all", 60)
        self.assertEqual(self.digests(self.tokyo.bootstrap, "orders"), copy)
        ready = self.switch_over("seoul", "tokyo", "--dry-run", allowed=(3,))["ready"]
        self.assertFalse(ready)


if __name__ == "__main__":
    world.main()
