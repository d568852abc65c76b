"""What others build on clients: a Kafka Streams application and a Connect worker start, and go on
through a switchover."""

import json
import struct
import subprocess
import threading
import urllib.request
from pathlib import Path

import world
from confluent_kafka.admin import AdminClient, NewTopic
from support import ledger, testing
from support.kafka import java
from support.processes import Failed, Process, free_port, wait_for
from world import TwoSites

NAMES = 10
WORKER = "org.apache.kafka.connect.cli.ConnectDistributed"
SHORT = ["-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xmx256m"]


class Streams:
    """StreamsApp (tests/clients/frameworks/) while it runs."""

    def __init__(self, bootstrap: str, state: Path):
        testing.need(testing.PEERS / "java.stamp", "./dev test makes it")
        command = java("StreamsApp", bootstrap, "shop", state, options=SHORT,
                       classes=testing.PEERS / "java")
        self.states: list[str] = []
        self.child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                      stderr=subprocess.DEVNULL, text=True, start_new_session=True)
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        for line in self.child.stdout:
            self.states.append(line.strip())

    def wait_running(self) -> None:
        wait_for(lambda: self.states[-1:] == ["RUNNING"] or self.child.poll() is not None,
                 "Streams runs", 120)
        assert self.child.poll() is None, self.states

    def close(self) -> None:
        self.child.stdin.close()
        self.child.wait(60)

    def kill(self) -> None:
        if self.child.poll() is None:
            self.child.kill()
            self.child.wait()
        for stream in (self.child.stdin, self.child.stdout):
            stream.close()


