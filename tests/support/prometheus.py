"""Debian's Prometheus: promtool, a server that scrapes what a test runs, and what an expression of
its language names."""

import json
import re
import shutil
import subprocess
import unittest
import urllib.parse
import urllib.request
from pathlib import Path

from . import testing
from .processes import Process, free_port

ALERTS = testing.ROOT / "docs" / "monitoring" / "alerts.yaml"
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


class Documented:
    """A row of docs/metrics.md."""

    def __init__(self, kind: str, labels: set[str], roles: list[str]):
        self.kind, self.labels, self.roles = kind, labels, roles


def documented() -> dict[str, Documented]:
    table = {}
    for line in (testing.ROOT / "docs" / "metrics.md").read_text().splitlines():
        if row := re.match(r"\| `(\w+)` \| (\w+) \| ([\w, ]*) \| ([\w, ]+) \|", line):
            labels = set(filter(None, row[3].split(", ")))
            table[row[1]] = Documented(row[2], labels, row[4].split(", "))
    return table


_WORDS = {"and", "or", "unless", "bool", "offset", "Inf", "NaN"}
_GROUPING = re.compile(r"\b(by|on|without|ignoring|group_left|group_right)\s*\(([^)]*)\)")
_SELECTOR = re.compile(r"(?<![\w.$])([a-zA-Z_:][\w:]*)(\s*\{[^}]*\})?(?!\w)(?!\s*\()")


class Named:
    """What an expression names: metrics with the labels that they are selected by, and labels that
    series are put together by."""

    def __init__(self, expression: str):
        text = re.sub(r'"(?:[^"\\]|\\.)*"', '""', expression)
        if values := re.fullmatch(r"label_values\((\w+), (\w+)\)", text):  # Grafana's own
            self.metrics, self.grouped = {values[1]: {values[2]}}, set()
            return
        text = re.sub(r"\[[^\]]*\]", "", text)
        self.grouped = {label.strip() for _, labels in _GROUPING.findall(text)
                        for label in labels.split(",") if label.strip()}
        self.metrics: dict[str, set[str]] = {}
        for name, labels in _SELECTOR.findall(_GROUPING.sub(" ", text)):
            if name not in _WORDS:
                found = re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", labels)
                self.metrics.setdefault(name, set()).update(found)

    def base(self, name: str) -> str:
        """Of a histogram's series."""
        return re.sub(r"_(bucket|count|sum)$", "", name)


class Prometheus:
    def __init__(self, directory: Path, jobs: dict[str, list[str]], rules: Path = ALERTS, **scrape):
        """`scrape`: what each of its scrape_configs says besides."""
        self.port = free_port()
        directory.mkdir()
        config = {
            "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
            "rule_files": [str(rules)],
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

    def rules(self) -> list[dict]:
        groups = json.loads(self.get("/api/v1/rules"))["data"]["groups"]
        return [rule for group in groups for rule in group["rules"]]

    def alerts(self) -> list[dict]:
        """Those that are pending or firing now, with their labels and texts."""
        return json.loads(self.get("/api/v1/alerts"))["data"]["alerts"]
