"""A row of the benchmark fits together: its three figures are of one pair, the median one."""

import sys
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "bench")]
from measure import Interval, Row
from support import testing


def row(*pairs: tuple[float, float]) -> Row:
    """Of CPU seconds for 1 GB, product and floor."""
    return Row("path", product=[Interval(p, 10**9, 1) for p, _ in pairs],
               floor=[Interval(f, 10**9, 1) for _, f in pairs])


class Rows(unittest.TestCase):
    def test_the_three_figures_are_of_one_pair(self):
        noisy = row((0.947, 0.81), (1.2, 0.425), (1.5, 2.0))
        said = noisy.as_json()
        self.assertEqual((said["s_per_gb"], said["floor_s_per_gb"]), (0.947, 0.81))
        self.assertEqual(said["times_floor"], said["s_per_gb"] / said["floor_s_per_gb"])

    def test_the_spread_is_over_all(self):
        said = row((1.0, 1.0), (3.0, 1.0), (2.0, 1.0)).as_json()
        self.assertEqual((said["times_floor_least"], said["times_floor"],
                          said["times_floor_most"]), (1.0, 2.0, 3.0))

    def test_two_pairs_flatter_nobody(self):
        self.assertEqual(row((1.0, 1.0), (3.0, 1.0)).times_floor, 3.0)


if __name__ == "__main__":
    testing.main()
