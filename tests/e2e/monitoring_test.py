"""docs/monitoring: what rules and dashboards name is told by real processes, and each rule that is
there to wake somebody fires when it should."""

import importlib.util
import json
import os
import re
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path
from unittest import mock

import confluent_kafka
import full_disk_test
import world
from support import site as sites
from support.client import Member
from support.processes import wait_for
from support.prometheus import (ALERTS, NOT_ALWAYS, Named, Prometheus, documented, need_program,
                                promtool)
from support.site import Site
from world import marked

FOLDER = ALERTS.parent
DASHBOARDS = ("broker.json", "mirror.json", "router.json", "sites.json")
OWN = {"job", "instance"}  # labels that Prometheus adds
# A rule each: series that go wrong in the third minute, and how soon it has fired, in minutes.
CASES = {
    "IsthmusNotServing": (['up{job="isthmus-broker",instance="a"} 1 1 0x20'], 15),
    "IsthmusLoopStalled": ([
        'isthmus_loop_turn_seconds_count{instance="a"} 9 10 12 13+1x20',
        'isthmus_loop_turn_seconds_bucket{instance="a",le="1"} 9 10 11 12+1x20'], 4),
    "IsthmusFault": (['isthmus_escaped_exceptions_total{instance="a"} 0 0 1x20'], 5),
    "IsthmusCertificateEnds": (
        ['isthmus_certificate_not_after_seconds{tls="edge"} 1300000 1300000 1200000x20'], 5),
    "IsthmusCertificateEndsSoon": (
        ['isthmus_certificate_not_after_seconds{tls="edge"} 180000 180000 170000x20'], 5),
    "IsthmusDescriptors": ([
        'process_open_fds{job="j",instance="a"} 10 10 90x20',
        'process_max_fds{job="j",instance="a"} 100x20',
        'process_open_fds{job="j",instance="other"} 99x20',
        'process_max_fds{job="j",instance="other"} 100x20',
        'isthmus_ready{job="j",instance="a"} 1x20'], 15),
    "IsthmusRequestsAtTheirLimit": ([
        'isthmus_requests_under_way_bytes{instance="a"} 10 10 95x20',
        'isthmus_requests_limit_bytes{instance="a"} 100x20'], 15),
    "IsthmusConnectionsRefused": (
        ['isthmus_connections_refused_total{instance="a"} 0 0 5+5x20'], 15),
    "IsthmusAuditDropped": (['isthmus_audit_dropped_total{instance="a"} 0 0 1x20'], 5),
    "IsthmusPartitionsOffline": (['isthmus_partitions_offline{instance="a"} 0 0 2x20'], 15),
    "IsthmusPartitionsWithoutLeader": (
        ['kafka_controller_kafkacontroller_offlinepartitionscount{instance="a"} 0 0 2x20'], 15),
    "IsthmusUnderMinIsr": (
        ['kafka_server_replicamanager_underminisrpartitioncount{instance="a"} 0 0 2x20'], 15),
    "IsthmusUnderReplicated": (
        ['kafka_server_replicamanager_underreplicatedpartitions{instance="a"} 0 0 2x20'], 15),
    "IsthmusDiskNearItsReserve": ([
        'isthmus_storage_free_bytes{directory="/d",instance="a"} 900 900 190x20',
        'isthmus_storage_reserve_bytes{directory="/d",instance="a"} 100x20',
        'isthmus_storage_free_bytes{directory="/none",instance="a"} 10x20',
        'isthmus_storage_reserve_bytes{directory="/none",instance="a"} 0x20'], 15),
    "IsthmusSlowDisk": ([
        'isthmus_fsync_seconds_bucket{instance="a",le="0.25"} 0 9 9x30',
        'isthmus_fsync_seconds_bucket{instance="a",le="1"} 0 9 18+9x30',
        'isthmus_fsync_seconds_bucket{instance="a",le="+Inf"} 0 9 18+9x30'], 20),
    # A link mirrors it to a site where it is not as far behind.
    "IsthmusGroupLag": ([
        'isthmus_group_max_lag_seconds{consumergroup="g",instance="a"} 0 0 700+60x20',
        'isthmus_group_max_lag_seconds{consumergroup="g",instance="b"} 0 0 650+60x20',
        'isthmus_group_max_lag_seconds{consumergroup="well",instance="a"} 500x20'], 15),
    "IsthmusLinkWithoutMirror": (['isthmus_link_contact_age_seconds{link="a-b"} 1 1 60x20'], 15),
    # One of two mirrors stands in reserve.
    "IsthmusLinkStopped": ([
        'isthmus_link_attached{link="a-b",instance="1"} 1 1 0x20',
        'isthmus_link_attached{link="a-b",instance="2"} 0 0 0x20'], 15),
    "IsthmusLinkLag": (['isthmus_link_lag_seconds{link="a-b"} 0 0 30x20'], 15),
    "IsthmusMirrorFailed": (
        ['isthmus_link_partitions{link="a-b",state="failed"} 0 0 1x20'], 15),
    "IsthmusLinkPaused": (['isthmus_link_partitions{link="a-b",state="paused"} 0 0 1x99'], 90),
    "IsthmusLinkAccess": (['isthmus_link_access_problems{link="a-b"} 0 0 1x40'], 30),
    "IsthmusSwitchoverStands": (
        ['isthmus_switchover_phase{link="a-b",phase="handed_over"} _ _ 1x20'], 15),
    "IsthmusSiteDown": (['isthmus_router_site_up{site="a",instance="r"} 1 1 0x20'], 15),
}


