"""The wall clock jumps, the others do not, and who has no such clock sees nothing."""

import os
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from support import testing
from support.wall_clock import WallClock

ASK = """
import sys, time
for _ in sys.stdin:
    print(time.clock_gettime(time.CLOCK_REALTIME), time.monotonic(), flush=True)
"""


class WallClockTest(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.clock = WallClock(Path(directory.name) / "clock")
        self.child = subprocess.Popen([sys.executable, "-c", ASK], stdin=subprocess.PIPE,
                                      stdout=subprocess.PIPE, text=True,
                                      env=os.environ | self.clock.env)
        self.addCleanup(self.child.communicate)

    def off(self) -> float:
        """How far its wall clock is from ours; its other clock is ours."""
        self.child.stdin.write("\n")
        self.child.stdin.flush()
        wall, steady = map(float, self.child.stdout.readline().split())
        self.assertAlmostEqual(steady, time.monotonic(), delta=60)
        return wall - time.time()

    def test_it_jumps_to_and_fro(self):
        for seconds in (0, 3600, -3600, 0):
            self.clock.jump_to(seconds)
            self.assertAlmostEqual(self.off(), seconds, delta=60)


if __name__ == "__main__":
    testing.main()
