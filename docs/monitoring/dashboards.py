"""Grafana's dashboards, which stand beside this file: what is on them, in the order of the panels.

    dashboards.py [FOLDER]      writes them again (into FOLDER)

Each is JSON that Grafana imports: 9 or later, over any Prometheus that scrapes the admin ports.
"""

import json
import sys
from pathlib import Path

WIDTH = 24  # columns of Grafana's grid
HEIGHT = 8


def graph(title: str, unit: str, *targets: tuple[str, str], note: str = "", stacked: bool = False):
    """Lines over time; a target is (expression, legend)."""
    custom = {"lineWidth": 1, "fillOpacity": 10, "showPoints": "never"}
    if stacked:
        custom["stacking"] = {"mode": "normal"}
    return {"type": "timeseries", "title": title, "description": note, "w": 8,
            "targets": targets, "fieldConfig": {"defaults": {"unit": unit, "min": 0,
                                                             "custom": custom}, "overrides": []},
            "options": {"legend": {"displayMode": "list", "placement": "bottom"},
                        "tooltip": {"mode": "multi", "sort": "desc"}}}


def number(title: str, expression: str, legend: str = "", unit: str = "short", *,
           red_from: float | None = None, red_below: float | None = None, note: str = ""):
    """The value now; red where something is wrong."""
    steps = [{"color": "green", "value": None}]
    if red_from is not None:
        steps.append({"color": "red", "value": red_from})
    if red_below is not None:
        steps = [{"color": "red", "value": None}, {"color": "green", "value": red_below}]
    return {"type": "stat", "title": title, "description": note, "w": 6,
            "targets": [(expression, legend)],
            "fieldConfig": {"defaults": {"unit": unit, "thresholds": {"mode": "absolute",
                                                                      "steps": steps}},
                            "overrides": []},
            "options": {"reduceOptions": {"calcs": ["lastNotNull"]}, "colorMode": "background",
                        "textMode": "auto"}}


def table(title: str, expression: str, note: str = ""):
    return {"type": "table", "title": title, "description": note, "w": 12,
            "targets": [(expression, "")], "format": "table",
            "transformations": [{"id": "organize", "options": {
                "excludeByName": {"Time": True, "__name__": True, "job": True}}}],
            "fieldConfig": {"defaults": {}, "overrides": []}, "options": {}}


def quantiles(metric: str, by: str, select: str) -> list[tuple[str, str]]:
    return [(f"histogram_quantile({q}, sum by (le, {by}) (rate({metric}_bucket{{{select}}}"
             f"[$__rate_interval])))", f"{{{{{by}}}}} p{int(q * 100)}") for q in (0.5, 0.99)]


HERE = 'instance=~"$instance"'


def process_panels() -> list:
    """What every role tells of its process."""
    return [
        graph("Turns of the loop", "s", *quantiles("isthmus_loop_turn_seconds", "instance", HERE),
              note="How long nobody else is served. Beyond 100 ms it is a stall."),
        graph("Stalls, by what took longest", "short",
              (f"increase(isthmus_loop_stalls_total{{{HERE}}}[$__rate_interval])",
               "{{instance}} {{work}}")),
        graph("CPU", "percentunit",
              (f"rate(process_cpu_seconds_total{{{HERE}}}[$__rate_interval]) "
               f"and on (job, instance) isthmus_ready", "{{instance}}")),
        graph("Descriptors", "short",
              (f"process_open_fds{{{HERE}}} and on (job, instance) isthmus_ready", "{{instance}}"),
              (f"process_max_fds{{{HERE}}} and on (job, instance) isthmus_ready",
               "{{instance}} may have")),
        graph("Certificates: until their end", "s",
              (f"isthmus_certificate_not_after_seconds{{{HERE}}} - time()",
               "{{instance}} {{tls}}")),
        graph("Faults, and visits at the admin port", "short",
              (f"increase(isthmus_escaped_exceptions_total{{{HERE}}}[$__rate_interval])",
               "{{instance}} faults"),
              (f"rate(isthmus_admin_requests_total{{{HERE}}}[$__rate_interval])",
               "{{instance}} {{outcome}}")),
    ]


