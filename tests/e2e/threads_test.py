"""Two sites of two loops each, both mirrors and a router, built with ThreadSanitizer, under load:
producers, a group, a full look at metrics and status, a switchover there and back, stops and
starts. And a cluster of three brokers with two loops each on a ZooKeeper, of which one is killed,
leaders move, partitions move, and each stops and starts. No two threads of any process touch the
same memory unordered.

A test of that build only, which ./dev test --long makes.
"""

import re
import threading
from pathlib import Path

import brokers_test
import world
from support import site
from support.client import Member
from support.processes import Failed, wait_for
from support.site import Role, Site
from world import UnderLoad, identities

HERE = Path(__file__).resolve().parent
REPORT = re.compile(r"WARNING: ThreadSanitizer.*?(?=\n=====|\Z)", re.S)


class Watched:
    """Processes whose threads are watched."""

    roles: list[Role]

    def watch(self, role: Role) -> None:
        # It goes on after a report, and says at the end that there was one.
        role.env |= {"TSAN_OPTIONS": "halt_on_error=0 exitcode=66 second_deadlock_stack=1 "
                                     "external_symbolizer_path=/usr/bin/addr2line "
                                     f"suppressions={HERE / 'threads.suppressed'}"}
        if isinstance(role, Site):
            role.config["broker"]["loops"] = 2
        self.roles.append(role)

    def look_around(self, over: threading.Event) -> None:
        while not over.wait(0.1):
            for role in self.roles:
                try:
                    for page in ("/metrics", "/status", "/readyz"):
                        role.http(page)
                except OSError:
                    pass  # it is being started again

    def begin_to_look(self) -> threading.Event:
        over = threading.Event()
        looks = threading.Thread(target=self.look_around, args=(over,), daemon=True)
        looks.start()
        self.addCleanup(looks.join)
        self.addCleanup(over.set)
        return over

    def hold_nothing_raced(self) -> None:
        """All stop in order, and none has had a report."""
        failures = []
        for role in reversed(self.roles):
            try:
                role.stop(60)
            except Failed as failure:
                failures.append(str(failure))
        reports = [f"{role.name}: {found}" for role in self.roles
                   for found in REPORT.findall(role.process.log.read_text(errors="replace"))]
        self.assertFalse(reports, "\n\n".join(reports))
        self.assertEqual(failures, [])


class Threads(Watched, UnderLoad):
    delay_ms = 1

    def setUp(self):
        self.roles = []
        super().setUp()

    def started(self, role):
        self.watch(role)
        return super().started(role)

    def test_nothing_races_under_load(self):
        over = self.begin_to_look()
        self.begin(500)
        member = Member(self.router.bootstrap, "billing", "orders")
        self.addCleanup(member.kill)
        more = [self.producer(self.router.bootstrap, f"topic-{n}") for n in range(4)]
        for source, target in (("seoul", "tokyo"), ("tokyo", "seoul")):
            for number, producer in enumerate(more):
                producer.send(world.marked(f"p{number}", producer.sent, 2000))
            self.keep_sending(5)
            self.wait_ready(source, target)
            self.switch_over(source, target)
        for producer in more:
            producer.flush_and_close()
        for role in (self.tokyo, self.mirrors["seoul-tokyo"], self.router):
            role.stop(60)
            role.start(60)
            self.keep_sending(2)
        self.hold_nothing_lost(self.seoul.bootstrap)
        expected = {("p", i) for i in range(self.sent)}
        wait_for(lambda: set(identities(member.records)) == expected, "the group has it all", 60)
        member.leave()
        over.set()
        self.hold_nothing_raced()


class ThreadsOfACluster(Watched, world.World):
    partitions = brokers_test.Brokers.partitions
    in_sync = brokers_test.Brokers.in_sync
    leads_nothing = brokers_test.Brokers.leads_nothing
    check = brokers_test.Brokers.check

    def setUp(self):
        super().setUp()
        self.roles = []
        cluster = site.Cluster(self.tmp, "busan", 3)
        self.addCleanup(cluster.__exit__)
        self.brokers = cluster.brokers
        for broker in self.brokers:
            self.watch(broker)
        cluster.start()
        self.bootstrap, self.inside = cluster.bootstrap, self.brokers[1].inside
        site.run("topic", "create", brokers_test.TOPIC, "--partitions", brokers_test.PARTITIONS,
                 "--bootstrap-server", self.inside)
        wait_for(self.in_sync, "all replicas are in sync", 60)

    def test_nothing_races_in_a_cluster_of_three(self):
        over = self.begin_to_look()
        self.load = brokers_test.Load(self.bootstrap)
        self.load.start()
        member = Member(self.bootstrap, "team", brokers_test.TOPIC)
        self.addCleanup(member.kill)
        wait_for(lambda: len(member.records) > 1000, "the group reads", 60)
        first = self.brokers[0]
        site.run("cluster", "drain", first.node_id, "--bootstrap-server", self.inside)
        wait_for(lambda: self.leads_nothing(first.node_id), "others lead", 60)
        site.run("cluster", "drain", first.node_id, "--undo", "--bootstrap-server", self.inside)
        for broker in self.brokers:
            wait_for(self.in_sync, "all replicas are in sync", 90)
            if broker is first:
                broker.kill()
            else:
                broker.stop(60)
            broker.start(60)
        wait_for(self.in_sync, "all replicas are in sync", 90)
        self.check()
        wait_for(lambda: len(member.records) >= len(self.load.acknowledged),
                 "the group has it all", 90)
        member.leave()
        over.set()
        self.hold_nothing_raced()


if __name__ == "__main__":
    world.main()
