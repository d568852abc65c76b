"""A real Prometheus scrapes two sites, a mirror and a router, and finds what happened there."""

import re
from contextlib import suppress

import world
from support.client import Member
from support.processes import Failed, wait_for
from support.prometheus import NOT_ALWAYS, Prometheus, documented, need_program, promtool


class Metrics(world.TwoSites):
    def setUp(self):
        for program in ("prometheus", "promtool"):
            need_program(program)
        super().setUp()
        self.fill(self.seoul.bootstrap, "orders", 5000)
        with Member(self.seoul.bootstrap, "billing", "orders") as member:
            member.wait_read(5000)
            member.leave()
        self.fill(self.seoul.bootstrap, "orders", 100, "more")
        self.mirror = self.start_mirror("seoul-tokyo", acls="follow")
        self.router = self.start_router()
        self.wait_mirrored("seoul-tokyo")
        self.fill(self.router.bootstrap, "orders", 10, "routed")
        self.wait_mirrored("seoul-tokyo")

    def roles(self) -> dict[str, list]:
        return {"broker": [self.seoul, self.tokyo], "mirror": [self.mirror],
                "router": [self.router]}

    def test_what_is_told_is_what_the_table_says_and_as_prometheus_wants_it(self):
        table = documented()
        self.assertGreater(len(table), 30)
        for role, processes in self.roles().items():
            expected = {name for name, row in table.items() if role in row.roles} - NOT_ALWAYS
            # What a mirror tells its target, and what is counted now and then, comes in a moment.
            with suppress(Failed):  # that is said below
                wait_for(lambda: expected <= self.told_by(processes), f"all of a {role} is told")
            seen = set()
            for process in processes:
                text = process.http("/metrics")
                code, said = promtool("check", "metrics", stdin=text)
                self.assertEqual((code, said), (0, ""), process.name)
                for name, kind in re.findall(r"^# TYPE (\w+) (\w+)$", text, re.MULTILINE):
                    self.assertEqual(table[name].kind, kind, name)
                    self.assertIn(role, table[name].roles, name)
                    seen.add(name)
                    series = re.findall(rf"^{name}(?:_bucket)?\{{(.*)\}} ", text, re.MULTILINE)
                    for labels in series:
                        told = set(re.findall(r'(\w+)="', labels)) - {"le"}
                        self.assertEqual(told, table[name].labels, f"{name}{{{labels}}}")
            self.assertEqual(expected - seen, set(), f"never told by a {role}")

    @staticmethod
    def told_by(processes: list) -> set[str]:
        return {name for process in processes
                for name in re.findall(r"^# TYPE (\w+) ", process.http("/metrics"), re.MULTILINE)}

    def test_a_prometheus_scrapes_every_role(self):
        jobs = {role: [f"127.0.0.1:{each.admin}" for each in processes]
                for role, processes in self.roles().items()}
        prometheus = Prometheus(self.tmp / "prometheus", jobs)
        self.addCleanup(prometheus.process.kill)
        prometheus.start()
        wait_for(lambda: prometheus.one("sum(up)") == 4, "all four are up", 30)
        wait_for(lambda: prometheus.one("sum(isthmus_ready)") == 4, "all four are ready", 30)
        seoul, tokyo = (f'instance="127.0.0.1:{each.admin}"' for each in (self.seoul, self.tokyo))
        for expression, value in {
            f'sum(kafka_log_log_logendoffset{{topic="orders",{seoul}}})': 5110,
            f'sum(kafka_log_log_logendoffset{{topic="orders",{tokyo}}})': 5110,
            f"isthmus_partitions_offline{{{seoul}}}": 0,
            f'sum(kafka_consumergroup_lag{{consumergroup="billing",topic="orders",{seoul}}})': 110,
            f'isthmus_link_lag_records{{link="seoul-tokyo",{tokyo}}}': 0,
            f'isthmus_link_partitions{{link="seoul-tokyo",state="mirroring",{tokyo}}}': 4,
            'isthmus_link_attached{link="seoul-tokyo"}': 1,
            'sum(isthmus_router_site_up)': 2,
        }.items():
            with suppress(Failed):
                wait_for(lambda: prometheus.one(expression) == value, expression, 30)
            self.assertEqual(prometheus.one(expression), value, expression)
        for expression in (
            f'kafka_network_requestmetrics_requests_total{{request="Produce",{seoul}}}',
            f'isthmus_request_seconds_count{{request="Fetch",{seoul}}}',
            'sum(isthmus_router_requests_total)',
        ):
            wait_for(lambda: (prometheus.one(expression) or 0) > 0, f"{expression} > 0", 30)


if __name__ == "__main__":
    world.main()
