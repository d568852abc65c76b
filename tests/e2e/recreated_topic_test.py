"""A topic that is deleted and created again at its home is another topic: nothing of it enters the
copy of the one before, and describe and the dry run say so until the copy is gone."""

import world
from support import site
from support.processes import wait_for
from world import TwoSites


class RecreatedTopic(TwoSites):
    delay_ms = 0

    def total(self, bootstrap: str) -> int:
        return sum(d.records for d in self.digests(bootstrap, "orders").values())

    def test_the_old_copy_is_kept_apart_and_named(self):
        self.start_mirror("seoul-tokyo")
        self.fill(self.seoul.bootstrap, "orders", 10)
        self.wait_mirrored("seoul-tokyo", "orders")
        before = self.digests(self.tokyo.bootstrap, "orders")
        site.run("topic", "delete", "orders", "--bootstrap-server", self.seoul.inside)
        # At once, and more than before: by offsets alone it would go on where the copy ends.
        self.fill(self.seoul.bootstrap, "orders", 200, "another")
        wait_for(lambda: self.describe("seoul-tokyo")["failed"] > 0, "it is told", 20)
        reasons = {p["reason"] for topic in self.describe("seoul-tokyo")["topics"]
                   for p in topic["partitions"]}
        self.assertTrue(all(r.startswith("recreated: ") for r in reasons), reasons)
        self.assertEqual(self.digests(self.tokyo.bootstrap, "orders"), before)
        findings = self.switch_over("seoul", "tokyo", "--dry-run", allowed=(3,))["findings"]
        stops = [f["text"] for f in findings if f["verdict"] == "stop"]
        self.assertTrue(any("orders (re-created at the source" in s for s in stops), stops)
        self.switch_over("seoul", "tokyo", allowed=(3,))
        site.run("topic", "delete", "orders", "--bootstrap-server", self.tokyo.inside)
        self.wait_mirrored("seoul-tokyo", "orders")
        self.assertEqual(self.total(self.tokyo.bootstrap), 200)


if __name__ == "__main__":
    world.main()
