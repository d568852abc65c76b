"""A route with compression.type: what producers send plain crosses and is stored compressed, and is
the same in every other respect, through a switchover too."""

import re

import confluent_kafka
import world
from support import kafka, ledger, logs
from support.processes import wait_for
from support.site import Router, cluster
from world import TwoSites, UnderLoad

GZIP, ZSTD = 1, 4
BOTH = ("plain", "packed")


def is_control(batch: logs.Batch) -> bool:
    return bool(batch.data[22] & 0x20)


def codecs(data, topic: str) -> list[int]:
    """Of the batches that clients have written."""
    return [batch.data[22] & 7 for folder in logs.partitions(data, topic).values()
            for batch in logs.batches(folder) if not is_control(batch)]


def compressed_batches(router: Router, outcome: str) -> dict[str, int]:
    """By site."""
    found = re.findall(r'^isthmus_router_compression_batches_total\{(.*)\} (\d+)$',
                       router.http("/metrics"), re.MULTILINE)
    return {re.search(r'site="(\w+)"', labels)[1]: int(count) for labels, count in found
            if f'outcome="{outcome}"' in labels}


class Route(TwoSites):
    count = 5000

    def setUp(self):
        super().setUp()
        clusters = {each.name: cluster(each) for each in (self.seoul, self.tokyo)}
        packed = {"topic": "packed", "cluster": "tokyo", "compression.type": "zstd"}
        routes = [packed, {"topic": "plain", "cluster": "tokyo"}, {"default": "seoul"}]
        self.router = self.started(Router(self.tmp, "corp", clusters, routes))

    def produce(self, topic: str, **options) -> None:
        """The same records, whichever the topic."""
        failed = []
        producer = confluent_kafka.Producer({
            "bootstrap.servers": self.router.bootstrap, "log_level": 0, "linger.ms": 20,
            **{key.replace("_", "."): value for key, value in options.items()}})
        for i in range(self.count):
            value = None if i % 50 == 0 else ledger.mark("p", i, b"shipped to warehouse 17, " * 8)
            producer.produce(topic, value, b"key-%d" % (i % 97), timestamp=1_700_000_000_000 + i,
                             headers=[("trace", b"%d" % i)] if i % 3 == 0 else None,
                             on_delivery=lambda error, _: error and failed.append(str(error)))
            producer.poll(0)
        self.assertEqual(producer.flush(120), 0)
        self.assertEqual(failed, [])

    def size(self, topic: str) -> int:
        return sum(len(batch.data) for folder in logs.partitions(self.tokyo.data, topic).values()
                   for batch in logs.batches(folder))

    def test_the_records_are_the_same_and_the_log_is_smaller(self):
        for idempotent in (True, False):
            for topic in BOTH:
                self.produce(topic, enable_idempotence=idempotent)
        plain, packed = (self.digests(self.tokyo.bootstrap, topic) for topic in BOTH)
        self.assertEqual(sum(each.records for each in plain.values()), 2 * self.count)
        self.assertEqual(packed, plain)
        self.assertEqual(self.digests(self.router.bootstrap, "packed"), plain)
        self.assertLess(self.size("packed"), self.size("plain") / 2)
        self.assertEqual(set(codecs(self.tokyo.data, "plain")), {0})
        self.assertEqual(set(codecs(self.tokyo.data, "packed")), {ZSTD})
        self.assertEqual(compressed_batches(self.router, "compressed"),
                         {"tokyo": len(codecs(self.tokyo.data, "packed"))})

    def test_what_a_producer_compresses_stays_as_it_chose(self):
        for topic in BOTH:
            self.produce(topic, compression_type="gzip")
        self.assertEqual(self.digests(self.tokyo.bootstrap, "packed"),
                         self.digests(self.tokyo.bootstrap, "plain"))
        self.assertIn(GZIP, codecs(self.tokyo.data, "packed"))
        self.assertEqual(compressed_batches(self.router, "compressed_before"),
                         {"tokyo": codecs(self.tokyo.data, "packed").count(GZIP)})

    def test_kafkas_own_tool_finds_the_same_batches_and_no_fault(self):
        self.produce("packed")
        folders = logs.partitions(self.tokyo.data, "packed").values()
        ours = [(batch.base_offset, batch.last_offset) for folder in folders
                for batch in logs.batches(folder)]
        files = [file for folder in folders for file in logs.segments(folder)]
        self.assertEqual(kafka.dump_log(files), ours)
        self.assertGreater(len(ours), 0)


class Move(UnderLoad):
    def start_router(self, **switchover) -> Router:
        clusters = {each.name: cluster(each) for each in (self.seoul, self.tokyo)}
        routes = [{"default": "seoul", "compression.type": "zstd"}]
        return self.started(Router(self.tmp, "corp", clusters, routes, **switchover))

    def test_an_idempotent_producer_goes_there_and_back(self):
        self.begin()
        for source, target in (("seoul", "tokyo"), ("tokyo", "seoul")):
            self.keep_sending(1)
            self.wait_ready(source, target)
            self.switch_over(source, target)
            self.keep_sending(2)
        self.hold_nothing_lost(self.seoul.bootstrap)
        self.wait_mirrored("seoul-tokyo")
        self.assertEqual(self.digests(self.tokyo.bootstrap, "orders"),
                         self.digests(self.seoul.bootstrap, "orders"))
        self.hold_bytes("orders")
        self.assertEqual(set(codecs(self.seoul.data, "orders")), {ZSTD})
        by_site = compressed_batches(self.router, "compressed")
        self.assertGreater(by_site["seoul"], 0)
        self.assertGreater(by_site["tokyo"], 0, "the setting stays with the route")

    def test_a_reload_ends_it_and_begins_it(self):
        self.begin()
        for route, codec in (({"default": "seoul"}, 0),
                             ({"default": "seoul", "compression.type": "zstd"}, ZSTD)):
            self.router.config["routes"] = [route]
            self.router.write_config()
            self.router.process.reload()

            def latest_are() -> bool:
                self.keep_sending(0.2)
                return all(batches[-1] == codec for batches in self.latest())
            wait_for(latest_are, f"{route} is in force", 60)
        self.hold_nothing_lost(self.seoul.bootstrap)

    def latest(self) -> list[list[int]]:
        return [[batch.data[22] & 7 for batch in logs.batches(folder)]
                for folder in logs.partitions(self.seoul.data, "orders").values()]


if __name__ == "__main__":
    world.main()
