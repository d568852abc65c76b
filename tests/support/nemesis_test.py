"""A plan follows from its seed, and each kind of fault is in it before any is there twice."""

import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from support import testing
from support.nemesis import KINDS, make_plan


class Plans(unittest.TestCase):
    def test_a_seed_gives_the_same_plan_and_another_another(self):
        self.assertEqual(make_plan(7, 90), make_plan(7, 90))
        self.assertNotEqual(make_plan(7, 90), make_plan(8, 90))

    def test_all_kinds_come_in_each_round(self):
        for seed in range(50):
            plan = make_plan(seed, 90)
            self.assertGreaterEqual(len(plan), 30)
            self.assertEqual({each.kind for each in plan[:len(KINDS)]}, set(KINDS))

    def test_each_is_in_time_and_lasts_as_its_kind_does(self):
        plan = make_plan(3, 600)
        self.assertEqual(plan, sorted(plan))
        self.assertLess(plan[-1].at, 600)
        for fault in plan:
            least, most = KINDS[fault.kind]
            self.assertTrue(least <= fault.lasts <= most, fault)


if __name__ == "__main__":
    testing.main()