def rules_of(text: str) -> list[dict]:
    """Name, expression and texts of each: our file's YAML is this simple."""
    rules = []
    for part in re.split(r"^      - alert: ", text, flags=re.MULTILINE)[1:]:
        rule = {"alert": part.partition("\n")[0]}
        for key in ("expr", "severity", "summary", "next"):
            found = re.search(rf"\b{key}: (?:>-\n((?:\s{{10,}}.*\n)+)|(.*))", part)
            rule[key] = " ".join((found[1] or found[2]).split()) if found else ""
        rules.append(rule)
    return rules


def dashboards() -> dict[str, dict]:
    return {name: json.loads((FOLDER / name).read_text()) for name in DASHBOARDS}


def expressions(dashboard: dict) -> list[tuple[str, str, str]]:
    """Where, expression, legend."""
    found = [(panel["title"], target["expr"], target["legendFormat"])
             for panel in dashboard["panels"] for target in panel["targets"]]
    found += [(each["name"], each["query"]["query"], "")
              for each in dashboard["templating"]["list"] if each["type"] == "query"]
    return found


def all_expressions() -> list[tuple[str, str, str]]:
    """Of rules and dashboards; where and, as legend, all that shows labels."""
    found = [(rule["alert"], rule["expr"], rule["summary"] + rule["next"])
             for rule in rules_of(ALERTS.read_text())]
    for name, dashboard in dashboards().items():
        found += [(f"{name}: {where}", *rest) for where, *rest in expressions(dashboard)]
    return found


def as_grafana_asks(expression: str) -> str:
    return expression.replace("$__rate_interval", "10s").replace("$instance", ".*")


