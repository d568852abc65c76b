"""The input: this machine's own Debian package index, one record a package, keyed by its name."""

import itertools
import subprocess
from typing import Iterator

from support.processes import Failed


def read_index() -> list[tuple[bytes, bytes]]:
    done = subprocess.run(["apt-cache", "dumpavail"], capture_output=True)
    records = []
    for stanza in done.stdout.split(b"\n\n"):
        if stanza.startswith(b"Package: "):
            name = stanza[len(b"Package: "):stanza.index(b"\n")] if b"\n" in stanza else stanza
            records.append((name, stanza))
    if len(records) < 1000:
        raise Failed("apt-cache dumpavail lists no packages: run apt-get update first")
    return records


def marked(records: list[tuple[bytes, bytes]], producer: str) -> Iterator[tuple[bytes, bytes]]:
    """The index again and again, each value with who sends it and as which one before it."""
    who = producer.encode()
    for sequence, (key, stanza) in enumerate(itertools.cycle(records)):
        yield key, b"%s:%d:%s" % (who, sequence, stanza)
