"""Two sites and a line of 20 ms between them: the mirror's copy is the source's own bytes, and a
group goes on at the other site at exactly the next record."""

import json
import os
import threading
import time

import world
from support import kafka, site
from support.client import Member
from support.processes import wait_for
from support.site import Mirror, link
from world import TwoSites, identities


class Mirroring(TwoSites):
    def delete_group(self, bootstrap: str) -> None:
        kafka.run_tool(kafka.GROUP_COMMAND, "--bootstrap-server", bootstrap, "--delete", "--group",
                       "billing")

    def committed_at_tokyo(self) -> int:
        said = self.command("group", "describe", "billing", "--cluster", "tokyo", allowed=(0, 1))
        return sum(p["committed"] for each in said for p in each["partitions"])

    def test_offsets_and_bytes_are_identical(self):
        self.start_mirror("seoul-tokyo")
        self.fill(self.seoul.bootstrap, "orders", 30_000)
        self.wait_mirrored("seoul-tokyo")
        self.assertEqual(self.digests(self.tokyo.bootstrap, "orders"),
                         self.digests(self.seoul.bootstrap, "orders"))
        ends = self.hold_bytes("orders")
        self.assertEqual(sum(ends.values()), 30_000)

    def test_kafkas_own_tool_reads_both_logs_alike(self):
        self.start_mirror("seoul-tokyo")
        self.fill(self.seoul.bootstrap, "orders", 5000)
        self.wait_mirrored("seoul-tokyo")
        self.hold_bytes("orders")
        dumps = [kafka.dump_log(segments(data)) for data in (self.seoul.data, self.tokyo.data)]
        self.assertEqual(dumps[0], dumps[1])
        self.assertGreater(len(dumps[0]), 0)

    def test_both_ways_at_once_on_different_topics(self):
        self.start_mirror("seoul-tokyo")
        self.start_mirror("tokyo-seoul")
        self.fill(self.seoul.bootstrap, "eastward", 5000)
        # A site that has only what a link brings makes no topics for who asks.
        self.command("topic", "create", "westward", "--cluster", "tokyo")
        self.fill(self.tokyo.bootstrap, "westward", 5000)
        for link, topic in (("seoul-tokyo", "eastward"), ("tokyo-seoul", "westward")):
            self.wait_mirrored(link, topic)
            self.assertEqual(self.digests(self.tokyo.bootstrap, topic),
                             self.digests(self.seoul.bootstrap, topic))

    def test_a_damaged_batch_is_named_by_describe_and_dry_run_until_it_is_mended(self):
        for _ in range(3):
            self.fill(self.seoul.bootstrap, "orders", 100)
        log = max(self.seoul.data.glob("orders-*/*.log"), key=lambda file: file.stat().st_size)
        content = bytearray(log.read_bytes())
        with log.open("r+b") as file:
            file.seek(-4, os.SEEK_END)
            file.write(bytes([content[-4] ^ 0x40]))
        self.start_mirror("seoul-tokyo")
        wait_for(lambda: self.describe("seoul-tokyo")["failed"] == 1, "it is seen", 60)
        said = self.switch_over("seoul", "tokyo", "--dry-run", allowed=(3,))["findings"]
        stops = [f["text"] for f in said if f["verdict"] == "stop"]
        self.assertTrue(any(f"{log.parent.name}: " in text and "damaged_batch" in text
                            for text in stops), stops)
        wait_for(lambda: sum(self.hold_bytes("orders").values()) > 0, "what is good is copied")
        with log.open("r+b") as file:
            file.seek(-4, os.SEEK_END)
            file.write(content[-4:-3])
        self.wait_mirrored("seoul-tokyo")
        wait_for(lambda: self.describe("seoul-tokyo")["failed"] == 0, "it goes on by itself", 60)

    def test_a_mirror_topic_refuses_producers_and_says_who_writes_it(self):
        self.start_mirror("seoul-tokyo")
        self.fill(self.seoul.bootstrap, "orders", 100)
        self.wait_mirrored("seoul-tokyo")
        producer = self.producer(self.tokyo.bootstrap, "orders", idempotent=False,
                                 message_timeout_ms=2000)
        producer.send(world.marked("intruder", 0, 10))
        producer.close()
        self.assertEqual(producer.acks, 0)
        self.assertEqual(sum(d.records for d in
                             self.digests(self.tokyo.bootstrap, "orders").values()), 100)

    def test_a_group_goes_on_at_the_other_site_at_the_next_record(self):
        self.start_mirror("seoul-tokyo")
        self.fill(self.seoul.bootstrap, "orders", 4000)
        with Member(self.seoul.bootstrap, "billing", "orders", count=1500) as member:
            before = identities(member.wait_end())
        self.wait_mirrored("seoul-tokyo")
        wait_for(lambda: "billing" in self.describe("seoul-tokyo")["groups"], "billing follows", 60)
        wait_for(lambda: self.committed_at_tokyo() == 1500, "and so do its offsets", 60)
        self.command("link", "promote", "seoul-tokyo", "--group", "billing")
        with Member(self.tokyo.bootstrap, "billing", "orders", count=2500) as member:
            after = identities(member.wait_end())
        self.assertEqual(sorted(before + after), [("fill", i) for i in range(4000)])

    def test_a_group_that_lives_at_both_sites_is_held_and_stops_a_switchover(self):
        self.start_mirror("seoul-tokyo")
        self.fill(self.seoul.bootstrap, "orders", 1000)
        self.wait_mirrored("seoul-tokyo")
        for bootstrap in (self.tokyo.bootstrap, self.seoul.bootstrap):
            with Member(bootstrap, "billing", "orders", count=100) as member:
                member.wait_end()
        wait_for(lambda: self.describe("seoul-tokyo")["held"] == ["billing"], "billing is held",
                 60)
        said = self.switch_over("seoul", "tokyo", "--dry-run", allowed=(3,))["findings"]
        stops = [f["text"] for f in said if f["verdict"] == "stop"]
        self.assertEqual([text for text in stops if "held" in text], ["1 group held: billing"])
        self.delete_group(self.tokyo.bootstrap)
        wait_for(lambda: self.describe("seoul-tokyo")["groups"] == ["billing"], "it is the link's",
                 60)
        self.assertEqual(self.describe("seoul-tokyo")["held"], [])

    def test_offsets_that_are_gone_at_the_source_are_gone_at_the_target(self):
        self.start_mirror("seoul-tokyo")
        self.fill(self.seoul.bootstrap, "orders", 1000)
        self.wait_mirrored("seoul-tokyo")
        with Member(self.seoul.bootstrap, "billing", "orders", count=1000) as member:
            member.wait_end()
        wait_for(lambda: self.committed_at_tokyo() == 1000, "billing follows", 60)
        self.delete_group(self.seoul.bootstrap)
        wait_for(lambda: self.committed_at_tokyo() == 0, "the target has forgotten it", 60)

    def test_a_cut_line_and_a_restarted_target_leave_no_trace(self):
        self.start_mirror("seoul-tokyo")
        for round_ in range(3):
            self.fill(self.seoul.bootstrap, "orders", 3000, f"round{round_}")
            self.cut()
            self.tokyo.kill()
            self.tokyo.start()
            self.relay.restore()
        self.wait_mirrored("seoul-tokyo")
        self.assertEqual(sum(self.hold_bytes("orders").values()), 9000)

    def test_describe_says_what_a_failover_would_lose(self):
        self.start_mirror("seoul-tokyo")
        self.fill(self.seoul.bootstrap, "orders", 1000)
        self.wait_mirrored("seoul-tokyo")
        self.cut()
        self.fill(self.seoul.bootstrap, "orders", 500, "later")
        view = self.describe("seoul-tokyo")
        self.assertEqual(view["lag_records"], 500)
        self.assertIn("500 records", view["would_lose"])