class Files(unittest.TestCase):
    def test_promtool_takes_the_rules_and_each_says_what_to_do(self):
        code, said = promtool("check", "rules", ALERTS)
        self.assertEqual(code, 0, said)
        rules = rules_of(ALERTS.read_text())
        self.assertIn(f"{len(rules)} rules found", said)
        for rule in rules:
            self.assertIn(rule["severity"].rstrip("}"), ("page", "ticket"), rule)
            self.assertTrue(rule["expr"] and rule["summary"] and rule["next"], rule)

    def test_each_rule_fires_for_what_it_is_there_for_and_only_then(self):
        """Prometheus' own test of rules, over series as we tell them."""
        self.assertEqual([rule["alert"] for rule in rules_of(ALERTS.read_text())], list(CASES))
        tests = []
        for alert, (series, fired) in CASES.items():
            split = [re.fullmatch(r"(\w+\{.*\}) (.*)", line) for line in series]
            tests.append({
                "interval": "1m",
                "input_series": [{"series": each[1], "values": each[2]} for each in split],
                "promql_expr_test": [
                    {"expr": f'count(ALERTS{{alertname="{alert}",alertstate="firing"}})',
                     "eval_time": f"{fired}m", "exp_samples": [{"labels": "{}", "value": 1}]},
                    {"expr": f'count(ALERTS{{alertname="{alert}"}})', "eval_time": "1m",
                     "exp_samples": []}],
            })
        with tempfile.TemporaryDirectory(prefix="isthmus-alerts-") as directory:
            file = Path(directory) / "tests.yaml"
            file.write_text(json.dumps({"rule_files": [str(ALERTS)], "tests": tests}))
            code, said = promtool("test", "rules", file)
        self.assertEqual(code, 0, said)

    def test_what_they_name_stands_in_the_table_of_metrics(self):
        table = documented()
        found = all_expressions()
        self.assertGreater(len(found), 100)
        for where, expression, shown in found:
            named = Named(expression)
            self.assertTrue(named.metrics, where)
            known = set(OWN)
            for name, labels in named.metrics.items():
                if name == "up":  # Prometheus' own
                    continue
                row = table.get(name) or table.get(named.base(name))
                self.assertIsNotNone(row, f"{where}: {name} is not in docs/metrics.md")
                self.assertEqual(row.kind == "histogram", name not in table, f"{where}: {name}")
                of_this = row.labels | OWN | ({"le"} if name.endswith("_bucket") else set())
                self.assertLessEqual(labels, of_this, f"{where}: {name}")
                known |= of_this
            self.assertLessEqual(named.grouped, known, where)
            legend = set(re.findall(r"\{\{\s*(?:\$labels\.)?(\w+)", shown))
            by = re.match(r"(?:\w+\(\s*)*\w+ by \(([^)]*)\)", expression)
            left = set(re.split(r",\s*", by[1])) if by else known
            self.assertLessEqual(legend, left, f"{where}: a label that is not there")

    def test_dashboards_are_those_of_the_script(self):
        spec = importlib.util.spec_from_file_location("dashboards", FOLDER / "dashboards.py")
        script = importlib.util.module_from_spec(spec)
        with mock.patch.object(sys, "dont_write_bytecode", True):  # docs/ stays as it is
            spec.loader.exec_module(script)
        made = script.all_dashboards()
        self.assertEqual(sorted(made), sorted(path.name for path in FOLDER.glob("*.json")))
        for name, dashboard in made.items():
            self.assertEqual((FOLDER / name).read_text(), script.text_of(dashboard),
                             "run docs/monitoring/dashboards.py")

    def test_panels_lie_beside_each_other(self):
        for name, dashboard in dashboards().items():
            taken, ids = set(), set()
            for panel in dashboard["panels"]:
                at = panel["gridPos"]
                cells = {(x, y) for x in range(at["x"], at["x"] + at["w"])
                         for y in range(at["y"], at["y"] + at["h"])}
                self.assertFalse(cells & taken, f"{name}: {panel['title']} lies over another")
                self.assertLessEqual(at["x"] + at["w"], 24, f"{name}: {panel['title']}")
                taken |= cells
                ids.add(panel["id"])
            self.assertEqual(len(ids), len(dashboard["panels"]), name)


def quick(directory: Path) -> Path:
    """The rules without their patience; all limits stay."""
    text, changed = re.subn(r"for: \d+[mh]$", "for: 1s", ALERTS.read_text(), flags=re.MULTILINE)
    assert changed > 10
    file = directory / "quick.yaml"
    file.write_text(text)
    return file


class Watched(world.World):
    """A Prometheus over real processes."""

    def watch(self, rules: Path, **jobs: list) -> None:
        need_program("promtool")
        self.prometheus = Prometheus(
            self.tmp / "prometheus", {job: [f"127.0.0.1:{each.admin}" for each in processes]
                                      for job, processes in jobs.items()}, rules)
        self.addCleanup(self.prometheus.process.kill)
        self.prometheus.start()
        count = sum(map(len, jobs.values()))
        wait_for(lambda: self.prometheus.one("sum(isthmus_ready)") == count, "all are ready", 60)

    def wait_fires(self, alert: str, deadline_s: float = 90, **labels: str) -> None:
        def fires():
            return [each for each in self.prometheus.alerts() if each["state"] == "firing"
                    and each["labels"].items() >= {"alertname": alert, **labels}.items()]
        for each in wait_for(fires, f"{alert} {labels}", deadline_s, 0.3):
            for text in each["annotations"].values():
                self.assertNotRegex(text, "error|no value|%!", alert)


