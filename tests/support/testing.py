"""The runner of script tests: unittest, whose skips become exit code 77, which ctest counts."""

import os
import sys
import unittest
from pathlib import Path

SKIPPED = 77
ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("ISTHMUS_BUILD", ROOT / "build"))
PEERS = ROOT / ".cache" / "peers"


def need(path: Path, remedy: str) -> Path:
    """The path if it exists, else a skip that says what would bring it."""
    if not path.exists():
        raise unittest.SkipTest(f"{path.name} is missing: {remedy}")
    return path


def main() -> None:
    """Runs the calling script's tests. A failure exits 1, no test at all too; else any skip 77."""
    result = unittest.main(module="__main__", exit=False, verbosity=2).result
    for test, reason in result.skipped:
        print(f"\n!!! SKIPPED {test}: {reason}\n", file=sys.stderr)
    if not result.testsRun and not result.skipped:
        print("no test has that name", file=sys.stderr)
        sys.exit(1)
    if not result.wasSuccessful():
        sys.exit(1)
    sys.exit(SKIPPED if result.skipped else 0)
