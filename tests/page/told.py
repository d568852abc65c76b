"""What roles say at /status, made up: of a quiet day, of a bad night, of names that mean harm.

Each is a function of the wall clock in ms, and gives what json.dumps() takes."""

import math

HOSTILE = '<script>document.title="taken"</script>"\'><img src=x onerror=alert(1)>&amp;'


def envelope(role: str, name: str, now: int, **more) -> dict:
    return {"version": 1, "role": role, "name": name, "time_ms": now, "age_ms": 300, "ready": True,
            "reason": "", "degraded": ""} | more


def broker_of(site: str, node_id: int, **more) -> dict:
    return {"node_id": node_id, "address": f"k{node_id % 10}.{site}:9092",
            "rack": f"{site}-{'abc'[node_id % 3]}", "state": "serving", "controller": False,
            "leads": 137, "in_sync": 412, "replicas": 412, "drain": "none"} | more


def site(name: str, number: int, **more) -> dict:
    brokers = [broker_of(name, number * 100 + i, controller=i == 2) for i in (1, 2, 3)]
    return {"name": name, "number": number, "cluster_id": "LB8cYvvTRNWCS0m2NnZ3nA",
            "reachable": True, "trouble": "", "told_ms_ago": 420, "brokers": brokers,
            "topics": 34, "partitions": 412, "under_replicated": 0, "below_min_isr": 0,
            "leaderless": 0, "joining": 0, "bytes_to_go": 0, "findings": [], "not_whole": [],
            "not_whole_count": 0} | more


