"""What a link does not bring is not moved without a word: the dry run names it, the switchover
refuses, and goes without it when told. And a standby founds no topic that would travel home."""

import time

import world
from confluent_kafka import Consumer
from support.processes import wait_for
from world import TwoSites


class LeftOut(TwoSites):
    delay_ms = 0

    def verdicts(self) -> dict[str, str]:
        said = self.switch_over("seoul", "tokyo", "--dry-run", allowed=(0, 3))["findings"]
        return {f["text"]: f["verdict"] for f in said}

    def stops(self) -> list[str]:
        return [text for text, verdict in self.verdicts().items() if verdict == "stop"]

    def test_a_topic_that_is_excluded_after_it_was_mirrored_stops_the_move(self):
        mirror = self.start_mirror("seoul-tokyo")
        for topic in ("orders", "wine"):
            self.fill(self.seoul.bootstrap, topic, 300)
            self.wait_mirrored("seoul-tokyo", topic)
        self.wait_ready("seoul", "tokyo")
        mirror.stop()
        mirror.config["links"]["seoul-tokyo"]["topics.exclude"] = "wine"
        mirror.start()
        wait_for(lambda: self.describe("seoul-tokyo")["left_out_count"] == 1, "it is told", 60)
        left = self.describe("seoul-tokyo")["left_out"][0]
        self.assertEqual((left["topic"], left["selected"], left["was_mirrored"]),
                         ("wine", False, True))
        # The mirror has begun anew: until it is heard there is more to stop for.
        wait_for(lambda: len(self.stops()) == 1, "nothing else stops it", 60)
        self.assertIn("wine", self.stops()[0])
        self.switch_over("seoul", "tokyo", allowed=(3,))
        self.switch_over("seoul", "tokyo", "--leave-behind")
        written = {(t["cluster"], t["topic"]): t["writer"]
                   for t in self.command("topic", "list")}
        self.assertEqual(written["tokyo", "orders"], "clients")
        self.assertEqual(written["seoul", "wine"], "clients")

    def test_a_consumer_at_the_standby_founds_no_topic(self):
        self.start_mirror("seoul-tokyo")
        self.start_mirror("tokyo-seoul")
        self.fill(self.seoul.bootstrap, "orders", 300)
        self.wait_mirrored("seoul-tokyo")
        consumer = Consumer({"bootstrap.servers": self.tokyo.bootstrap, "group.id": "console",
                             "allow.auto.create.topics": True})
        self.addCleanup(consumer.close)
        consumer.subscribe(["beer"])
        end = time.monotonic() + 3
        while time.monotonic() < end:
            consumer.poll(0.1)
        self.assertNotIn("beer", {t["topic"] for t in self.command("topic", "list")})
        self.fill(self.seoul.bootstrap, "beer", 300)
        self.wait_mirrored("seoul-tokyo", "beer")


if __name__ == "__main__":
    world.main()
