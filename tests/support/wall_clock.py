"""A process's wall clock, which jumps when a test says so; drives the library of wall_clock.cc.

    clock = WallClock(tmp / "clock")
    site.env |= clock.env        # before start()
    clock.jump_to(-3600)         # seconds off the true time
"""

import struct
from pathlib import Path

from .testing import BUILD, need


class WallClock:
    def __init__(self, file: Path):
        library = need(BUILD / "tests" / "support" / "libwall_clock.so", "./dev build makes it")
        self.file = file
        self.file.write_bytes(bytes(8))
        self.env = {"LD_PRELOAD": str(library), "ISTHMUS_WALL_CLOCK": str(file)}

    def jump_to(self, seconds: float) -> None:
        with open(self.file, "r+b") as file:
            file.write(struct.pack("=q", int(seconds * 1_000_000_000)))
