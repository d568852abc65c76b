"""The disaster: the active site is killed under load with the line cut; the other goes on, and the
way back brings every acknowledged record that it lacks."""

import re
import subprocess
import time

import world
from confluent_kafka import Consumer, KafkaError, TopicPartition
from confluent_kafka.admin import AdminClient, NewPartitions
from support import kafka, ledger, testing
from support.client import Producer
from support.processes import Failed, wait_for
from world import TwoSites, identities, marked


def ends_reached(bootstrap: str, topic: str, partitions: int, **options) -> dict[int, int]:
    """Where a reader of each partition is told that it has come to the end."""
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "reader", "log_level": 0,
                         "enable.auto.commit": False, "enable.partition.eof": True,
                         **{key.replace("_", "."): value for key, value in options.items()}})
    consumer.assign([TopicPartition(topic, p, 0) for p in range(partitions)])
    ends: dict[int, int] = {}
    deadline = time.monotonic() + 60
    while len(ends) < partitions and time.monotonic() < deadline:
        message = consumer.poll(0.1)
        if message and message.error() and message.error().code() == KafkaError._PARTITION_EOF:
            ends[message.partition()] = message.offset()
    consumer.close()
    return ends


KAFKA_PYTHON = """
import sys, time
from kafka import KafkaConsumer, TopicPartition
bootstrap, isolation = sys.argv[1:]
consumer = KafkaConsumer(bootstrap_servers=bootstrap, isolation_level=isolation,
                         enable_auto_commit=False)
partitions = [TopicPartition("orders", p) for p in consumer.partitions_for_topic("orders")]
consumer.assign(partitions)
consumer.seek_to_beginning()
ends = consumer.end_offsets(partitions)
records, deadline = 0, time.monotonic() + 60
while any(consumer.position(p) < ends[p] for p in partitions) and time.monotonic() < deadline:
    records += sum(map(len, consumer.poll(timeout_ms=200).values()))
print(records, sum(ends[p] - consumer.position(p) for p in partitions))
"""


