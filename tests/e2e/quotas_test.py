"""Quotas as operators set them and clients feel them: Kafka's own kafka-configs on one side, stock
librdkafka on the other. What is asserted is the ratio of the rate that a client has to its quota,
over some seconds after what it had saved is used up."""

import json
import time

import confluent_kafka
import world
from support import kafka

RATE = 50_000          # bytes/s
SAVED = 10 * RATE      # what a new client may use at once: Kafka's window
MEASURED_S = 6
PATIENCE_S = 30        # with another rate
TOLERANCE = 0.2
VALUE = b"x" * 1000
LIMITED = "limited"


class Throttle:
    """The longest throttle_time_ms that librdkafka's statistics tell of, over all brokers."""

    def __init__(self):
        self.longest_ms = 0
        self.options = {"client.id": LIMITED, "statistics.interval.ms": 200,
                        "stats_cb": self._take}

    def _take(self, text: str) -> None:
        for broker in json.loads(text)["brokers"].values():
            self.longest_ms = max(self.longest_ms, broker["throttle"]["max"])


class Meter:
    """Bytes over time, from when what was saved is used up."""

    def __init__(self):
        self.bytes = 0
        self.began_s = self.bytes_before = self.ended_s = None

    def add(self, count: int) -> None:
        self.bytes += count
        if self.began_s is None and self.bytes > SAVED + RATE:
            self.began_s, self.bytes_before = time.monotonic(), self.bytes

    @property
    def over(self) -> bool:
        """It ends there; later where the machine stood still, and the client uses what it saved."""
        now = time.monotonic()
        if self.ended_s is None and self.began_s is not None:
            lasted = now - self.began_s
            due = RATE * lasted
            is_off = abs(self.bytes - self.bytes_before - due) > TOLERANCE * due
            if lasted > (PATIENCE_S if is_off else MEASURED_S):
                self.ended_s = now
        return self.ended_s is not None

    @property
    def rate(self) -> float:
        return (self.bytes - self.bytes_before) / (self.ended_s - self.began_s)


class Quotas(world.World):
    def setUp(self):
        super().setUp()
        self.seoul = self.site()

    def configs(self, *args) -> str:
        done = kafka.run_tool(kafka.CONFIG_COMMAND, "--bootstrap-server", self.seoul.bootstrap,
                              *args)
        return done.stdout.decode()

    def options(self, **more) -> dict:
        return {"bootstrap.servers": self.seoul.bootstrap, "log_level": 0, **more}

    def produce(self, options: dict, over) -> Meter:
        """Until `over(meter)`; counts what is acknowledged."""
        meter = Meter()
        producer = confluent_kafka.Producer(self.options(
            **{"batch.size": 10_000, "linger.ms": 20, **options}))

        def delivered(error, message):
            self.assertIsNone(error)
            meter.add(len(message.value()))

        deadline = time.monotonic() + 90
        while not over(meter):
            self.assertLess(time.monotonic(), deadline, f"{meter.bytes} bytes acknowledged")
            if len(producer) < 50:
                producer.produce("orders", VALUE, partition=0, on_delivery=delivered)
            producer.poll(0 if len(producer) < 50 else 0.01)
        producer.purge()
        return meter

    def consume(self, options: dict) -> Meter:
        meter = Meter()
        consumer = confluent_kafka.Consumer(self.options(
            **{"group.id": "g", "enable.auto.commit": False, **options}))
        consumer.assign([confluent_kafka.TopicPartition("orders", 0, 0)])
        deadline = time.monotonic() + 90
        while not meter.over:
            self.assertLess(time.monotonic(), deadline, f"{meter.bytes} bytes read")
            message = consumer.poll(0.1)
            if message is not None:
                self.assertIsNone(message.error())
                meter.add(len(message.value()))
        consumer.close()
        return meter

    def hold(self, meter: Meter, throttle: Throttle) -> None:
        ratio = meter.rate / RATE
        self.assertAlmostEqual(ratio, 1, delta=TOLERANCE)
        self.assertGreater(throttle.longest_ms, 0, "the client was not told")

    def test_a_client_has_the_rates_that_kafkas_tool_has_set(self):
        entity = ("--entity-type", "clients", "--entity-name", LIMITED)
        rates = f"producer_byte_rate={RATE},consumer_byte_rate={RATE}"
        self.configs("--alter", "--add-config", rates, *entity)
        throttle = Throttle()
        self.hold(self.produce(throttle.options, lambda meter: meter.over), throttle)
        others = self.produce({"client.id": "another"}, lambda meter: meter.bytes > 4 * SAVED)
        self.assertGreater(others.bytes, 4 * SAVED)
        throttle = Throttle()
        self.hold(self.consume(throttle.options), throttle)
        self.assertGreater(self.seoul.metric("isthmus_throttles_total"), 0)

    def test_kafkas_tool_sets_shows_and_deletes(self):
        both = ("--entity-type", "users", "--entity-name", "alice",
                "--entity-type", "clients", "--entity-default")
        ip = ("--entity-type", "ips", "--entity-name", "127.0.0.9")
        self.configs("--alter", "--add-config", "request_percentage=12.5", *both)
        self.configs("--alter", "--add-config", "connection_creation_rate=7", *ip)
        shown = self.configs("--describe", *both)
        self.assertIn("request_percentage=12.5", shown)
        self.assertIn("user-principal 'alice'", shown)
        self.assertIn("connection_creation_rate=7", self.configs("--describe", *ip))
        self.configs("--alter", "--delete-config", "request_percentage", *both)
        self.assertNotIn("request_percentage", self.configs("--describe", *both))
        done = kafka.run_tool(kafka.CONFIG_COMMAND, "--bootstrap-server", self.seoul.bootstrap,
                              "--alter", "--add-config", "producer_byte_rate=0", *both,
                              check=False)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("must be above 0", (done.stdout + done.stderr).decode())


if __name__ == "__main__":
    world.main()