class Deletions(TwoSites):
    """DeleteRecords at the source, by Kafka's own tool."""

    delay_s = 3

    def setUp(self):
        kafka.java(kafka.DELETE_RECORDS)  # a skip where it is not there
        super().setUp()
        self.fill(self.seoul.bootstrap, "orders", 4000)

    def starts(self) -> dict[str, list[int]]:
        """Where the partitions start, by cluster."""
        return {topic["cluster"]: [p["start_offset"] for p in topic["partitions"]]
                for topic in self.command("topic", "describe", "orders")}

    def delete_before(self, offset: int) -> None:
        wanted = self.tmp / "delete.json"
        wanted.write_text(json.dumps({"version": 1, "partitions": [
            {"topic": "orders", "partition": p, "offset": offset} for p in range(4)]}))
        kafka.run_tool(kafka.DELETE_RECORDS, "--bootstrap-server", self.seoul.bootstrap,
                       "--offset-json-file", wanted)

    def test_a_log_start_is_followed_after_the_delay_and_not_before(self):
        self.start_mirror("seoul-tokyo", delete_delay=f"{self.delay_s}s")
        self.wait_mirrored("seoul-tokyo")
        tool = threading.Thread(target=self.delete_before, args=(100,))
        tool.start()
        not_deleted = followed = 0.0
        end = time.monotonic() + 120
        while not followed and time.monotonic() < end:
            asked = time.monotonic()
            starts = self.starts()
            if not any(starts["seoul"]):
                not_deleted = asked
            if any(starts["tokyo"]):
                followed = time.monotonic()
        tool.join()
        self.assertGreater(not_deleted, 0)
        self.assertGreaterEqual(followed - not_deleted, self.delay_s)
        wait_for(lambda: self.starts()["tokyo"] == [100] * 4, "all partitions follow", 60)
        self.hold_bytes("orders")
        self.fill(self.seoul.bootstrap, "orders", 400, "later")
        self.wait_mirrored("seoul-tokyo")
        digests = self.digests(self.tokyo.bootstrap, "orders")
        self.assertEqual(digests, self.digests(self.seoul.bootstrap, "orders"))
        self.assertEqual([digests[p].first for p in range(4)], [100] * 4)
        self.assertEqual(sum(each.records for each in digests.values()), 4400 - 400)

    def test_by_default_the_target_keeps_what_the_source_deleted(self):
        self.start_mirror("seoul-tokyo")
        self.wait_mirrored("seoul-tokyo")
        self.delete_before(100)
        self.fill(self.seoul.bootstrap, "orders", 400, "later")
        self.wait_mirrored("seoul-tokyo")
        time.sleep(2)
        self.assertEqual(self.starts(), {"seoul": [100] * 4, "tokyo": [0] * 4})
        digests = self.digests(self.tokyo.bootstrap, "orders")
        self.assertEqual(sum(each.records for each in digests.values()), 4400)

    def test_a_topic_that_is_deleted_at_the_source_stays_at_the_target_and_says_so(self):
        self.start_mirror("seoul-tokyo")
        self.wait_mirrored("seoul-tokyo")
        before = self.digests(self.tokyo.bootstrap, "orders")
        site.run("topic", "delete", "orders", "--bootstrap-server", self.seoul.inside)

        def said():
            view = self.describe("seoul-tokyo")
            self.assertEqual(view["failed"], 0, "the copy is whole")
            return all("gone at the source" in p["reason"]
                       for topic in view["topics"] for p in topic["partitions"])
        wait_for(said, "the target says that the topic is gone", 60)
        self.assertEqual(self.digests(self.tokyo.bootstrap, "orders"), before)
        self.fill(self.seoul.bootstrap, "orders", 10, "another")
        wait_for(lambda: "recreated: " in self.mirrors["seoul-tokyo"].process.tail(),
                 "one that is made anew is refused", 60)
        self.assertEqual(self.digests(self.tokyo.bootstrap, "orders"), before)
        site.run("topic", "delete", "orders", "--bootstrap-server", self.tokyo.inside)
        self.wait_mirrored("seoul-tokyo")
        self.assertEqual(sum(d.records for d in
                             self.digests(self.tokyo.bootstrap, "orders").values()), 10)


class NumberInUse(world.World):
    def test_a_link_to_a_cluster_with_the_same_number_is_refused_and_said(self):
        seoul, tokyo = self.site("seoul", 1), self.site("tokyo", 1, node_id=201)
        self.fill(seoul.bootstrap, "orders", 10)
        mirror = Mirror(self.tmp, "mirror", {"seoul-tokyo": link(seoul, tokyo)})
        self.addCleanup(mirror.__exit__)
        mirror.launch()
        wait_for(lambda: "number 1 is in use" in mirror.process.tail(), "the mirror says why", 60)
        time.sleep(2)
        self.assertEqual(mirror.process.tail().count("number 1 is in use"), 1, "once a state")
        self.assertFalse(mirror.ready())
        topics = site.run("topic", "list", "--bootstrap-server", tokyo.inside).stdout
        self.assertNotIn("orders", topics)


def segments(data):
    return sorted(path for path in data.glob("orders-*/*.log"))


if __name__ == "__main__":
    world.main()
