"""What every end-to-end test starts with: a folder of its own, and processes that end with it."""

import json
import os
import sys
import tempfile
import time
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from support import ledger, logs, site, testing
from support.client import Producer
from support.processes import Failed, wait_for
from support.relay import Relay
from support.site import Mirror, Role, Router, Site, cluster, link

LONG = bool(os.environ.get("ISTHMUS_LONG"))


class World(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory(prefix="isthmus-e2e-")
        self.addCleanup(directory.cleanup)
        self.tmp = Path(directory.name)

    def started(self, role: Role):
        self.addCleanup(role.__exit__)
        return role.start()

    def site(self, name: str = "seoul", number: int = 1, **keys) -> Site:
        return self.started(Site(self.tmp, name, number, **keys))

    def producer(self, bootstrap: str, topic: str, **options) -> Producer:
        producer = Producer(bootstrap, topic, **options)
        self.addCleanup(producer.kill)
        return producer

    def fill(self, bootstrap: str, topic: str, count: int, producer: str = "fill") -> None:
        """Records 0..count-1 of a producer, all acknowledged."""
        with Producer(bootstrap, topic) as client:
            client.send(marked(producer, 0, count))
            client.flush_and_close()

    def hold_ledger(self, producer: Producer, records, acked: dict | None = None) -> None:
        """What the producer was acknowledged (by then, where `acked` is given) is there once, in
        order, at the partition and offset that it was told. librdkafka reports a batch without its
        offset when the answer was lost and more than five later ones are acknowledged by the time
        it is sent again: such records must be there too, and are few."""
        book = ledger.Ledger()
        for sequence in range(producer.sent):
            book.sent("p", sequence)
        for who, position in (producer.where if acked is None else acked).items():
            book.acked(*who, *position)
        for who in producer.unplaced if acked is None else ():
            book.acked(*who)
        audit = book.audit(records)
        self.assertTrue(audit.clean, str(audit))
        self.assertEqual(producer.acked_twice, set(), "one position, two records")
        self.assertLessEqual(len(producer.unplaced), producer.acks // 50, "acknowledged nowhere")

    def digests(self, bootstrap: str, topic: str) -> dict[int, ledger.Digest]:
        return ledger.digest(ledger.read(bootstrap, topic))


class TwoSites(World):
    """Seoul and Tokyo, 20 ms apart each way, and as far from the router; mirrors and a router where
    a test asks for them."""

    delay_ms = 20

    def setUp(self):
        super().setUp()
        self.relay = Relay()
        self.addCleanup(self.relay.close)
        self.seoul, self.tokyo = Site(self.tmp, "seoul", 1), Site(self.tmp, "tokyo", 2)
        for each in (self.seoul, self.tokyo):
            self.lay_line(each)
            self.started(each)
        self.mirrors: dict[str, Mirror] = {}
        self.clusters = self.tmp / "clusters.yaml"
        self.clusters.write_text(json.dumps(Router(
            self.tmp, "corp", {each.name: cluster(each) for each in (self.seoul, self.tokyo)}
        ).config))

    def lay_line(self, each: Site) -> None:
        """How the site is reached from the other and from the router; before it starts."""
        for listener in ("WAN", "ROUTED", "ROUTER_INSIDE"):
            port = self.relay.route(f"{each.name}-{listener}", each.ports[listener],
                                    delay_ms=self.delay_ms)
            each.advertise(listener, port)

    def between_sites(self) -> list[str]:
        """The lines between the sites, for self.relay; the router's are others."""
        return [f"{each.name}-WAN" for each in (self.seoul, self.tokyo)]

    def cut(self) -> None:
        for line in self.between_sites():
            self.relay.cut(line)

    def start_mirror(self, name: str, **options) -> Mirror:
        """The mirror of a link stands at its target; options are the link's."""
        source, target = (getattr(self, end) for end in name.split("-"))
        mirror = Mirror(self.tmp, f"mirror-{name}", {name: link(source, target, **options)})
        self.mirrors[name] = mirror
        return self.started(mirror)

    def start_router(self, **switchover) -> Router:
        clusters = {each.name: cluster(each) for each in (self.seoul, self.tokyo)}
        return self.started(Router(self.tmp, "corp", clusters, **switchover))

    def command(self, *args: str, allowed=(0,)) -> dict:
        """One of the operator's commands, with its JSON."""
        done = site.run(*args, "-o", "json", "--config", self.clusters, check=False)
        self.assertIn(done.returncode, allowed, f"{args}: {done.stdout}{done.stderr}")
        try:
            return json.loads(done.stdout) if done.stdout else {}
        except ValueError:
            self.fail(f"{args}: no JSON: {done.stdout}")

    def describe(self, name: str) -> dict:
        return self.command("link", "describe", name, allowed=(0, 2))

    def wait_mirrored(self, name: str, topic: str = "orders") -> None:
        def there():
            view = self.describe(name)
            return view["lag_records"] == 0 and topic in {t["topic"] for t in view["topics"]}
        wait_for(there, f"{name} has mirrored everything", 90)

    def switch_over(self, source: str, target: str, *options: str, allowed=(0,)) -> dict:
        return self.command("switchover", "--from", source, "--to", target, *options,
                            allowed=allowed)

    def wait_ready(self, source: str, target: str) -> None:
        wait_for(lambda: self.switch_over(source, target, "--dry-run", allowed=(0, 3))["ready"],
                 f"{source} → {target} is ready", 60)

    def hold_bytes(self, topic: str, source: str = "seoul", target: str = "tokyo") -> dict:
        """The target's files are a prefix of the source's, byte for byte; where each ends."""
        originals = logs.partitions(getattr(self, source).data, topic)
        copies = logs.partitions(getattr(self, target).data, topic)
        return {number: logs.hold_prefix(originals[number], copy)
                for number, copy in copies.items()}


class UnderLoad(TwoSites):
    """Both mirrors and a router, and one idempotent producer through it from beginning to end."""

    def setUp(self):
        super().setUp()
        for name in ("seoul-tokyo", "tokyo-seoul"):
            self.start_mirror(name)
        self.router = self.start_router()
        self.sent = 0

    def begin(self, count: int = 2000) -> None:
        # Its back-off grows to 10 s: a test that kills often would mostly wait for that.
        self.steady = self.producer(self.router.bootstrap, "orders", reconnect_backoff_max_ms=200)
        self.send(count)
        wait_for(lambda: self.send(1) or self.steady.acks > count // 2, "the producer is served",
                 60)
        wait_for(lambda: self.describe("seoul-tokyo")["topics"], "seoul-tokyo mirrors", 60)
        self.wait_ready("seoul", "tokyo")

    def send(self, count: int) -> None:
        self.steady.send(marked("p", self.sent, count))
        self.sent += count

    def keep_sending(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.send(5)
            time.sleep(0.005)

    def writer(self) -> str | None:
        """The one site where clients may write the topic; None while there is none. One look asks
        the sites one after the other, and a switchover may pass in between: so two written sites
        count only where the look after says the same."""
        for _ in range(2):
            listed = self.command("topic", "list", allowed=(0, 1, 2))
            writers = [t["cluster"] for t in listed
                       if t["topic"] == "orders" and t["writer"] == "clients"]
            if len(writers) < 2:
                return writers[0] if writers else None
        self.fail(f"written at both: {writers}")

    def hold_nothing_lost(self, bootstrap: str) -> None:
        """At the end: all that was sent was acknowledged, and is there, once and in order, where
        its acknowledgement said."""
        self.steady.flush_and_close(deadline_s=90)
        self.hold_ledger(self.steady, ledger.read(bootstrap, "orders"))


def marked(producer: str, first: int, count: int, size: int = 200) -> list[tuple[bytes, bytes]]:
    """Keys, and values that say who sent them as which one."""
    body = b"x" * size
    return [(b"key-%d" % (i % 97), ledger.mark(producer, i, body))
            for i in range(first, first + count)]


def identities(records) -> list[tuple[str, int]]:
    return [ledger.identity(record.value) for record in records]


main = testing.main
