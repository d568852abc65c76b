"""Two pairs of sites behind one router: what one pair moves says nothing of the other."""

import json

import world
from support.processes import wait_for
from support.site import Mirror, Router, Site, cluster, link
from world import TwoSites


class TwoPairs(TwoSites):
    delay_ms = 0

    def setUp(self):
        super().setUp()
        self.paris, self.berlin = (self.started(Site(self.tmp, name, number))
                                   for name, number in (("paris", 3), ("berlin", 4)))
        sites = (self.seoul, self.tokyo, self.paris, self.berlin)
        routes = [{"topic": "wine", "cluster": "paris"}, {"default": "seoul"}]
        self.router = self.started(
            Router(self.tmp, "corp", {each.name: cluster(each) for each in sites}, routes))
        self.clusters.write_text(json.dumps(self.router.config))
        ends = (("seoul", "tokyo"), ("tokyo", "seoul"), ("paris", "berlin"), ("berlin", "paris"))
        self.started(Mirror(self.tmp, "mirror", {
            f"{source}-{target}": link(getattr(self, source), getattr(self, target))
            for source, target in ends}))

    def move(self, source: str, target: str) -> None:
        self.wait_ready(source, target)
        self.switch_over(source, target)

    def routes(self) -> dict:
        return self.router.status()["routes"]

    def test_the_second_pairs_move_leaves_the_first_pairs_clients_where_they_are(self):
        self.fill(self.router.bootstrap, "orders", 500)
        self.fill(self.router.bootstrap, "wine", 500)
        self.wait_mirrored("seoul-tokyo", "orders")
        self.wait_mirrored("paris-berlin", "wine")
        self.move("seoul", "tokyo")
        wait_for(lambda: self.routes()["default_home"] == "tokyo", "the router knows", 60)
        self.move("paris", "berlin")
        wait_for(lambda: "paris" in self.routes()["taken_over"], "the router knows", 60)
        self.assertEqual(self.routes()["taken_over"], {"seoul": "tokyo", "paris": "berlin"})
        for topic, home in (("orders", self.tokyo), ("wine", self.berlin)):
            self.fill(self.router.bootstrap, topic, 500, "moved")
            records = sum(d.records for d in self.digests(home.bootstrap, topic).values())
            self.assertEqual(records, 1000, topic)
        self.move("tokyo", "seoul")
        wait_for(lambda: self.routes()["default_home"] == "seoul", "the router knows", 60)
        self.assertEqual(self.routes()["taken_over"]["paris"], "berlin")


if __name__ == "__main__":
    world.main()
