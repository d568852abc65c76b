"""Kills at random points while topics are created, records appended and group offsets synced: the
target is at all times, byte for byte, a prefix of the source. 40 by default, 200 with --long."""

import random
import time

import world
from support import kafka, logs
from support.client import Member
from world import TwoSites, marked

KILLS = 200 if world.LONG else 40


class Kills(TwoSites):
    delay_ms = 5

    def test_the_target_is_a_prefix_after_every_kill(self):
        self.start_mirror("seoul-tokyo")
        rng = random.Random(KILLS)
        producer = self.producer(self.seoul.bootstrap, "orders")
        member = Member(self.seoul.bootstrap, "billing", "orders")
        self.addCleanup(member.kill)
        sent = topics = 0
        for number in range(KILLS):
            if number % 5 == 0:
                self.fill(self.seoul.bootstrap, f"topic-{topics}", 200, "topics")
                topics += 1
            end = time.monotonic() + rng.uniform(0.05, 0.4)
            while time.monotonic() < end:
                producer.send(marked("p", sent, 20))
                sent += 20
                time.sleep(0.004)
            victim = rng.choice([self.tokyo, self.mirrors["seoul-tokyo"], self.tokyo,
                                 self.mirrors["seoul-tokyo"], self.seoul])
            victim.kill()
            self.hold_prefixes()
            victim.start()
            if number % 20 == 19:
                print(f"    {number + 1} kills, {sent} records, {topics} topics")
        producer.flush_and_close(deadline_s=90)
        self.wait_mirrored("seoul-tokyo")
        self.hold_prefixes()
        for topic in ["orders", *(f"topic-{n}" for n in range(topics))]:
            self.assertEqual(self.digests(self.tokyo.bootstrap, topic),
                             self.digests(self.seoul.bootstrap, topic))
        self.hold_kafka_reads_both_alike()

    def hold_prefixes(self) -> None:
        """Of every topic that the target has; the source may be ahead, never behind or other."""
        for folder in self.tokyo.data.glob("*-[0-9]"):
            topic = folder.name.rsplit("-", 1)[0]
            if not topic.startswith("__"):
                copies = logs.partitions(self.tokyo.data, topic)
                originals = logs.partitions(self.seoul.data, topic)
                for number, copy in copies.items():
                    logs.hold_prefix(originals[number], copy)

    def hold_kafka_reads_both_alike(self) -> None:
        try:
            dumps = [kafka.dump_log(sorted(data.glob("orders-*/*.log")))
                     for data in (self.seoul.data, self.tokyo.data)]
        except world.unittest.SkipTest as reason:
            self.skipTest(f"all but Kafka's own tool: {reason}")
        self.assertEqual(dumps[0], dumps[1])


if __name__ == "__main__":
    world.main()