class Sites(Watched, world.TwoSites):
    def setUp(self):
        need_program("prometheus")
        super().setUp()
        self.fill(self.seoul.bootstrap, "orders", 1000)
        with Member(self.seoul.bootstrap, "billing", "orders") as member:
            member.wait_read(1000)
            member.leave()
        self.start_mirror("seoul-tokyo", acls="follow")
        self.start_mirror("tokyo-seoul")
        self.router = self.start_router()
        self.wait_mirrored("seoul-tokyo")
        self.fill(self.router.bootstrap, "orders", 10, "routed")
        self.wait_mirrored("seoul-tokyo")

    def watch_all(self, rules: Path) -> None:
        self.watch(rules, broker=[self.seoul, self.tokyo], mirror=list(self.mirrors.values()),
                   router=[self.router])

    def test_what_they_name_is_told_and_nothing_fires_where_all_is_well(self):
        self.watch_all(ALERTS)
        for where, expression, _ in all_expressions():
            named = Named(expression)
            for name, labels in named.metrics.items():
                if named.base(name) in NOT_ALWAYS or name in NOT_ALWAYS:
                    continue
                series = wait_for(lambda: self.prometheus.query(name),
                                  f"{where}: somebody tells {name}")
                for told, _ in series:
                    self.assertLessEqual(labels, set(told), f"{where}: {name}")
            if not expression.startswith("label_values("):
                asked = as_grafana_asks(expression)
                of_now = not set(named.metrics) & NOT_ALWAYS and where in self.panels()
                # A rate is of two scrapes.
                wait_for(lambda: self.prometheus.query(asked) or not of_now,
                         f"{where}: not empty: {expression}")
        # How fast this machine is says nothing about them.
        unsure = {"IsthmusLoopStalled", "IsthmusSlowDisk"}
        rules = self.prometheus.rules()
        self.assertEqual(len(rules), len(CASES))
        wait_for(lambda: all((rule["health"] == "ok" for rule in self.prometheus.rules())),
                 "all rules work", 60)
        wait_for(lambda: {rule["name"] for rule in self.prometheus.rules()
                          if rule["state"] != "inactive"} <= unsure, "no alert", 60)

    def leave_unread(self, group: str, written_s: float) -> None:
        producer = confluent_kafka.Producer({"bootstrap.servers": self.seoul.bootstrap})
        for text in (b"read", b"unread"):
            producer.produce("invoices", text, partition=0, timestamp=int(written_s * 1000))
        self.assertEqual(producer.flush(30), 0)
        with Member(self.seoul.bootstrap, group, "invoices", count=1) as member:
            member.wait_end()

    def panels(self) -> set[str]:
        return {f"{name}: {panel['title']}" for name, dashboard in dashboards().items()
                for panel in dashboard["panels"]}

    def test_links_and_sites_in_trouble_fire(self):
        self.watch_all(quick(self.tmp))
        wait_for(lambda: "IsthmusLinkLag" not in {each["labels"]["alertname"]
                                                  for each in self.prometheus.alerts()},
                 "no lag before there is any", 60)
        # A group that has left its topic, before it read what its producer says is an hour old.
        self.leave_unread("late", time.time() - 3600)
        self.wait_fires("IsthmusGroupLag", consumergroup="late")
        # A line that is slower than what is written, by more than two fetches (8 MiB each) bring:
        # the mirror knows of the rest when the first has come that was answered behind all of it.
        for line in self.between_sites():
            self.relay.rate(line, 500_000)
        self.fill(self.seoul.bootstrap, "orders", 160_000, "much")
        self.wait_fires("IsthmusLinkLag", 150, link="seoul-tokyo")
        for line in self.between_sites():
            self.relay.rate(line, 0)
        # Nobody mirrors.
        self.mirrors["seoul-tokyo"].kill()
        self.wait_fires("IsthmusLinkWithoutMirror", link="seoul-tokyo")
        self.wait_fires("IsthmusNotServing")
        self.seoul.kill()
        self.wait_fires("IsthmusSiteDown", site="seoul")
        # A mirror is there, and its source is not.
        self.mirrors["seoul-tokyo"].launch()
        self.wait_fires("IsthmusLinkStopped", link="seoul-tokyo")


