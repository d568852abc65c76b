"""A row of the benchmark fits together: its figures are of one pair or run, the median one."""

import sys
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "bench")]
from measure import Beside, BesideRow, Interval, Latencies, Row
from run import World, beside_cells, cells, is_wanted
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

    def test_an_aim_that_is_missed_is_marked(self):
        dear = row((1.0, 1.0), (2.0, 1.0), (3.0, 1.0))
        dear.target = 2.5
        self.assertEqual(cells(dear)[-1], "")
        dear.target = 1.5
        self.assertEqual(cells(dear)[-1], "missed")


def latencies(*took_ms: float) -> Latencies:
    """Of batches that were due one each millisecond, from second 10 on."""
    samples = [(10 + i / 1000, ms / 1000) for i, ms in enumerate(took_ms)]
    return Latencies.within(samples, 10, 10 + (len(samples) - 0.5) / 1000)


def run_with(p99_ms: float) -> Beside:
    return Beside(latencies(*[1.0] * 200), latencies(*[p99_ms] * 200), 1.0)


class BesideRows(unittest.TestCase):
    def test_a_batch_belongs_to_the_interval_in_which_it_was_due(self):
        early, inside = [(9.999, 5.0)], [(10 + i / 200, 0.001) for i in range(200)]
        inside[-1] = (inside[-1][0], 2.5)  # acknowledged long after the interval's end
        late = [(11.001, 7.0)]
        said = Latencies.within(early + inside + late, 10, 11)
        self.assertEqual((said.batches, said.seconds, said.max_ms), (200, 1, 2500))
        self.assertEqual((said.p50_ms, said.p99_ms), (1, 1))

    def test_too_few_batches_are_no_p99(self):
        with self.assertRaises(SystemExit):
            latencies(*[1.0] * (Latencies.LEAST - 1))

    def test_the_figures_are_those_of_the_median_run(self):
        three = BesideRow("path", 10, [run_with(9), run_with(30), run_with(12)])
        said = three.as_json()
        self.assertEqual((said["disturbed"]["p99_ms"], said["undisturbed"]["p99_ms"]), (12, 1))
        self.assertEqual((said["p99_ms_least"], said["p99_ms_most"]), (9, 30))
        self.assertEqual(len(said["runs"]), 3)

    def test_an_aim_that_is_missed_is_marked(self):
        for p99_ms, mark in ((9.9, ""), (10.0, "missed")):
            shown = beside_cells(BesideRow("path", 10, [run_with(p99_ms)]))
            self.assertEqual((shown[2], shown[5], shown[-1]), (f"{p99_ms:.2f}", "10", mark))

    def test_they_are_chosen_by_one_word(self):
        with tempfile.TemporaryDirectory() as directory:
            world = World(Path(directory))
            names = [row.name for row, _ in world.rows() + world.beside_rows()]
        chosen = [name for name in names if is_wanted(name, ["beside"])]
        self.assertEqual(chosen, ["produce beside: 1,000 partitions created",
                                  "produce beside: 5 GB deleted", "produce beside: cold reads"])


if __name__ == "__main__":
    testing.main()
