"""A site dies for good and is set up anew under its name: until the one that stays is told, nothing
is attached to the newcomer; then it is mirrored to, moved to and moved home from like the first."""

import json

import world
from support import site
from support.processes import wait_for
from support.site import Site, cluster, link
from world import TwoSites


class ReplacedSite(TwoSites):
    delay_ms = 0

    def replace_tokyo(self, number: int) -> Site:
        """The files of mirrors and commands name the new one at once."""
        self.tokyo = self.started(Site(self.tmp / f"new-{number}", "tokyo", number))
        for name, mirror in self.mirrors.items():
            source, target = (getattr(self, end) for end in name.split("-"))
            mirror.kill()
            mirror.config["links"] = {name: link(source, target)}
            mirror.launch()
        known = json.loads(self.clusters.read_text())
        known["clusters"]["tokyo"] = cluster(self.tokyo)
        self.clusters.write_text(json.dumps(known))
        return self.tokyo

    def forget(self, *options: str):
        return site.run("link", "forget", "tokyo-seoul", *options, "--config", self.clusters,
                        check=False)

    def problem(self, name: str) -> str:
        try:
            return self.mirrors[name].status().get("links", {}).get(name, {}).get("problem", "")
        except OSError:
            return ""  # it has just been launched

    def test_it_is_forgotten_and_the_next_one_takes_its_place(self):
        for name in ("seoul-tokyo", "tokyo-seoul"):
            self.start_mirror(name)
        self.fill(self.seoul.bootstrap, "orders", 1000)
        self.wait_mirrored("seoul-tokyo")
        refused = self.forget("--yes")
        self.assertEqual(refused.returncode, 3, refused.stdout + refused.stderr)
        self.assertIn("tokyo answers", refused.stderr)

        self.tokyo.kill()
        self.replace_tokyo(3)
        wait_for(lambda: "(number 3)" in self.problem("seoul-tokyo"), "the stranger is named", 60)
        asked = self.forget()
        self.assertEqual(asked.returncode, 3, asked.stdout + asked.stderr)
        self.assertIn("(number 2)", asked.stdout)
        done = self.forget("--yes")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        for name, mirror in self.mirrors.items():
            wait_for(mirror.ready, f"{name} is attached", 60)

        self.wait_mirrored("seoul-tokyo")
        self.fill(self.seoul.bootstrap, "orders", 1000, "again")
        self.wait_mirrored("seoul-tokyo")
        for source, target in (("seoul", "tokyo"), ("tokyo", "seoul")):
            self.wait_ready(source, target)
            self.switch_over(source, target)
        self.assertEqual(self.digests(self.tokyo.bootstrap, "orders"),
                         self.digests(self.seoul.bootstrap, "orders"))
        self.hold_bytes("orders")


if __name__ == "__main__":
    world.main()
