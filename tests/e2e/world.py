"""What every end-to-end test starts with: a folder of its own, and processes that end with it."""

import json
import os
import sys
import tempfile
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from support import ledger, logs, site, testing
from support.kcat import Producer
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

    def producer(self, bootstrap: str, topic: str, *options: str, **named) -> Producer:
        producer = Producer(bootstrap, topic, *options, **named)
        self.addCleanup(producer.kill)
        return producer

    def fill(self, bootstrap: str, topic: str, count: int, producer: str = "fill") -> None:
        """Records 0..count-1 of a producer, all acknowledged."""
        with Producer(bootstrap, topic) as kcat:
            kcat.send(marked(producer, 0, count))
            kcat.flush_and_close()

    def digests(self, bootstrap: str, topic: str) -> dict[int, ledger.Digest]:
        return ledger.digest(ledger.read(bootstrap, topic))


class TwoSites(World):
    """Seoul and Tokyo, 20 ms apart each way; mirrors and a router where a test asks for them."""

    delay_ms = 20

    def setUp(self):
        super().setUp()
        self.relay = Relay()
        self.addCleanup(self.relay.close)
        self.seoul, self.tokyo = Site(self.tmp, "seoul", 1), Site(self.tmp, "tokyo", 2)
        for each in (self.seoul, self.tokyo):
            each.advertise_wan(self.relay.route(each.name, each.ports["WAN"],
                                                delay_ms=self.delay_ms))
            self.started(each)
        self.mirrors: dict[str, Mirror] = {}
        self.clusters = self.tmp / "clusters.yaml"
        self.clusters.write_text(json.dumps(Router(
            self.tmp, "corp", {each.name: cluster(each) for each in (self.seoul, self.tokyo)}
        ).config))

    def start_mirror(self, name: str) -> Mirror:
        """The mirror of a link stands at its target."""
        source, target = (getattr(self, end) for end in name.split("-"))
        mirror = Mirror(self.tmp, f"mirror-{name}", {name: link(source, target)})
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
        wait_for(there, f"{name} has mirrored everything", 60)

    def switch_over(self, source: str, target: str, *options: str, allowed=(0,)) -> dict:
        return self.command("switchover", "--from", source, "--to", target, *options,
                            allowed=allowed)

    def wait_ready(self, source: str, target: str) -> None:
        wait_for(lambda: self.switch_over(source, target, "--dry-run", allowed=(0, 3))["ready"],
                 f"{source} → {target} is ready", 30)

    def hold_bytes(self, topic: str, source: str = "seoul", target: str = "tokyo") -> dict:
        """The target's files are a prefix of the source's, byte for byte; where each ends."""
        originals = logs.partitions(getattr(self, source).data, topic)
        copies = logs.partitions(getattr(self, target).data, topic)
        return {number: logs.hold_prefix(originals[number], copy)
                for number, copy in copies.items()}


def marked(producer: str, first: int, count: int, size: int = 200) -> list[tuple[bytes, bytes]]:
    """Keys, and values that say who sent them as which one."""
    body = b"x" * size
    return [(b"key-%d" % (i % 97), ledger.mark(producer, i, body))
            for i in range(first, first + count)]


def identities(records) -> list[tuple[str, int]]:
    return [ledger.identity(record.value) for record in records]


main = testing.main
