"""Three brokers and a ZooKeeper, each on a host of its own, under load, while processes are killed
or sleep and lines are cut: what clients were told is a history without an anomaly. And a history of
clients that asked for less than safety has some.

ISTHMUS_SEED=N replays a plan of faults; with --long it is drawn and ten minutes long.
"""

import os
import random

import world
from support import anomalies, history, network
from support.cluster import Cluster
from support.history import Poll, Send
from support.nemesis import SESSION_S, Fault, Nemesis, make_plan
from support.network import Network
from support.workload import EXCUSED, Workload

TOPICS = {"orders": 6, "wine": 4, "beer": 2}
SECONDS = 600 if world.LONG else 90
ROUNDS = 4  # of what is meant to lose records
SEED = int(os.environ.get("ISTHMUS_SEED") or (random.randrange(10**6) if world.LONG else 7))


class Checked(world.World):
    def setUp(self):
        super().setUp()
        hosts = Network()
        self.addCleanup(hosts.close)
        self.cluster = Cluster(self.tmp, hosts, ["c1", "c2"], int(SESSION_S * 1000))
        self.addCleanup(self.cluster.close)
        self.cluster.start()
        self.cluster.create(TOPICS)
        self.nemesis = Nemesis(self.cluster)

    def workload(self, host, name: str, **settings) -> Workload:
        workload = Workload(host, self.cluster.bootstrap, self.tmp, name, topics=TOPICS, **settings)
        self.addCleanup(workload.__exit__)
        return workload.start()

    def judge(self, workloads: list[Workload]) -> list[anomalies.Anomaly]:
        """All that is there is read now, so that nothing is unseen that is not lost."""
        operations = history.read(each.history for each in workloads) + self.cluster.read_all()
        sends = [each for each in operations if isinstance(each, Send)]
        outcomes = {outcome: sum(each.outcome == outcome for each in sends)
                    for outcome in (history.OK, history.FAIL, history.INFO)}
        read = sum(len(each.records) for each in operations if isinstance(each, Poll))
        print(f"    {len(operations)} operations: sends {outcomes}, {read} records read",
              flush=True)
        self.operations = len(operations)
        return anomalies.check(operations)

    def test_no_fault_makes_an_anomaly(self):
        plan = make_plan(SEED, SECONDS)
        print(f"    ISTHMUS_SEED={SEED}: {len(plan)} faults in {SECONDS} s", flush=True)
        workloads = [self.workload(host, host.name, groups=["team", "shop"])
                     for host in self.cluster.clients]
        nemesis = self.nemesis
        nemesis.run(plan)
        nemesis.settle(120)
        for workload in workloads:
            workload.end()
        print(f"    {nemesis.done} faults, {nemesis.sessions_lost} sessions lost", flush=True)
        found = self.judge(workloads)
        noted = [line for each in workloads for line in each.noted()]
        strange = [line for line in noted if not line.startswith(EXCUSED)]
        print(*(f"    {line}" for line in noted), sep="\n", flush=True)
        self.keep_where(found or strange or nemesis.unexpected)
        self.assertFalse(found, anomalies.told(found))
        self.assertEqual(nemesis.unexpected, [])
        self.assertEqual(strange, [])
        self.assertGreaterEqual(nemesis.done, 30)
        self.assertGreaterEqual(self.operations, 100_000)
        self.cluster.hold_replicas_equal()

    def test_writes_with_acks_1_are_found_lost(self):
        """A leader acknowledges them while it is cut off, and others lead what it led."""
        cuts = ("cut a broker off all others", "cut a broker and zookeeper")
        workloads, found = [], set()
        # Where its clients hear in time that others lead, nothing is lost: then once more.
        while "lost_write" not in found and len(workloads) < ROUNDS:
            workload = self.workload(self.cluster.clients[0], f"c{len(workloads) + 1}",
                                     idempotent=0, plain=2, assigned=1,
                                     producer_options={"acks": 1})
            workloads.append(workload)
            self.nemesis.run([Fault(3, kind, 0, 1, 3 * SESSION_S) for kind in cuts])
            self.nemesis.settle(120)
            workload.end()
            found = {each.name for each in self.judge(workloads)}
        self.assertIn("lost_write", found)
        self.assertLessEqual(found, {"lost_write", "inconsistent_offset", "unseen"})

    def keep_where(self, wrong: bool) -> None:
        """What tells how it came, where ISTHMUS_KEEP says."""
        keep = os.environ.get("ISTHMUS_KEEP")
        if keep and wrong:
            os.makedirs(keep, exist_ok=True)
            for file in [*self.tmp.glob("c*.*"), *self.tmp.glob("*/broker.log")]:
                target = os.path.join(keep, "-".join(file.relative_to(self.tmp).parts))
                with open(target, "wb") as copy:
                    copy.write(file.read_bytes())


if __name__ == "__main__":
    network.in_private_namespace()
    world.main()
