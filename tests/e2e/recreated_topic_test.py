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

    def reasons(self) -> set[str]:
        return {p["reason"] for topic in self.describe("seoul-tokyo")["topics"]
                for p in topic["partitions"]}

    def test_the_old_copy_is_kept_apart_and_named(self):
        self.start_mirror("seoul-tokyo")
        self.fill(self.seoul.bootstrap, "orders", 10)
        self.wait_mirrored("seoul-tokyo", "orders")
        before = self.digests(self.tokyo.bootstrap, "orders")
        site.run("topic", "delete", "orders", "--bootstrap-server", self.seoul.inside)
        # At once, and more than before: by offsets alone it would go on where the copy ends.
        self.fill(self.seoul.bootstrap, "orders", 200, "another")
        wait_for(lambda: self.describe("seoul-tokyo")["failed"] > 0, "it is told", 60)
        # One partition after the other.
        wait_for(lambda: all(r.startswith("recreated: ") for r in self.reasons()), "of all", 60)
        self.assertEqual(self.digests(self.tokyo.bootstrap, "orders"), before)
        findings = self.switch_over("seoul", "tokyo", "--dry-run", allowed=(3,))["findings"]
        stops = [f["text"] for f in findings if f["verdict"] == "stop"]
        self.assertTrue(any("orders (re-created at the source" in s for s in stops), stops)
        self.switch_over("seoul", "tokyo", allowed=(3,))
        self.command("link", "resume", "seoul-tokyo", "--set-aside", "--topic", "none",
                     allowed=(3,))
        done = self.command("link", "resume", "seoul-tokyo", "--set-aside", "--topic", "orders")
        self.assertEqual(done["set_aside"], [{"topic": "orders", "name": "orders.recreated"}])
        self.wait_mirrored("seoul-tokyo", "orders")
        self.assertEqual(self.total(self.tokyo.bootstrap), 200)
        # It outlives its broker, is nobody's to write, and stays here when the site takes over.
        self.tokyo.kill()
        self.tokyo.start()
        self.assertEqual(self.digests(self.tokyo.bootstrap, "orders.recreated"), before)
        self.wait_ready("seoul", "tokyo")
        self.switch_over("seoul", "tokyo")
        kept = self.command("topic", "list", "--cluster", "tokyo")
        writers = {topic["topic"]: topic["writer"] for topic in kept}
        self.assertEqual(writers["orders.recreated"], "nobody: set aside")
        self.assertEqual(writers["orders"], "clients")
        site.run("topic", "delete", "orders.recreated", "--bootstrap-server", self.tokyo.inside)


if __name__ == "__main__":
    world.main()