def server_panels() -> list:
    """What a broker and a router tell of who speaks to them."""
    return [
        graph("Requests", "reqps",
              (f"sum by (request) (rate(kafka_network_requestmetrics_requests_total{{{HERE}}}"
               "[$__rate_interval]))", "{{request}}")),
        graph("Time of a request", "s", *quantiles("isthmus_request_seconds", "request", HERE),
              note="Waiting for data, members or fsync is in it."),
        graph("Errors in answers", "short",
              (f"sum by (request, error) (rate(kafka_network_requestmetrics_errors_total{{{HERE}}}"
               "[$__rate_interval]))", "{{request}} {{error}}")),
        graph("Bytes", "Bps",
              (f"sum by (instance) (rate(isthmus_request_bytes_total{{{HERE}}}"
               "[$__rate_interval]))", "{{instance}} requests"),
              (f"sum by (instance) (rate(isthmus_response_bytes_total{{{HERE}}}"
               "[$__rate_interval]))", "{{instance}} answers")),
        graph("Requests under way", "bytes",
              (f"isthmus_requests_under_way_bytes{{{HERE}}}", "{{instance}}"),
              (f"isthmus_requests_waiting_bytes{{{HERE}}}", "{{instance}} waiting"),
              (f"isthmus_requests_limit_bytes{{{HERE}}}", "{{instance}} limit"),
              note="At the limit connections are not read."),
        graph("Connections", "short",
              (f"isthmus_connections{{{HERE}}}", "{{instance}}"),
              (f"rate(isthmus_connections_opened_total{{{HERE}}}[$__rate_interval])",
               "{{instance}} opened/s"),
              (f"rate(isthmus_connections_refused_total{{{HERE}}}[$__rate_interval])",
               "{{instance}} refused/s")),
        graph("TLS handshakes", "short",
              (f"rate(isthmus_tls_handshakes_total{{{HERE}}}[$__rate_interval])",
               "{{instance}} {{outcome}}")),
        graph("Audit", "short",
              (f"rate(isthmus_audit_lines_total{{{HERE}}}[$__rate_interval])",
               "{{instance}} {{outcome}}"),
              (f"rate(isthmus_audit_dropped_total{{{HERE}}}[$__rate_interval])",
               "{{instance}} dropped")),
    ]


def broker() -> list:
    return [
        number("Ready", f"isthmus_ready{{{HERE}}}", "{{instance}}", red_below=1),
        number("Partitions offline", f"isthmus_partitions_offline{{{HERE}}}", "{{instance}}",
               red_from=1),
        number("Under min ISR",
               f"kafka_server_replicamanager_underminisrpartitioncount{{{HERE}}}", "{{instance}}",
               red_from=1, note="acks=all is refused for these."),
        number("Out of sync",
               f"kafka_server_replicamanager_underreplicatedpartitions{{{HERE}}}", "{{instance}}",
               red_from=1),
        graph("Written by clients", "Bps",
              (f"topk(10, sum by (topic) (rate(kafka_server_brokertopicmetrics_bytesin_total"
               f"{{{HERE}}}[$__rate_interval])))", "{{topic}}"), stacked=True),
        graph("Records written by clients", "short",
              (f"topk(10, sum by (topic) (rate(kafka_server_brokertopicmetrics_messagesin_total"
               f"{{{HERE}}}[$__rate_interval])))", "{{topic}}"), stacked=True),
        graph("Read, and brought by links", "Bps",
              (f"topk(10, sum by (topic) (rate(kafka_server_brokertopicmetrics_bytesout_total"
               f"{{{HERE}}}[$__rate_interval])))", "{{topic}}"),
              (f"sum(rate(kafka_server_brokertopicmetrics_replicationbytesin_total{{{HERE}}}"
               "[$__rate_interval]))", "brought by links")),
        graph("fsync", "s", *quantiles("isthmus_fsync_seconds", "instance", HERE),
              note="A slow disk shows here first."),
        graph("Free space beside the reserve", "bytes",
              (f"isthmus_storage_free_bytes{{{HERE}}}", "{{instance}} {{directory}}"),
              (f"isthmus_storage_reserve_bytes{{{HERE}}}", "{{instance}} {{directory}} reserve"),
              note="Below the reserve, records are refused."),
        graph("Largest topics", "bytes",
              (f"topk(10, sum by (topic) (kafka_log_log_size{{{HERE}}}))", "{{topic}}"),
              stacked=True),
        graph("Lag of groups", "short",
              (f"topk(10, sum by (consumergroup, topic) (kafka_consumergroup_lag{{{HERE}}}))",
               "{{consumergroup}} {{topic}}")),
        graph("Age of what groups have not read", "s",
              (f"topk(10, max by (consumergroup) (isthmus_group_max_lag_seconds{{{HERE}}}))",
               "{{consumergroup}}"), note="By the timestamps of the records."),
        graph("Partitions and groups", "short",
              (f"kafka_server_replicamanager_partitioncount{{{HERE}}}", "{{instance}} open"),
              (f"kafka_server_replicamanager_leadercount{{{HERE}}}", "{{instance}} led"),
              (f"kafka_coordinator_group_groupmetadatamanager_numgroups{{{HERE}}}",
               "{{instance}} groups")),
        graph("Changes of the ISR", "short",
              (f"rate(kafka_server_replicamanager_isrshrinks_total{{{HERE}}}[$__rate_interval])",
               "{{instance}} shrinks"),
              (f"rate(kafka_server_replicamanager_isrexpands_total{{{HERE}}}[$__rate_interval])",
               "{{instance}} expands"), note="Shrinks while all run: a slow disk or line."),
        graph("Log-ins", "short",
              (f"rate(isthmus_log_ins_total{{{HERE}}}[$__rate_interval])",
               "{{instance}} {{outcome}}")),
        graph("Held back by quotas", "short",
              (f"rate(isthmus_throttles_total{{{HERE}}}[$__rate_interval])",
               "{{instance}} {{quota}} times/s"),
              (f"rate(isthmus_throttle_seconds_total{{{HERE}}}[$__rate_interval])",
               "{{instance}} {{quota}} s/s")),
        *server_panels(), *process_panels(),
    ]