def history(now: int, lag_ms: int, peak_ms: int, records_per_s: int, gap: range = range(0),
            peak_at: int = 240) -> dict:
    """An hour, with a hill, and with nothing known in the gap (samples)."""
    lag, behind, rate = [], [], []
    for i in range(360):
        wave = 0.5 + 0.5 * math.sin(i / 7) * math.sin(i / 23)
        hill = math.exp(-((i - peak_at) / 9) ** 2)
        known = i not in gap
        lag.append(round(lag_ms * (0.6 + 0.8 * wave) + peak_ms * hill) if known else None)
        behind.append(lag[-1] * records_per_s // 1000 if known else None)
        rate.append(round(records_per_s * (0.75 + 0.5 * wave - 0.5 * hill)) if known else None)
    return {"every_ms": 10000, "until_ms": now - now % 10000, "lag_ms": lag, "lag_records": behind,
            "records_per_s": rate}


def link(name: str, now: int, **more) -> dict:
    source, target = name.split("-")
    return {"name": name, "source": source, "target": target, "summary": "OK", "ok": True,
            "paused": False, "source_answers": True, "mirror_age_ms": 340, "lag_records": 1204,
            "lag_ms": 312, "records_per_s": 3859, "partitions": 412, "failed": 0,
            "would_lose": "≤1,204 records (0.3 s) in 2 partitions",
            "stuck": [], "groups": 38, "held": [], "left_out": "", "switchover": None,
            "history": history(now, 300, 4100, 3900)} | more


def idle(name: str, now: int) -> dict:
    return link(name, now, lag_records=0, lag_ms=0, records_per_s=0, would_lose="nothing",
                partitions=0, groups=0, history=history(now, 0, 0, 0))


def group(name: str, where: str, lag_records=0, lag_ms=0, owned_by="clients") -> dict:
    return {"name": name, "site": where, "owned_by": owned_by, "lag_records": lag_records,
            "lag_ms": lag_ms}


def groups(where: str = "seoul") -> list[dict]:
    named = [group("billing", where, 812, 240), group("fraud-scoring", where, 48_211, 12_400),
             group("search-index", where), group("warehouse-export", where, 2_400_117, 5_410_000)]
    return named + [group(f"consumer-{i:02}", where, i * 7, i * 3) for i in range(34)]


def rules(taken: bool = False) -> list[dict]:
    why = "tokyo has taken over the routes of seoul (version 7)"
    own = "its route in the file" if not taken else why
    to = "tokyo" if taken else "seoul"
    return [
        {"rule": "unit: payments, cluster: seoul", "cluster_by_file": "seoul", "cluster": to,
         "why": own},
        {"rule": "topic: orders, cluster: tokyo", "cluster_by_file": "tokyo", "cluster": "tokyo",
         "why": "its route in the file"},
        {"rule": "default: seoul", "cluster_by_file": "seoul", "cluster": to, "why": own},
    ]


def nodes() -> list[dict]:
    return [{"id": number * 100 + i, "cluster": name, "address": f"10.0.{number}.{i}:9092",
             "advertised": f"kafka.corp:{19091 + (number - 1) * 3 + i}", "up": True,
             "connections": 41 * i if number == 1 else 0, "requests": 1_204_551 * i}
            for number, name in ((1, "seoul"), (2, "tokyo")) for i in (1, 2, 3)]


def switchover(name: str, began: int, *, under_way: bool = False, trouble: str = "") -> dict:
    phases = [("wished", 0), ("handed_over", 96), ("promoted", 184), ("done", 241)]
    if trouble:
        phases = [("wished", 0), ("abandoned", 5003)]
    if under_way:
        phases = phases[:2]
    return {"link": name, "id": f"{name} {began}", "failover": False, "over": not under_way,
            "trouble": trouble, "stand_still_ms": None if under_way or trouble else 221,
            "steps": [{"phase": phase, "time_ms": began + ms} for phase, ms in phases]}


def moves(now: int) -> list[dict]:
    hour = 3_600_000
    midnight = now - now % (24 * hour)  # each stays the same from one answer to the next
    return [switchover("tokyo-seoul", midnight - 3 * hour),
            switchover("seoul-tokyo", midnight - 5 * hour),
            switchover("seoul-tokyo", midnight - 29 * hour,
                       trouble="the source is written as before: billing was not drained in 5 s")]


def router(now: int, **more) -> dict:
    """A quiet day."""
    return envelope(
        "router", "corp-1", now, virtual_cluster="corp", cluster_id="vYq3",
        sites=[site("seoul", 1), site("tokyo", 2)],
        links=[link("seoul-tokyo", now), idle("tokyo-seoul", now)], switchovers=moves(now),
        groups=groups(), groups_count=38, route_rules=rules(), nodes=nodes()) | more


def bad_night(now: int) -> dict:
    """A broker is gone, a partition is overtaken, and one is damaged."""
    not_whole = [{"partition": f"orders-{i}", "leader": 102 + i % 2, "isr": [102, 103],
                  "replicas": [101, 102, 103]} for i in range(50)]
    seoul = site("seoul", 1, under_replicated=412, joining=4, bytes_to_go=1_412_000_000,
                 findings=[
                     {"verdict": "warn",
                      "text": "broker 101 is fenced: its process is gone, or has lost ZooKeeper",
                      "next": "start it; the end of its log says why it ended"},
                     {"verdict": "warn",
                      "text": "412 partitions are served, with fewer replicas in sync than there "
                      "are: orders-0, orders-1, orders-10, ...",
                      "next": "bring back 101, and let it catch up"},
                     {"verdict": "ok", "text": "this is not seen", "next": ""}],
                 not_whole=not_whole, not_whole_count=412)
    seoul["brokers"][0] |= {"state": "fenced", "leads": 0, "in_sync": 0}
    stuck = ["pay.b-3: failed(retention_overtook): source starts at 88,120, we end at 87,911",
             "orders-7: failed(damaged_batch): a batch does not have its own checksum"]
    broken = link("seoul-tokyo", now, ok=False, failed=2,
                  summary="DEGRADED: 2 of 412 partitions not mirrored",
                  stuck=stuck, held=["billing"], lag_ms=18_400, lag_records=71_204,
                  left_out="wine: topics.exclude leaves it out",
                  would_lose="≤71,204 records (18.4 s) in 31 partitions, plus pay.b-3, orders-7: "
                  "unknown", history=history(now, 300, 18_400, 3900, range(120, 150), 359))
    return router(now, sites=[seoul, site("tokyo", 2)], links=[broken, idle("tokyo-seoul", now)])


def site_away(now: int) -> dict:
    """Seoul does not answer, and the router tells nothing of its brokers any more."""
    gone = site("seoul", 1, reachable=False, trouble="connection refused", told_ms_ago=42_000,
                brokers=[], topics=None, partitions=None, under_replicated=None, leaderless=None)
    silent = link("seoul-tokyo", now, summary="DEGRADED: 412 topics not mirrored, or not all",
                  ok=False, source_answers=False, lag_records=None, lag_ms=None, records_per_s=None,
                  would_lose="unknown: nothing was heard of seoul")
    return router(now, ready=False, reason="cluster seoul does not answer: connection refused",
                  sites=[gone, site("tokyo", 2)], links=[silent, idle("tokyo-seoul", now)])


def stands(now: int, began: int) -> dict:
    """A switchover that has handed over, and does not go on."""
    moving = switchover("seoul-tokyo", began, under_way=True)
    held = link("seoul-tokyo", now, ok=False, switchover={
        "id": moving["id"], "phase": "handed_over", "failover": False, "handed_over": True,
        "trouble": "tokyo refuses to be promoted: the disk of orders-3 is away"},
        summary="DEGRADED: seoul has handed over, tokyo is not promoted, nobody is written")
    return router(now, links=[held, idle("tokyo-seoul", now)], switchovers=[moving, *moves(now)])


def three_sites(now: int) -> dict:
    lanes = [link("seoul-tokyo", now), idle("tokyo-seoul", now),
             link("busan-seoul", now, ok=False, paused=True, records_per_s=0,
                  summary="PAUSED by the operator: nothing is copied")]
    return router(now, sites=[site("seoul", 1), site("tokyo", 2), site("busan", 0)], links=lanes)


def hostile(now: int) -> dict:
    """Names from outside that want to be more than names."""
    long = "a" * 249
    named = site(HOSTILE, 1, not_whole=[{"partition": HOSTILE, "leader": -1, "isr": [],
                                         "replicas": [1]}], not_whole_count=1,
                 findings=[{"verdict": "stop", "text": HOSTILE, "next": HOSTILE}])
    named["brokers"][0] |= {"address": HOSTILE, "rack": long, "state": HOSTILE, "drain": HOSTILE}
    other = site(long, 2)
    odd = link("a-b", now) | {
        "name": HOSTILE, "source": HOSTILE, "target": long, "summary": HOSTILE, "ok": False,
        "failed": 1, "stuck": [HOSTILE], "held": [HOSTILE, long], "would_lose": HOSTILE,
        "left_out": HOSTILE}
    return router(now, name=HOSTILE, virtual_cluster=long, ready=False, reason=HOSTILE,
                  sites=[named, other], links=[odd],
                  switchovers=[switchover(HOSTILE, now - 60_000, trouble=HOSTILE)],
                  groups=[group(HOSTILE, HOSTILE, owned_by=HOSTILE), group(long, long)],
                  route_rules=[{"rule": HOSTILE, "cluster_by_file": long, "cluster": HOSTILE,
                                "why": HOSTILE}],
                  nodes=[{"id": 1, "cluster": HOSTILE, "advertised": long, "up": False}])


def of_nothing(now: int) -> dict:
    """A router of which every member that may be missing is null."""
    empty_site = dict.fromkeys(site("x", 1)) | {"name": "seoul"}
    empty_link = dict.fromkeys(link("a-b", now)) | {"name": "seoul-tokyo"}
    return router(now, sites=[empty_site, {"name": "tokyo"}], links=[empty_link, {"name": "b-a"}],
                  switchovers=[{"link": "seoul-tokyo"}], groups=[{"name": "g"}], groups_count=None,
                  route_rules=[{}], nodes=[{}])


def older_router(now: int) -> dict:
    """One that knows nothing of an envelope."""
    return {"virtual_cluster": "corp", "cluster_id": "vYq3", "nodes": nodes(),
            "clusters": {"seoul": {"reachable": True, "cluster_id": "a", "age_ms": 210},
                         "tokyo": {"reachable": False, "trouble": "connection refused"}},
            "routes": {"version": 7, "default_home": "seoul", "taken_over": {"tokyo": "seoul"},
                       "versions": {"tokyo": 7}, "compression": {}}}


def broker(now: int) -> dict:
    offline = [{"topic": "orders", "partition": i, "readable": i == 1, "reason":
                f"/data/1/orders-{i}: 00000000000000088120.log is damaged at byte 4,096: see "
                f"isthmus partition describe orders-{i}"} for i in range(7)]
    cuts = [{"topic": "pay.a", "partition": 3, "offset": 88_120, "bytes": 4096,
             "kept_in": "/data/1/pay.a-3/00000000000000088120.log.cut"}]
    return envelope("broker", "seoul-101", now, degraded="7 partitions are offline, see /status",
                    cluster="seoul", number=1, cluster_id="LB8cYvvTRNWCS0m2NnZ3nA", node_id=101,
                    topics=34, links=2, connections=1204, partitions_offline=7, offline=offline,
                    partitions_cut=1, cuts=cuts, brokers=3, metadata_old_since_ms=now - 95_000,
                    reassignments={"partitions": 4, "led_here": 2, "bytes_to_go": 1_412_000_000})


def mirror(now: int) -> dict:
    well = {"attached": True, "problem": "", "link_epoch": 12, "topics": 34, "partitions": 412,
            "failed": 0, "groups": 38, "held": 0, "bytes": 918_412_000_000, "requests": 4_120_771,
            "lag_records": 1204, "lag_p50_ms": 41, "lag_p99_ms": 388, "lag_ms": 312,
            "access": {"acls": 212, "users": 19, "quotas": 4, "waiting": 1, "problems":
                       ["User:eve: allows on the cluster, which does not follow"]}}
    away = well | {"attached": False, "problem": "seoul: connection refused", "failed": 1,
                   "lag_ms": 0, "access": None}
    return envelope("mirror", "mirror-tokyo", now, ready=False,
                    reason="link tokyo-seoul: seoul: connection refused",
                    links={"seoul-tokyo": well, "tokyo-seoul": away})
