"""A row of the benchmark fits together: its figures are of one pair or run, the median one."""

import sys
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "bench")]
import clusters
import failover
import idle
import loops
from measure import Beside, BesideRow, Interval, Latencies, LineRow, OverLine, Row
from connections import ConnectionRow
from run import (BESIDE_COLUMNS, COLUMNS, CONNECTION_COLUMNS, LINE_COLUMNS, World, beside_cells,
                 cells, connection_cells, is_wanted, line_cells)
from support import history, site, testing


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
        self.assertEqual(chosen_by("beside"), ["produce beside: 1,000 partitions created",
                                               "produce beside: 5 GB deleted",
                                               "produce beside: cold reads"])


def chosen_by(word: str) -> list[str]:
    with tempfile.TemporaryDirectory() as directory:
        world = World(Path(directory))
        rows = [*world.rows(), *world.connection_rows(), *world.line_rows(), *world.beside_rows()]
    return [row.name for row, _ in rows if is_wanted(row.name, [word])]


def crossing(mb_s: float, line_mb_s: float = 125, peak_mb: float = 40) -> OverLine:
    far = Interval(0.5, 10**9, 1e3 / mb_s, peak_bytes=int(peak_mb * 1e6))
    return OverLine(far, Interval(0.4, 10**9, 0.5), line_mb_s, 1000)


class LineRows(unittest.TestCase):
    def test_the_figures_are_those_of_the_run_with_the_median_part_of_the_line(self):
        # 100 of 100 is more than 120 of 125.
        row = LineRow("path", runs=[crossing(100, 100), crossing(90), crossing(120)])
        shown = dict(zip(LINE_COLUMNS, line_cells(row)))
        self.assertEqual((shown["MB/s"], shown["line"]), ("120.00", "125.00"))
        self.assertEqual(shown["from-to"], "90.00-120.00")
        self.assertEqual((shown["x s/GB"], row.as_json()["times_near"]), ("1.25", 1.25))

    def test_two_runs_flatter_nobody(self):
        row = LineRow("path", runs=[crossing(120), crossing(100)])
        self.assertEqual(round(row.middle.far.mb_s), 100)

    def test_an_aim_that_is_missed_is_marked(self):
        for aim, peak_mb, mark in ((115, 60, ""), (121, 60, "missed"), (None, 60, ""),
                                   (None, 65, "missed")):
            row = LineRow("path", aim, runs=[crossing(120, peak_mb=peak_mb)])
            self.assertEqual(line_cells(row)[-1], mark, (aim, peak_mb))

    def test_a_peer_has_its_cells_whether_it_was_there_or_not(self):
        row = LineRow("path", runs=[crossing(120)])
        alone = line_cells(row)
        row.peer = crossing(72, peak_mb=1400)
        beside = line_cells(row)
        self.assertEqual(len(alone), len(LINE_COLUMNS))
        at = LINE_COLUMNS.index("MM2: MB/s")
        self.assertEqual(alone[at:at + 5], ["-"] * 5)
        self.assertEqual(beside[at:at + 5], ["72.00", "0.500", "1400", "2000", "0.400"])
        self.assertEqual(row.as_json()["peer"]["far"]["s_per_gb"], 0.5)

    def test_they_are_chosen_by_their_line(self):
        self.assertEqual(chosen_by("80 ms"), ["mirror, 80 ms, 1 partition",
                                              "mirror, 80 ms, 64 partitions"])

    def test_a_narrow_line_is_measured_once(self):
        with tempfile.TemporaryDirectory() as directory:
            times = [path.times(3) for _, path in World(Path(directory)).line_rows()]
        self.assertEqual(times, [3, 3, 1, 1])


class ConnectionRows(unittest.TestCase):
    def test_the_figures_are_of_the_pair_with_the_median_ratio(self):
        shown = connection_cells(ConnectionRow("what", [3.0, 1.0, 4.0], [1.0, 1.0, 2.0]))
        self.assertEqual(shown[1:], ["4.000", "1.000-4.000", "2.000", "1.000-2.000",
                                     "2.00", "1.00-3.00"])


def beside_kafka(*pairs: tuple[float, float], peak_mb: float = 100) -> clusters.ClusterRow:
    """Of CPU seconds for 1 GB, ours and Kafka's."""
    def interval(cpu_s):
        return clusters.ClusterInterval(cpu_s, bytes=10**9, seconds=1, peak_bytes=peak_mb * 1e6)
    return clusters.ClusterRow("cluster", 16384, ours=[interval(a) for a, _ in pairs],
                               kafka=[interval(b) for _, b in pairs])


