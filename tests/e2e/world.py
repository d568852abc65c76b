"""What every end-to-end test starts with: a directory of its own, and processes that end with it."""

import os
import sys
import tempfile
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from support import ledger, testing
from support.kcat import Producer
from support.site import Role, Site

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


def marked(producer: str, first: int, count: int, size: int = 200) -> list[tuple[bytes, bytes]]:
    """Keys, and values that say who sent them as which one."""
    body = b"x" * size
    return [(b"key-%d" % (i % 97), ledger.mark(producer, i, body))
            for i in range(first, first + count)]


def identities(records) -> list[tuple[str, int]]:
    return [ledger.identity(record.value) for record in records]


main = testing.main