class BrokerInTrouble(Watched):
    """On a small disk, with a certificate that soon ends."""

    def setUp(self):
        need_program("prometheus")
        super().setUp()
        made = self.tmp / "tls"
        sites.run("tls", "create", "--for", "osaka", "--out", made, "--days", "1")
        self.osaka = Site(self.tmp, "osaka", 3, num_partitions=1)
        self.osaka.config["broker"]["loops"] = 1
        self.osaka.config["tls"] = {"edge": {
            "certificate": str(made / "osaka.crt"), "key": {"file": str(made / "osaka.key")},
            "ca": str(made / "ca.crt")}}
        for listener in self.osaka.config["listeners"]:
            if listener["name"] == "ROUTED":
                listener |= {"security.protocol": "SSL", "tls": "edge"}
        self.osaka.data.mkdir(parents=True)
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m", "isthmus", self.osaka.data],
                       check=True)
        self.addCleanup(subprocess.run, ["umount", "-l", self.osaka.data], check=True)
        self.started(self.osaka)
        self.fill(self.osaka.bootstrap, "orders", 100)

    def test_certificate_disk_loop_and_partition_fire(self):
        self.watch(quick(self.tmp), broker=[self.osaka])
        self.wait_fires("IsthmusCertificateEnds", tls="edge")
        self.wait_fires("IsthmusCertificateEndsSoon", tls="edge")

        space = os.statvfs(self.osaka.data)
        reserve = space.f_blocks * space.f_frsize // 10
        left = space.f_bavail * space.f_frsize - reserve * 3 // 2
        (self.osaka.data / "ballast").write_bytes(b"x" * left)
        self.wait_fires("IsthmusDiskNearItsReserve", directory=str(self.osaka.data))
        (self.osaka.data / "ballast").unlink()

        self.hold_the_loop(1.5)
        self.wait_fires("IsthmusLoopStalled")

        self.osaka.kill()
        log = self.osaka.data / "orders-0" / f"{0:020}.log"
        content = bytearray(log.read_bytes())
        content[-4] ^= 0x40
        log.write_bytes(content)
        self.osaka.start()
        self.wait_fires("IsthmusPartitionsOffline")

    def hold_the_loop(self, seconds: float) -> None:
        """Stops the process in the middle of a turn: when its loop does not wait for anything."""
        load = self.producer(self.osaka.bootstrap, "load", linger_ms=0)
        sent = 0
        call = Path(f"/proc/{self.osaka.process.pid}/syscall")
        state = Path(f"/proc/{self.osaka.process.pid}/stat")
        end = time.monotonic() + 60
        while True:
            self.assertLess(time.monotonic(), end, "the loop was never found at work")
            load.send(marked("load", sent, 20))
            sent += 20
            self.osaka.process.pause()
            wait_for(lambda: state.read_text().rsplit(")", 1)[1].split()[0] == "T", "stopped", 20,
                     0.001)
            at_work = call.read_text().split()[0] not in EPOLL_WAITS
            if at_work:
                time.sleep(seconds)
            self.osaka.process.resume()
            # What has woken up and waits for its turn on a busy machine has not begun one.
            if at_work and self.has_counted(seconds):
                return

    def has_counted(self, seconds: float) -> bool:
        """The process has noted a turn that was longer than a second."""
        self.assertGreater(seconds, 1)
        lines = self.osaka.http("/metrics").splitlines()

        def number(name: str, label: str = "") -> float:
            return sum(float(line.rsplit(" ", 1)[1]) for line in lines
                       if line.startswith("isthmus_loop_turn_seconds_" + name) and label in line)
        return number("count") > number("bucket", 'le="1"')


# epoll_wait, epoll_pwait, epoll_pwait2 on x86-64; the latter two on arm64
EPOLL_WAITS = {"232", "281", "441", "22"}


if __name__ == "__main__":
    full_disk_test.with_private_mounts()
    world.main()
