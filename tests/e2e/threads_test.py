"""Two sites of two loops each, both mirrors and a router, built with ThreadSanitizer, under load:
producers, a group, a full look at metrics and status, a switchover there and back, stops and
starts. No two threads of any process touch the same memory unordered.

A test of that build only, which ./dev test --long makes.
"""

import re
import threading
from pathlib import Path

import world
from support.client import Member
from support.processes import Failed, wait_for
from support.site import Role, Site
from world import UnderLoad, identities

HERE = Path(__file__).resolve().parent
REPORT = re.compile(r"WARNING: ThreadSanitizer.*?(?=\n=====|\Z)", re.S)


class Threads(UnderLoad):
    delay_ms = 1

    def setUp(self):
        self.roles: list[Role] = []
        super().setUp()

    def started(self, role):
        # It goes on after a report, and says at the end that there was one.
        role.env |= {"TSAN_OPTIONS": "halt_on_error=0 exitcode=66 second_deadlock_stack=1 "
                                     "external_symbolizer_path=/usr/bin/addr2line "
                                     f"suppressions={HERE / 'threads.suppressed'}"}
        if isinstance(role, Site):
            role.config["broker"]["loops"] = 2
        self.roles.append(role)
        return super().started(role)

    def reports(self) -> list[str]:
        return [f"{role.name}: {found}" for role in self.roles
                for found in REPORT.findall(role.process.log.read_text(errors="replace"))]

    def look_around(self, over: threading.Event) -> None:
        while not over.wait(0.1):
            for role in self.roles:
                try:
                    for page in ("/metrics", "/status", "/readyz"):
                        role.http(page)
                except OSError:
                    pass  # it is being started again

    def test_nothing_races_under_load(self):
        over = threading.Event()
        looks = threading.Thread(target=self.look_around, args=(over,), daemon=True)
        looks.start()
        self.addCleanup(over.set)
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
        looks.join()
        failures = []
        for role in reversed(self.roles):
            try:
                role.stop(60)
            except Failed as failure:
                failures.append(str(failure))
        reports = self.reports()
        self.assertFalse(reports, "\n\n".join(reports))
        self.assertEqual(failures, [])


if __name__ == "__main__":
    world.main()