class ClusterRows(unittest.TestCase):
    def test_the_figures_are_of_the_pair_with_the_median_ratio(self):
        shown = clusters.cells(beside_kafka((1.0, 8.0), (2.0, 8.0), (3.0, 8.0)), "")
        self.assertEqual((shown[1], shown[3], shown[4], shown[5]),
                         ("2.000", "8.000", "0.25", "0.12-0.38"))
        self.assertEqual(len(shown), len(clusters.COLUMNS))

    def test_an_aim_that_is_missed_is_marked(self):
        self.assertFalse(beside_kafka((2.0, 8.0)).missed)
        self.assertTrue(beside_kafka((2.1, 8.0)).missed)
        self.assertTrue(beside_kafka((2.0, 8.0), peak_mb=151).missed)


class Failovers(unittest.TestCase):
    led = {"led-0": 301, "led-1": 301}

    def sends(self, partition: str, *ended: float) -> list[history.Send]:
        return [history.Send("p", at, at, partition, number, history.OK, number)
                for number, at in enumerate(ended)]

    def test_the_longest_silence_of_each_partition_that_was_led(self):
        acked = [*self.sends("led-0", 10.0, 10.1, 10.9, 12.0),
                 *self.sends("led-1", 10.0, 11.5, 12.0), *self.sends("led-2", 10.0, 12.0)]
        told = failover.failover_of(acked, 10.05, 12.0, self.led)
        self.assertEqual([round(each, 3) for each in told.silent_s], [1.1, 1.5])
        self.assertEqual((told.led, told.worst_s), (2, 1.5))

    def test_one_that_has_not_ended_counts_until_the_end(self):
        told = failover.failover_of(self.sends("led-0", 10.0), 10.05, 12.0, self.led)
        self.assertEqual(told.silent_s, [2.0])

    def test_the_worst_of_all_is_held_against_the_aim(self):
        row = failover.FailoverRow("killed", 1.0, [failover.Failover(1000, [0.2, 0.9]),
                                                   failover.Failover(1200, [0.4])])
        self.assertEqual(failover.cells(row)[1:5], ["2", "1000", "0.90", "1.00"])
        self.assertEqual(len(failover.cells(row)), len(failover.COLUMNS))
        row.runs.append(failover.Failover(1000, [1.0]))
        self.assertTrue(row.missed)


def idling(percent: float, peak_mb: float = 100) -> idle.Idle:
    return idle.Idle(cpu_s=percent / 5, coordinator_cpu_s=0.1, seconds=20, line_bytes=40_000,
                     pss_bytes=60_000_000, peak_bytes=int(peak_mb * 1e6), load_cpu_s=1,
                     load_bytes=10**9)


class IdleRows(unittest.TestCase):
    def test_the_figures_are_of_the_run_with_the_median_cpu(self):
        row = idle.IdleRow("idle", 1000, runs=[idling(0.4), idling(0.9), idling(0.5)])
        shown = dict(zip(idle.COLUMNS, idle.cells(row)))
        self.assertEqual((shown["CPU %"], shown["from-to"]), ("0.50", "0.40-0.90"))
        self.assertEqual((shown["kB/s"], shown["PSS MB"], shown["load: s/GB"]),
                         ("2.0", "60", "1.000"))
        self.assertEqual(len(idle.cells(row)), len(idle.COLUMNS))

    def test_an_aim_that_is_missed_is_marked(self):
        self.assertFalse(idle.IdleRow("idle", 1000, runs=[idling(0.99)]).missed)
        self.assertTrue(idle.IdleRow("idle", 1000, runs=[idling(1.01)]).missed)
        self.assertTrue(idle.IdleRow("idle", 1000, runs=[idling(0.5, peak_mb=151)]).missed)


class LoopsRows(unittest.TestCase):
    def test_the_figures_are_of_the_pair_with_the_median_ratio(self):
        row = loops.LoopsRow("loops", 16384)
        for one, two in ((1.0, 1.5), (2.0, 2.2), (1.0, 2.0)):
            row.runs[1].append(Interval(one, 10**9, 2))
            row.runs[2].append(Interval(two, 10**9, 1))
        shown = loops.cells(row, "")
        self.assertEqual(shown[1:7], ["1.000", "1.500", "1.50", "1.10-2.00", "500", "1000"])
        self.assertEqual(len(shown), len(loops.COLUMNS))


class Processes(unittest.TestCase):
    def test_each_could_start(self):
        with tempfile.TemporaryDirectory() as directory:
            world = World(Path(directory))
            world.tls.make()
            for role in world.roles:
                site.run("config", "check", role.write_config())


class Tables(unittest.TestCase):
    def test_each_cell_has_its_column(self):
        self.assertEqual(len(cells(row((1.0, 1.0)))), len(COLUMNS))
        self.assertEqual(len(beside_cells(BesideRow("path", 10, [run_with(9)]))),
                         len(BESIDE_COLUMNS))
        self.assertEqual(len(connection_cells(ConnectionRow("what", [1.0], [1.0]))),
                         len(CONNECTION_COLUMNS))


if __name__ == "__main__":
    testing.main()