class Frameworks(TwoSites):
    def setUp(self):
        super().setUp()
        for name in ("seoul-tokyo", "tokyo-seoul"):
            self.start_mirror(name)
        self.router = self.start_router()

    def create(self, **topics: int) -> None:
        admin = AdminClient({"bootstrap.servers": self.router.bootstrap})
        for made in admin.create_topics([NewTopic(*each, 1) for each in topics.items()]).values():
            made.result(60)

    def move(self, source: str, target: str) -> None:
        self.wait_ready(source, target)
        self.switch_over(source, target)

    def fail_over(self) -> None:
        self.cut()
        self.seoul.kill()
        self.command("failover", "--from", "seoul", "--to", "tokyo")

    # --- Streams --------------------------------------------------------------------------------

    def order(self, count: int) -> None:
        """So many orders of each name, all acknowledged."""
        with world.Producer(self.router.bootstrap, "orders") as producer:
            producer.send([(b"n%d" % (i % NAMES), ledger.mark("orders", self.ordered * NAMES + i))
                           for i in range(count * NAMES)])
            producer.flush_and_close()
        self.ordered += count

    def counted(self) -> dict[bytes, int]:
        """The last count of each name."""
        last = {}
        for record in ledger.read(self.router.bootstrap, "counts"):
            last[record.key] = struct.unpack(">q", record.value)[0]
        return last

    def wait_counted(self, what: str, app: "Streams") -> None:
        """Each order of each name is counted. At least once: one may be counted again after a
        commit that was refused."""
        names = [ledger.mark("name", i) for i in range(NAMES)]

        def counted():
            counts = self.counted()
            return all(counts.get(name, 0) >= self.ordered for name in names)
        try:
            wait_for(counted, f"{what}: {self.ordered} of each", 120, 0.5)
        except Failed as failure:
            self.fail(f"{failure}; counted {self.counted()}; {app.states}")

    def found_shop(self) -> None:
        self.ordered = 0
        self.create(names=1, orders=4, counts=4)
        with world.Producer(self.router.bootstrap, "names") as producer:
            producer.send([(b"n%d" % i, ledger.mark("name", i)) for i in range(NAMES)])
            producer.flush_and_close()

    def streams(self, state: str) -> Streams:
        app = Streams(self.router.bootstrap, self.tmp / state)
        self.addCleanup(app.kill)
        app.wait_running()
        return app

    def test_a_streams_application_goes_on_through_switchovers(self):
        self.found_shop()
        app = self.streams("state")
        self.order(50)
        self.wait_counted("at seoul", app)
        for source, target in (("seoul", "tokyo"), ("tokyo", "seoul")):
            self.move(source, target)
            self.order(50)
            self.wait_counted(f"at {target}", app)
        # Another that knows nothing reads the changelog and the global table to their ends.
        app.close()
        other = self.streams("fresh")
        self.order(50)
        self.wait_counted("from a fresh state directory", other)
        other.close()

    def test_a_streams_application_starts_anew_after_a_failover(self):
        """It reads to the ends of its topics first, which lie behind the gap."""
        self.found_shop()
        app = self.streams("state")
        self.order(50)
        self.wait_counted("at seoul", app)
        for topic in ("orders", "names", "counts"):
            self.wait_mirrored("seoul-tokyo", topic)
        app.close()
        self.fail_over()
        other = self.streams("fresh")
        self.order(50)
        self.wait_counted("from a fresh state directory", other)
        other.close()

    # --- Connect --------------------------------------------------------------------------------

    def start_worker(self, name: str) -> int:
        """A distributed worker; the port of its REST interface."""
        port = free_port()
        config = self.tmp / f"{name}.properties"
        config.write_text("".join(f"{key}={value}\n" for key, value in {
            "bootstrap.servers": self.router.bootstrap, "group.id": "workers",
            "listeners": f"http://127.0.0.1:{port}",
            "config.storage.topic": "connect-configs", "offset.storage.topic": "connect-offsets",
            "status.storage.topic": "connect-status", "offset.storage.partitions": 5,
            "config.storage.replication.factor": 1, "offset.storage.replication.factor": 1,
            "status.storage.replication.factor": 1,
            "key.converter": "org.apache.kafka.connect.converters.ByteArrayConverter",
            "value.converter": "org.apache.kafka.connect.converters.ByteArrayConverter",
            "offset.flush.interval.ms": 500,
        }.items()))
        worker = Process(name, java(WORKER, config, options=SHORT), self.tmp / f"{name}.log")
        self.addCleanup(worker.kill)
        worker.start()
        worker.wait_ready(lambda: self.rest(port, "/connectors") is not None, 90)
        self.worker = worker
        return port

    def rest(self, port: int, path: str, body: dict | None = None):
        """The answer to a GET, or to a PUT of `body`; None while there is none: also while the
        worker rebalances, which Connect refuses with 409."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", data,
                                         {"Content-Type": "application/json"},
                                         method="GET" if body is None else "PUT")
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return json.load(answer)
        except OSError:
            return None

    def heartbeats(self) -> int:
        return sum(1 for _ in ledger.read(self.router.bootstrap, "heartbeats"))

    def wait_beating(self, port: int, what: str) -> None:
        seen = self.heartbeats()
        wait_for(lambda: self.heartbeats() > seen + 2, f"{what}: the connector goes on\n"
                 f"{self.worker.tail()}", 120, 0.5)
        wait_for(lambda: self.task_states(port) == ["RUNNING"],
                 f"{what}: the only task runs\n{self.worker.tail()}", 60, 0.5)

    def task_states(self, port: int) -> list[str]:
        status = self.rest(port, "/connectors/beat/status")
        return [] if status is None else [task["state"] for task in status["tasks"]]

    def test_a_connect_worker_goes_on_through_switchovers(self):
        port = self.start_worker("worker")
        self.found_connector(port)
        self.wait_beating(port, "at seoul")
        for source, target in (("seoul", "tokyo"), ("tokyo", "seoul")):
            self.move(source, target)
            self.wait_beating(port, f"at {target}")
        # Another reads configurations, offsets and states to their ends before it starts.
        self.worker.stop(60)
        self.wait_beating(self.start_worker("another"), "another worker")

    def test_a_connect_worker_starts_after_a_failover(self):
        port = self.start_worker("worker")
        self.found_connector(port)
        self.wait_beating(port, "at seoul")
        self.worker.stop(60)
        self.wait_mirrored("seoul-tokyo", "heartbeats")
        self.fail_over()
        self.wait_beating(self.start_worker("another"), "another worker")

    def found_connector(self, port: int) -> None:
        # PUT of the configuration may be repeated: an answer may be lost, and the worker may say
        # that it rebalances.
        config = {
            "connector.class": "org.apache.kafka.connect.mirror.MirrorHeartbeatConnector",
            "source.cluster.alias": "here", "target.cluster.alias": "there",
            "source.cluster.bootstrap.servers": self.router.bootstrap,
            "target.cluster.bootstrap.servers": self.router.bootstrap,
            "heartbeats.topic.replication.factor": 1, "emit.heartbeats.interval.seconds": 1,
            "tasks.max": 1}
        wait_for(lambda: self.rest(port, "/connectors/beat/config", config) is not None,
                 f"the worker takes the connector\n{self.worker.tail()}", 60, 0.5)
        wait_for(lambda: "heartbeats" in {t["topic"] for t in self.command("topic", "list")},
                 "the connector has made its topic", 60, 0.5)


if __name__ == "__main__":
    world.main()