def mirror() -> list:
    return [
        number("Attached", "max by (link) (isthmus_link_attached)", "{{link}}", red_below=1),
        number("A failover now would lose", "max by (link) (isthmus_link_lag_seconds)", "{{link}}",
               "s", red_from=10),
        number("Records behind", 'sum by (link) (isthmus_link_lag_records{job="isthmus-mirror"})',
               "{{link}}"),
        number("Partitions not mirrored", "sum by (link) (isthmus_link_failed_partitions)",
               "{{link}}", red_from=1),
        graph("Lag", "s", (f"isthmus_link_lag_seconds{{{HERE}}}", "{{link}}")),
        graph("Lag in records", "short", (f"isthmus_link_lag_records{{{HERE}}}", "{{link}}")),
        graph("Brought to the target", "Bps",
              (f"rate(isthmus_link_bytes_total{{{HERE}}}[$__rate_interval])", "{{link}}")),
        graph("Bytes in a request", "bytes",
              (f"rate(isthmus_link_bytes_total{{{HERE}}}[$__rate_interval]) / "
               f"rate(isthmus_link_requests_total{{{HERE}}}[$__rate_interval])", "{{link}}")),
        graph("Groups", "short", (f"isthmus_link_groups{{{HERE}}}", "{{link}}"),
              (f"isthmus_link_groups_held{{{HERE}}}", "{{link}} held: their own life"),),
        graph("ACLs, users, quotas that follow", "short",
              (f"isthmus_link_followed_access{{{HERE}}}", "{{link}} {{kind}}"),
              (f"isthmus_link_access_problems{{{HERE}}}", "{{link}} problems")),
        *process_panels(),
    ]


def router() -> list:
    return [
        number("Ready", f"isthmus_ready{{{HERE}}}", "{{instance}}", red_below=1),
        number("Sites", f"isthmus_router_site_up{{{HERE}}}", "{{instance}} {{site}}", red_below=1),
        number("Version of the routes", f"isthmus_router_route_version{{{HERE}}}", "{{instance}}"),
        number("Connections", f"isthmus_connections{{{HERE}}}", "{{instance}}"),
        graph("Passed on to each broker", "reqps",
              (f"sum by (node) (rate(isthmus_router_requests_total{{{HERE}}}[$__rate_interval]))",
               "{{node}}"), stacked=True),
        graph("Bytes passed on", "Bps",
              (f"sum by (node, to) (rate(isthmus_router_bytes_total{{{HERE}}}"
               "[$__rate_interval]))", "{{node}} to {{to}}")),
        graph("Answers that wait for their clients", "bytes",
              (f"isthmus_router_waiting_bytes{{{HERE}}}", "{{instance}}")),
        graph("Compressed on the way", "percentunit",
              (f'sum by (site) (rate(isthmus_router_compression_bytes_total{{side="out",{HERE}}}'
               f'[$__rate_interval])) / sum by (site) (rate(isthmus_router_compression_bytes_total'
               f'{{side="in",{HERE}}}[$__rate_interval]))', "{{site}}"),
              note="What is left of the bytes."),
        graph("Batches that may be compressed", "short",
              (f"sum by (site, outcome) (rate(isthmus_router_compression_batches_total{{{HERE}}}"
               "[$__rate_interval]))", "{{site}} {{outcome}}")),
        graph("CPU of compression", "percentunit",
              (f"sum by (site) (rate(isthmus_router_compression_cpu_seconds_total{{{HERE}}}"
               "[$__rate_interval]))", "{{site}}")),
        *server_panels(), *process_panels(),
    ]


