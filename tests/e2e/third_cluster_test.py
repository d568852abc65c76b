"""Another cluster under a site's name: a mirror is pointed at it, by a wrong address, or because
somebody has set the site up anew. It knows of nothing, and says so in good faith. What it says
changes nothing, and each who hears it tells which cluster was expected and which was found."""

import json

import world
from pinned import Pinned, Table
from support import site
from support.phases import FINISH
from support.processes import wait_for
from support.site import Router, Site, cluster, link


class ThirdCluster(Pinned):
    table = Table([])

    @staticmethod
    def problem(mirror) -> str:
        try:
            return mirror.status().get("links", {}).get("seoul-tokyo", {}).get("problem", "")
        except OSError:
            return ""  # it has just been launched

    def test_its_word_opens_nothing_that_was_handed_over(self):
        self.begin(200)
        finish = self.phases.hold(FINISH)
        command = self.start("switchover", "--from", "seoul", "--to", "tokyo")
        self.wait_held(finish)
        mirror = self.mirrors["seoul-tokyo"]
        mirror.kill()
        finish.drop()
        command.kill()
        right = mirror.config["links"]["seoul-tokyo"]

        other = self.started(Site(self.tmp / "elsewhere", "tokyo", 3))
        mirror.config["links"]["seoul-tokyo"] = link(self.seoul, other)
        mirror.launch()
        self.explained("the mirror", lambda: wait_for(
            lambda: "(number 3)" in self.problem(mirror), "it is said", 60))
        self.assertIn("(number 2)", self.problem(mirror))
        self.assertEqual(self.writer(), "tokyo")

        known = self.tmp / "known.yaml"
        known.write_text(json.dumps(Router(
            self.tmp, "misled", {each.name: cluster(each) for each in (self.seoul, other)}).config))
        for line in (["link", "describe", "seoul-tokyo"],
                     ["switchover", "--from", "seoul", "--to", "tokyo"]):
            done = site.run(*line, "--config", known, check=False)
            self.assertEqual(done.returncode, 1, done.stdout + done.stderr)
            self.assertIn("(number 2)", done.stderr)
            self.assertIn("(number 3)", done.stderr)
        self.assertEqual(self.writer(), "tokyo")

        mirror.kill()
        mirror.config["links"]["seoul-tokyo"] = right
        mirror.start()
        self.switch_over("seoul", "tokyo", allowed=(0, 3))
        self.keep_sending(1)
        self.assertEqual(self.writer(), "tokyo")
        self.hold_nothing_lost(self.tokyo.bootstrap)


if __name__ == "__main__":
    world.main()
