"""Names that a test makes up and that lead to this machine, for child processes; drives the library
of hosts.cc.

    self.enterContext(made_up(".corp"))    # kafka.corp, b101.kafka.corp, ... are 127.0.0.1
"""

import contextlib
import os
from typing import Iterator

from .testing import BUILD, need


@contextlib.contextmanager
def made_up(end: str) -> Iterator[None]:
    """For children that are started within it: whatever name ends so is 127.0.0.1."""
    library = need(BUILD / "tests" / "support" / "libhosts.so", "./dev build makes it")
    before = dict(os.environ)
    os.environ |= {"LD_PRELOAD": str(library), "ISTHMUS_HOSTS": end}
    try:
        yield
    finally:
        os.environ.clear()
        os.environ |= before