def sites() -> list:
    return [
        number("Not ready", "count(isthmus_ready == 0) or vector(0)", red_from=1),
        number("Sites that a router does not reach",
               "count(isthmus_router_site_up == 0) or vector(0)", red_from=1),
        number("Partitions offline", "sum(isthmus_partitions_offline) or vector(0)", red_from=1),
        number("Partitions without a leader",
               "sum(kafka_controller_kafkacontroller_offlinepartitionscount) or vector(0)",
               red_from=1),
        number("A failover now would lose", "max by (link) (isthmus_link_lag_seconds)", "{{link}}",
               "s", red_from=10, note="In seconds of writing, for each link."),
        number("Since a mirror spoke", "max by (link) (isthmus_link_contact_age_seconds)",
               "{{link}}", "s", red_from=15),
        number("Partitions that are not mirrored",
               'sum by (link) (isthmus_link_partitions{state=~"failed|waiting"}) or vector(0)',
               "{{link}}", red_from=1),
        number("First certificate to end",
               "min(isthmus_certificate_not_after_seconds) - time()", unit="s",
               red_below=14 * 86400),
        table("Processes", "isthmus_ready"),
        table("Switchovers, as the sites have them written down", "isthmus_switchover_phase",
              note="The latest of each link."),
        graph("Lag of links", "s", ("max by (link) (isthmus_link_lag_seconds)", "{{link}}")),
        graph("Partitions of links, by state", "short",
              ("sum by (link, state) (isthmus_link_partitions)", "{{link}} {{state}}"),
              stacked=True),
        graph("Brought by links", "Bps",
              ("sum by (link) (rate(isthmus_link_bytes_total[$__rate_interval]))", "{{link}}")),
        graph("Written by clients, at each broker", "Bps",
              ("sum by (instance) (rate(kafka_server_brokertopicmetrics_bytesin_total"
               "[$__rate_interval]))", "{{instance}}"),
              note="After a switchover it is the other site that is written at."),
        graph("Passed on by routers", "reqps",
              ("sum by (node) (rate(isthmus_router_requests_total[$__rate_interval]))",
               "{{node}}"), stacked=True),
        graph("Lag of groups", "short",
              ("topk(10, sum by (consumergroup, topic) (kafka_consumergroup_lag))",
               "{{consumergroup}} {{topic}}")),
        graph("Age of what groups have not read", "s",
              ("topk(10, max by (consumergroup) (isthmus_group_max_lag_seconds))",
               "{{consumergroup}}"), note="By the timestamps of the records."),
    ]


def choice(name: str, query: str) -> dict:
    return {"name": name, "type": "query", "query": {"query": query, "refId": name},
            "datasource": {"type": "prometheus", "uid": "${datasource}"}, "refresh": 2,
            "includeAll": True, "multi": True, "sort": 1,
            "current": {"text": "All", "value": "$__all"}}


def placed(panels: list) -> list[dict]:
    """From left to right, in rows."""
    x = y = tallest = 0
    out = []
    for number_of, panel in enumerate(panels, 1):
        width, height = panel.pop("w"), 4 if panel["type"] == "stat" else HEIGHT
        if x + width > WIDTH or tallest not in (0, height):
            x, y, tallest = 0, y + tallest, 0
        form = panel.pop("format", "time_series")
        source = {"type": "prometheus", "uid": "${datasource}"}
        targets = [{"refId": chr(ord("A") + i), "expr": expression, "legendFormat": legend,
                    "datasource": source, "format": form, "instant": form == "table"}
                   for i, (expression, legend) in enumerate(panel.pop("targets"))]
        out.append({"id": number_of, **panel, "datasource": source, "targets": targets,
                    "gridPos": {"x": x, "y": y, "w": width, "h": height}})
        x, tallest = x + width, height
    return out


def dashboard(name: str, title: str, panels: list, instances: str | None) -> dict:
    variables = [{"name": "datasource", "type": "datasource", "query": "prometheus",
                  "label": "Prometheus"}]
    if instances:
        variables.append(choice("instance", f"label_values({instances}, instance)"))
    return {"uid": f"isthmus-{name}", "title": f"Isthmus: {title}", "tags": ["isthmus"],
            "schemaVersion": 37, "editable": True, "refresh": "10s", "timezone": "browser",
            "time": {"from": "now-1h", "to": "now"}, "templating": {"list": variables},
            "links": [{"type": "dashboards", "tags": ["isthmus"], "title": "Isthmus",
                       "asDropdown": True}],
            "panels": placed(panels)}


def all_dashboards() -> dict[str, dict]:
    """By the names of their files."""
    return {
        "sites.json": dashboard("sites", "sites", sites(), None),
        "broker.json": dashboard("broker", "brokers", broker(), "isthmus_partitions_offline"),
        "mirror.json": dashboard("mirror", "mirrors", mirror(), "isthmus_link_attached"),
        "router.json": dashboard("router", "routers", router(), "isthmus_router_site_up"),
    }


def text_of(made: dict) -> str:
    return json.dumps(made, indent=1, sort_keys=True) + "\n"


if __name__ == "__main__":
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent
    for file_name, made in all_dashboards().items():
        (folder / file_name).write_text(text_of(made))