class Failover(TwoSites):
    def setUp(self):
        super().setUp()
        for name in ("seoul-tokyo", "tokyo-seoul"):
            self.start_mirror(name)
        self.router = self.start_router()

    def test_nothing_is_lost_unreported_and_no_offset_is_given_out_twice(self):
        producer = self.producer(self.router.bootstrap, "orders")
        producer.send(marked("p", 0, 5000))
        self.wait_mirrored("seoul-tokyo")
        self.cut()
        producer.send(marked("p", 5000, 5000))
        wait_for(lambda: producer.acks > 5000, "seoul has acknowledged what tokyo lacks", 60)
        time.sleep(0.5)
        self.seoul.kill()
        answer = self.command("failover", "--from", "seoul", "--to", "tokyo")
        ends = {p["partition"]: p for p in answer["topics"][0]["partitions"]}
        sent = producer.sent

        def goes_on():
            producer.send(marked("p", producer.sent, 10))
            return any(o >= ends[p]["next_offset"] for p, o in list(producer.acked))
        wait_for(goes_on, "the producer goes on", 60)
        producer.flush_and_close()
        self.assertGreater(producer.sent, sent)

        self.relay.restore()
        self.seoul.start()
        reversed_ = self.command("link", "reverse", "tokyo-seoul")
        export = reversed_["topics"][0]["exported_to"]
        promoted = list(ledger.read(self.tokyo.bootstrap, "orders"))
        exported = list(ledger.read(self.seoul.bootstrap, export))
        here, saved = set(identities(promoted)), set(identities(exported))
        lacking = producer.where.keys() - here
        self.assertGreater(len(lacking), 0, "the test lost nothing, so it showed nothing")
        self.assertEqual(lacking - saved, set(), "lost and not reported")
        self.assertEqual(len(promoted), len(here), "duplicated")
        self.assertEqual(len(exported), len(saved), "exported twice")
        # Where each was acknowledged, there it is, at one site or in the export.
        places = {(r.partition, r.offset): ledger.identity(r.value) for r in promoted + exported}
        elsewhere = {who for who, where in producer.where.items() if places.get(where) != who}
        self.assertEqual(elsewhere, set())
        self.assertEqual(producer.acked_twice, set(), "one position, two records")
        for record in promoted:
            end = ends[record.partition]
            self.assertFalse(end["end_offset"] <= record.offset < end["next_offset"],
                             "an offset that consumers may have seen at seoul")
        self.wait_mirrored("tokyo-seoul")
        self.assertEqual(self.digests(self.seoul.bootstrap, "orders"),
                         self.digests(self.tokyo.bootstrap, "orders"))
        self.hold_bytes("orders", source="tokyo", target="seoul")

    def test_a_partition_that_the_other_site_never_saw_is_kept_and_follows(self):
        self.fill(self.seoul.bootstrap, "orders", 1000)
        self.wait_mirrored("seoul-tokyo")
        before = len(self.describe("seoul-tokyo")["topics"][0]["partitions"])
        self.cut()
        admin = AdminClient({"bootstrap.servers": self.seoul.bootstrap})
        admin.create_partitions([NewPartitions("orders", before + 1)])["orders"].result(60)
        self.fill(self.seoul.bootstrap, "orders", 1000, "behind the line")
        self.seoul.kill()
        answer = self.command("failover", "--from", "seoul", "--to", "tokyo")
        self.assertIn("not_moved", answer)
        self.relay.restore()
        self.seoul.start()
        reversed_ = self.command("link", "reverse", "tokyo-seoul")
        cut = {p["partition"]: p for p in reversed_["topics"][0]["partitions"]}
        self.assertEqual(cut[before]["cut_at"], 0)
        self.assertGreater(cut[before]["end_offset"], 0, "nothing was written there")
        export = reversed_["topics"][0]["exported_to"]
        saved = set(identities(ledger.read(self.seoul.bootstrap, export)))
        self.assertTrue(saved <= {("behind the line", i) for i in range(1000)})
        self.fill(self.tokyo.bootstrap, "orders", 1000, "after")
        self.wait_mirrored("tokyo-seoul")
        self.assertEqual(self.digests(self.seoul.bootstrap, "orders"),
                         self.digests(self.tokyo.bootstrap, "orders"))
        self.wait_ready("tokyo", "seoul")
        self.switch_over("tokyo", "seoul")

    def test_commands_say_what_is_known_while_a_site_is_dead(self):
        self.fill(self.seoul.bootstrap, "orders", 100)
        self.wait_mirrored("seoul-tokyo")
        self.seoul.kill()
        for words in (("topic", "list"), ("topic", "describe", "orders")):
            self.assertEqual({t["cluster"] for t in self.command(*words, allowed=(2,))}, {"tokyo"})
        links = self.command("link", "list", allowed=(2,))
        self.assertEqual([each["link"] for each in links], ["seoul-tokyo"])
        self.command("route", "explain", "--topic", "orders", allowed=(2,))
        self.assertEqual(self.describe("seoul-tokyo")["link"], "seoul-tokyo")
        self.command("topic", "list", "--cluster", "seoul", allowed=(1,))

    def test_it_refuses_while_the_source_answers(self):
        self.fill(self.seoul.bootstrap, "orders", 100)
        self.wait_mirrored("seoul-tokyo")
        self.command("failover", "--from", "seoul", "--to", "tokyo", allowed=(3,))
        self.fill(self.seoul.bootstrap, "orders", 100, "still written")

    def test_the_promoted_site_survives_a_kill_and_keeps_the_gap(self):
        self.fill(self.seoul.bootstrap, "orders", 1000)
        self.wait_mirrored("seoul-tokyo")
        self.seoul.kill()
        answer = self.command("failover", "--from", "seoul", "--to", "tokyo")
        self.tokyo.kill()
        self.tokyo.start()
        producer = self.producer(self.tokyo.bootstrap, "orders")
        producer.send(marked("after", 0, 1000))
        producer.flush_and_close()
        next_offsets = {p["partition"]: p["next_offset"] for p in answer["topics"][0]["partitions"]}
        self.assertTrue(all(o >= next_offsets[p] for p, o in producer.acked))

    def test_who_reads_to_the_end_after_a_failover_arrives_there(self):
        """A Connect worker, a Streams application, a registry read their topics to the end before
        they write there. So nothing is written until they have arrived."""
        ends = self.fail_over(1000)

        def hold(site):
            for isolation in ("read_uncommitted", "read_committed"):
                reached = ends_reached(site.bootstrap, "orders", len(ends),
                                       isolation_level=isolation)
                self.assertEqual(reached, ends, f"{site.name} {isolation}")
                read = ledger.read(site.bootstrap, "orders", "-X", f"isolation.level={isolation}",
                                   timeout_s=90)
                self.assertEqual(len(list(read)), 1000)
        hold(self.tokyo)
        self.tokyo.kill()
        self.tokyo.start()
        hold(self.tokyo)
        self.seoul.start()
        self.command("link", "reverse", "tokyo-seoul")
        self.wait_mirrored("tokyo-seoul")
        hold(self.seoul)
        self.wait_ready("tokyo", "seoul")
        self.switch_over("tokyo", "seoul")
        hold(self.seoul)

    def fail_over(self, count: int) -> dict[int, int]:
        """Where writing goes on at tokyo, by partition."""
        self.fill(self.seoul.bootstrap, "orders", count)
        self.wait_mirrored("seoul-tokyo")
        self.seoul.kill()
        answer = self.command("failover", "--from", "seoul", "--to", "tokyo")
        return {p["partition"]: p["next_offset"] for p in answer["topics"][0]["partitions"]}

    def test_kafka_python_stands_at_the_end_after_a_failover(self):
        python = testing.need(testing.PEERS / "python" / "bin" / "python", "./dev test makes it")
        self.fail_over(1000)
        for isolation in ("read_uncommitted", "read_committed"):
            done = subprocess.run([python, "-c", KAFKA_PYTHON, self.tokyo.bootstrap, isolation],
                                  check=True, capture_output=True, timeout=150)
            self.assertEqual(done.stdout.split(), [b"1000", b"0"], isolation)

    def test_a_java_consumer_stands_at_the_end_after_a_failover(self):
        testing.need(testing.PEERS / "kafka.stamp", "./dev test fetches Apache Kafka")
        ends = self.fail_over(1000)
        at = ("--bootstrap-server", self.tokyo.bootstrap)
        kafka.run_tool(kafka.CONSOLE_CONSUMER, *at, "--topic", "orders", "--group", "java",
                       "--from-beginning", "--timeout-ms", "20000", check=False)
        said = kafka.run_tool(kafka.GROUP_COMMAND, *at, "--describe", "--group", "java")
        said = said.stdout.decode()
        stands = re.findall(r"^java +orders +(\d+) +(\d+) +\d+ +(\d+)", said, re.M)
        self.assertEqual({int(p): (int(o), int(lag)) for p, o, lag in stands},
                         {p: (end, 0) for p, end in ends.items()}, said)

    def test_a_site_that_comes_back_refuses_direct_writers_until_it_follows(self):
        """Nobody tells it in person: the mirror does, at first contact. A restart forgets nothing,
        and what slipped in before the contact is exported."""
        self.fill(self.router.bootstrap, "orders", 1000)
        self.wait_mirrored("seoul-tokyo")
        self.seoul.kill()
        self.command("failover", "--from", "seoul", "--to", "tokyo")
        self.seoul.start()

        def writer():
            listed = self.command("topic", "list", "--cluster", "seoul")
            return next(t["writer"] for t in listed if t["topic"] == "orders")
        wait_for(lambda: writer().startswith("nobody"), "seoul has heard of the failover", 60)
        for restarted in (False, True):
            if restarted:
                self.seoul.kill()
                self.seoul.start()
            with self.assertRaises(Failed, msg=f"written at seoul, restarted={restarted}"):
                with Producer(self.seoul.bootstrap, "orders",
                              message_timeout_ms=2000) as producer:
                    producer.send(marked("intruder", 0, 10))
                    producer.flush_and_close()
        self.command("link", "reverse", "tokyo-seoul")
        self.fill(self.router.bootstrap, "orders", 1000, "at tokyo")
        self.wait_mirrored("tokyo-seoul")
        self.assertEqual(self.digests(self.seoul.bootstrap, "orders"),
                         self.digests(self.tokyo.bootstrap, "orders"))
        self.assertNotIn("intruder", {name for name, _ in identities(
            ledger.read(self.tokyo.bootstrap, "orders"))})

    def test_the_way_back_and_then_a_planned_return(self):
        self.fill(self.router.bootstrap, "orders", 1000)
        self.wait_mirrored("seoul-tokyo")
        self.seoul.kill()
        self.command("failover", "--from", "seoul", "--to", "tokyo")
        self.fill(self.router.bootstrap, "orders", 1000, "at tokyo")
        self.seoul.start()
        self.command("link", "reverse", "tokyo-seoul")
        self.wait_mirrored("tokyo-seoul")
        self.wait_ready("tokyo", "seoul")
        self.switch_over("tokyo", "seoul")
        self.fill(self.router.bootstrap, "orders", 1000, "home")
        read = identities(ledger.read(self.router.bootstrap, "orders"))
        self.assertEqual(sorted(read), sorted((name, i) for name in ("fill", "at tokyo", "home")
                                              for i in range(1000)))


if __name__ == "__main__":
    world.main()
