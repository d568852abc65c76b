"""How far a group is behind, in records and in seconds: at /metrics and in the commands, of one
broker and of three, and when its coordinator is gone."""

import json
import re
import time

import world
from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic
from support.processes import wait_for
from support.site import Cluster, Role, run

TOPIC, GROUP = "orders", "billing"
# Of a value that grows with the clock: how long a slow machine may take to look at it.
SLACK_S = 60


def series(process: Role, name: str) -> dict[tuple[str, ...], float]:
    """What /metrics tells of the group, by the other labels, or by () where there are none."""
    found = {}
    for labels, value in re.findall(rf"^{name}\{{(.*)\}} (.*)$", process.http("/metrics"),
                                    re.MULTILINE):
        told = dict(re.findall(r'(\w+)="([^"]*)"', labels))
        if told.pop("consumergroup") == GROUP:
            found[tuple(told[label] for label in sorted(told))] = float(value)
    return found


class GroupLag(world.World):
    def create(self, bootstrap: str) -> None:
        wish = NewTopic(TOPIC, num_partitions=2, replication_factor=-1)
        admin = AdminClient({"bootstrap.servers": bootstrap})  # which outlives its answer
        admin.create_topics([wish])[TOPIC].result(60)

    def write(self, bootstrap: str, partition: int, count: int, age_s: float) -> None:
        """Records in a batch of their own, by a producer whose clock says so."""
        failures = []
        producer = Producer({"bootstrap.servers": bootstrap, "linger.ms": 100})
        written_ms = int((time.time() - age_s) * 1000)
        for number in range(count):
            producer.produce(TOPIC, str(number).encode(), partition=partition,
                             timestamp=written_ms,
                             on_delivery=lambda error, _: error and failures.append(str(error)))
        self.assertEqual((producer.flush(60), failures), (0, []))

    def commit(self, bootstrap: str, *offsets: int) -> None:
        """For the group without a member, of partitions 0, 1, ..."""
        consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": GROUP,
                             "enable.auto.commit": False})
        wished = [TopicPartition(TOPIC, p, at) for p, at in enumerate(offsets)]

        def committed() -> bool:
            try:
                told = consumer.commit(offsets=wished, asynchronous=False)
                return all(p.error is None for p in told)
            except KafkaException:  # who coordinates is being found
                return False
        wait_for(committed, f"{GROUP} commits", 60)
        consumer.close()

    def listed(self, server: str) -> dict:
        for group in json.loads(run("group", "list", "--bootstrap-server", server,
                                    "-o", "json").stdout):
            if group["group"] == GROUP:
                return group
        return {}

    def wait_lag(self, process: Role, records: int, age_s: float) -> None:
        """/metrics and the command say the same of it: 0 = nothing is unread, and that exactly."""
        low, high = age_s, age_s + SLACK_S if age_s else 0

        def told() -> bool:
            sums = series(process, "isthmus_group_sum_lag_records")
            ages = series(process, "isthmus_group_max_lag_seconds")
            return sums == {(): records} and low <= ages.get((), -1) <= high
        wait_for(told, f"{process.name} tells of {records} records, {age_s} s old", 30)
        group = self.listed(process.inside)
        self.assertEqual(group["lag_records"], records)
        self.assertTrue(low <= group["lag_ms"] / 1000 <= high, group)

    def test_what_is_unread_is_told_in_records_and_in_seconds(self):
        seoul = self.site()
        self.create(seoul.bootstrap)
        self.write(seoul.bootstrap, 0, 3, 600)
        self.write(seoul.bootstrap, 0, 2, 100)
        self.write(seoul.bootstrap, 1, 1, 30)
        self.commit(seoul.bootstrap, 0, 0)
        self.wait_lag(seoul, 6, 600)
        self.assertEqual(series(seoul, "kafka_consumergroup_lag"),
                         {("0", TOPIC): 5, ("1", TOPIC): 1})
        ages = series(seoul, "isthmus_group_lag_seconds")
        self.assertTrue(30 <= ages["1", TOPIC] <= 30 + SLACK_S, ages)

        where = ("--bootstrap-server", seoul.inside)
        table = run("group", "list", *where).stdout.splitlines()
        self.assertRegex(table[0], r"STATE +LAG REC +LAG S +OWNED BY$")
        self.assertRegex(table[1], rf" {GROUP} +Empty +6 +6\d\d\.\d +clients$")
        described = json.loads(run("group", "describe", GROUP, *where, "-o", "json").stdout)
        of_each = {p["partition"]: p for p in described[0]["partitions"]}
        self.assertEqual({p: each["lag_records"] for p, each in of_each.items()}, {0: 5, 1: 1})
        self.assertTrue(30_000 <= of_each[1]["lag_ms"] <= (30 + SLACK_S) * 1000, of_each)

        self.commit(seoul.bootstrap, 3, 1)
        self.wait_lag(seoul, 2, 100)
        self.commit(seoul.bootstrap, 5, 1)
        self.wait_lag(seoul, 0, 0)
        self.assertEqual(series(seoul, "isthmus_group_lag_seconds"),
                         {("0", TOPIC): 0, ("1", TOPIC): 0})
        # A clock that is ahead.
        self.write(seoul.bootstrap, 1, 4, -600)
        self.wait_lag(seoul, 4, 0)

    def test_it_goes_on_where_the_group_is_coordinated_next(self):
        busan = Cluster(self.tmp, "busan", 3)
        self.addCleanup(busan.__exit__)
        busan.start()
        self.create(busan.bootstrap)
        self.write(busan.bootstrap, 0, 7, 600)
        self.write(busan.bootstrap, 1, 2, 100)
        self.commit(busan.bootstrap, 4, 0)
        name = "isthmus_group_sum_lag_records"

        def tellers() -> list:
            return [b for b in busan.brokers if b.alive and series(b, name)]
        first, = wait_for(tellers, "its coordinator tells of it", 30)
        self.wait_lag(first, 5, 600)
        # Whichever is asked.
        for broker in busan.brokers:
            group = self.listed(broker.inside)
            self.assertEqual(group["lag_records"], 5, broker.name)
            self.assertGreaterEqual(group["lag_ms"], 600_000, broker.name)

        first.kill()
        second, = wait_for(tellers, "another one coordinates it", 30)
        self.wait_lag(second, 5, 600)
        rest = ",".join(b.bootstrap for b in busan.brokers if b.alive)
        self.write(rest, 1, 1, 0)
        self.commit(rest, 7, 2)
        self.wait_lag(second, 1, 0.001)
        self.commit(rest, 7, 3)
        self.wait_lag(second, 0, 0)
        first.start()
        wait_for(lambda: self.listed(first.inside).get("lag_ms") == 0, "all know it", 60)


if __name__ == "__main__":
    world.main()
