"""A real Prometheus scrapes two sites, a mirror and a router, and finds what happened there."""

import json
import re
import shutil
import subprocess
import tempfile
import unittest
import urllib.parse
import urllib.request
from pathlib import Path

import world
from support import testing
from support.client import Member
from support.processes import Process, free_port, wait_for

ROLES = ("broker", "mirror", "router")
# Told only when it has happened.
NOT_ALWAYS = {"kafka_network_requestmetrics_errors_total", "isthmus_switchover_phase",
              "isthmus_loop_stalls_total", "isthmus_router_compression_batches_total",
              "isthmus_router_compression_bytes_total",
              "isthmus_router_compression_cpu_seconds_total",
              # Where there are log-ins, quotas, an audit, certificates: their own tests see them.
              "isthmus_log_ins_total", "isthmus_scram_second_nonces_total",
              "isthmus_throttles_total", "isthmus_throttle_seconds_total",
              "isthmus_audit_lines_total", "isthmus_audit_dropped_total",
              "isthmus_certificate_not_after_seconds"}


def need_program(name: str) -> str:
    path = shutil.which(name)
    if path is None:
        raise unittest.SkipTest(f"{name} is missing: Debian's package prometheus has it")
    return path


def promtool(*args, stdin: str | None = None) -> tuple[int, str]:
    done = subprocess.run([need_program("promtool"), *map(str, args)], input=stdin,
                          capture_output=True, text=True, timeout=60)
    return done.returncode, done.stdout + done.stderr


class Prometheus:
    def __init__(self, directory: Path, jobs: dict[str, list[str]], **scrape):
        """`scrape`: what each of its scrape_configs says besides."""
        self.port = free_port()
        directory.mkdir()
        config = {
            "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
            "rule_files": [str(testing.ROOT / "config" / "alerts.yaml")],
            "scrape_configs": [{"job_name": f"isthmus-{job}", "static_configs": [{"targets": at}],
                                **scrape}
                               for job, at in jobs.items()],
        }
        file = directory / "prometheus.yaml"
        file.write_text(json.dumps(config))
        self.process = Process("prometheus", [
            need_program("prometheus"), f"--config.file={file}",
            f"--storage.tsdb.path={directory / 'data'}",
            f"--web.listen-address=127.0.0.1:{self.port}"], directory / "prometheus.log")

    def start(self) -> "Prometheus":
        self.process.start()
        self.process.wait_ready(self.ready, 60)
        return self

    def ready(self) -> bool:
        try:
            self.get("/-/ready")
            return True
        except OSError:
            return False

    def get(self, path: str) -> str:
        address = f"http://127.0.0.1:{self.port}{path}"
        with urllib.request.urlopen(address, timeout=10) as answer:
            return answer.read().decode()

    def query(self, expression: str) -> list[tuple[dict, float]]:
        path = "/api/v1/query?" + urllib.parse.urlencode({"query": expression})
        answer = json.loads(self.get(path))
        return [(each["metric"], float(each["value"][1])) for each in answer["data"]["result"]]

    def one(self, expression: str) -> float | None:
        found = self.query(expression)
        return found[0][1] if len(found) == 1 else None


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
        table = {}
        for line in (testing.ROOT / "docs" / "metrics.md").read_text().splitlines():
            if row := re.match(r"\| `(\w+)` \| (\w+) \| ([\w, ]*) \| ([\w, ]+) \|", line):
                labels = set(filter(None, row[3].split(", ")))
                table[row[1]] = (row[2], labels, row[4].split(", "))
        self.assertGreater(len(table), 30)
        for role, processes in self.roles().items():
            seen = set()
            for process in processes:
                text = process.http("/metrics")
                code, said = promtool("check", "metrics", stdin=text)
                self.assertEqual((code, said), (0, ""), process.name)
                for name, kind in re.findall(r"^# TYPE (\w+) (\w+)$", text, re.MULTILINE):
                    self.assertEqual(table[name][0], kind, name)
                    self.assertIn(role, table[name][2], name)
                    seen.add(name)
                    series = re.findall(rf"^{name}(?:_bucket)?\{{(.*)\}} ", text, re.MULTILINE)
                    for labels in series:
                        told = set(re.findall(r'(\w+)="', labels)) - {"le"}
                        self.assertEqual(told, table[name][1], f"{name}{{{labels}}}")
            documented = {name for name, (_, _, roles) in table.items() if role in roles}
            self.assertEqual(documented - seen - NOT_ALWAYS, set(), f"never told by a {role}")

    def test_a_prometheus_scrapes_every_role_and_loads_the_alerts(self):
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
            self.assertEqual(prometheus.one(expression), value, expression)
        for expression in (
            f'kafka_network_requestmetrics_requests_total{{request="Produce",{seoul}}}',
            f'isthmus_request_seconds_count{{request="Fetch",{seoul}}}',
            'sum(isthmus_router_requests_total)',
        ):
            self.assertGreater(prometheus.one(expression), 0, expression)
        groups = json.loads(prometheus.get("/api/v1/rules"))["data"]["groups"]
        rules = [rule for group in groups for rule in group["rules"]]
        self.assertEqual(len(rules), 5)
        wait_for(lambda: self.rule_states(prometheus) == {("ok", "inactive")},
                 "no alert, of five that work", 30)

    def rule_states(self, prometheus: Prometheus) -> set[tuple[str, str]]:
        groups = json.loads(prometheus.get("/api/v1/rules"))["data"]["groups"]
        return {(rule["health"], rule["state"]) for group in groups for rule in group["rules"]}


class Alerts(unittest.TestCase):
    def test_promtool_takes_them(self):
        code, said = promtool("check", "rules", testing.ROOT / "config" / "alerts.yaml")
        self.assertEqual(code, 0, said)
        self.assertIn("5 rules found", said)

    def test_each_fires_for_what_it_is_there_for(self):
        """Prometheus' own test of rules, over series as we tell them."""
        series = {
            "IsthmusNotServing": 'up{job="isthmus-broker",instance="a"} 1 1 0x20',
            "IsthmusPartitionsOffline": 'isthmus_partitions_offline{instance="a"} 0 0 2x20',
            "IsthmusLinkWithoutMirror": 'isthmus_link_contact_age_seconds{link="a-b"} 1 1 60x20',
            "IsthmusLinkLag": 'isthmus_link_lag_seconds{link="a-b"} 0 0 30x20',
            "IsthmusMirrorFailed":
                'isthmus_link_partitions{link="a-b",state="failed"} 0 0 1x20',
        }
        self.assertEqual(len(series), 5)
        tests = []
        for alert, line in series.items():
            name, values = line.split("} ")
            tests.append({
                "interval": "1m",
                "input_series": [{"series": name + "}", "values": values}],
                "promql_expr_test": [
                    {"expr": f'count(ALERTS{{alertname="{alert}",alertstate="firing"}})',
                     "eval_time": "15m", "exp_samples": [{"labels": "{}", "value": 1}]},
                    {"expr": f'count(ALERTS{{alertname="{alert}"}})', "eval_time": "1m",
                     "exp_samples": []}],
            })
        rules = str(testing.ROOT / "config" / "alerts.yaml")
        code, said = promtool("test", "rules", self.file({"rule_files": [rules], "tests": tests}))
        self.assertEqual(code, 0, said)

    def file(self, content: dict) -> Path:
        directory = tempfile.TemporaryDirectory(prefix="isthmus-alerts-")
        self.addCleanup(directory.cleanup)
        file = Path(directory.name) / "tests.yaml"
        file.write_text(json.dumps(content))
        return file


if __name__ == "__main__":
    world.main()
