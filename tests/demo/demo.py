"""The main job, before your eyes: two sites, a mirror, a router, and stock clients (librdkafka).

    ./dev demo [--secure] [--brokers 3]

 1. load         the package index through the router; a group reads half of it
 2. planned      switchover and back, while a producer and a group keep running
 3. unplanned    the line is cut, the active site goes on at full speed and is killed; failover
 4. way back     the dead site returns, keeps what only it had, and follows

Ends in one table; a wrong number makes it exit 1. What was sent, acknowledged and read is known
from the clients alone. With --secure it is the same, from config/secure/: mutual TLS inside, and
clients that log in by SCRAM over TLS. With --brokers 3 it is the same, from config/cluster/: each
site is three brokers with a ZooKeeper, and between the switchovers one of the active site's is
killed under load. With both, these brokers too show one another certificates.
"""

import argparse
import sys
import time
from concurrent.futures import ThreadPoolExecutor

# First: it finds the modules of tests/support.
from world import DELAY_MS, ClusterWorld, SecureClusterWorld, SecureWorld, World, say
from packages import marked, read_index
from report import Report, percentile
from support import ledger
from support.client import Member, Producer
from support.processes import Failed, wait_for

TOPIC = "packages"
STEADY_PER_S = 1500   # records of the steady producer
BURST_MB = 120        # at full speed into the site that is about to die


class Demo:
    def __init__(self, world: World, report: Report):
        self.world = world
        self.report = report
        self.index = read_index()
        self.sent: set[tuple[str, int]] = set()
        self.acked: dict[tuple[str, int], tuple[int, int]] = {}  # identity -> where, as it was told

    # --- 1. load ------------------------------------------------------------------------------

    def load(self) -> None:
        say(f"1. load: {len(self.index):,} packages through the router")
        began = time.monotonic()
        with self.world.producer(TOPIC) as producer:
            self.feed(producer, "load", len(self.index))
            producer.flush_and_close()
            self.acked |= producer.where
        seconds = time.monotonic() - began
        mb = sum(len(value) for _, value in self.index) / 1e6
        say(f"   {len(self.index):,} records, {mb:.0f} MB, acknowledged in {seconds:.1f} s")
        self.halfway = self.read_half()
        say("   group 'half' has read half of them and left")

    def feed(self, producer: Producer, name: str, count: int, chunk: int = 500) -> None:
        records = marked(self.index, name)
        for first in range(0, count, chunk):
            part = [next(records) for _ in range(min(chunk, count - first))]
            producer.send(part)
            self.sent.update((name, first + i) for i in range(len(part)))

    def read_half(self) -> dict[int, int]:
        """Partition -> the offset after the last that the group was given."""
        with self.world.member("half", TOPIC, count=len(self.index) // 2) as member:
            records = member.wait_end()
        return {record.partition: record.offset + 1 for record in records}

    def hold_equal(self, when: str) -> None:
        seoul, tokyo = (self.digests(name) for name in ("seoul", "tokyo"))
        for partition in sorted(seoul.keys() | tokyo.keys()):
            a, b = seoul.get(partition), tokyo.get(partition)
            self.report.must_be(f"{when}: {TOPIC}-{partition}, tokyo as seoul", brief(b), brief(a))

    def digests(self, name: str) -> dict[int, ledger.Digest]:
        return ledger.digest(self.world.read(TOPIC, name))

    def wait_mirrored(self, link: str) -> None:
        def there():
            view = self.world.command("link", "describe", link, allowed=(0, 2), show=False)
            return view["topics"] and view["lag_records"] == 0
        wait_for(there, f"{link} has mirrored everything", 60)

    # --- 2. planned ---------------------------------------------------------------------------

    def planned(self) -> None:
        say(f"2. planned: {STEADY_PER_S} records a second, a group reading, lag measured at tokyo")
        self.world_is_settled("seoul-tokyo")
        with self.world.producer(TOPIC) as producer, \
                self.world.member("steady", TOPIC, auto_offset_reset="latest") as member:
            steady = Steady(self, producer, "steady")
            wait_for(lambda: self.steady_until_read(steady, member), "the group reads", 60, 0)
            with self.world.tail("tokyo", TOPIC) as tail:
                steady.run(5)
                lags = tail.lags_s[STEADY_PER_S // 2:]  # without the catching up of its start
            self.note_lags(lags)
            self.switch_over("seoul", "tokyo", steady, member)
            if isinstance(self.world, ClusterWorld):
                self.lose_a_broker("tokyo", steady, member)
            self.switch_over("tokyo", "seoul", steady, member)
            producer.flush_and_close()
            steady.wait_all_read(member)
            rebalances = member.rebalances
            member.leave()
        self.acked |= producer.where
        self.audit_planned(producer, member)
        self.report.at_most("planned: rebalances of the group", rebalances, 4, "times")

    def steady_until_read(self, steady: "Steady", member: Member) -> bool:
        steady.run(0.2)
        return bool(member.records)

    def world_is_settled(self, link: str) -> None:
        def ready():
            view = self.world.command("switchover", "--from", link.split("-")[0], "--to",
                                      link.split("-")[1], "--dry-run", allowed=(0, 3), show=False)
            return view["ready"]
        wait_for(ready, f"{link} is ready for a switchover", 60)

    def note_lags(self, lags: list[float]) -> None:
        if len(lags) < 1000:
            raise Failed(f"a reader at tokyo saw {len(lags)} records in 5 s")
        p50, p99 = percentile(lags, 50) * 1000, percentile(lags, 99) * 1000
        say(f"   lag at a reader in tokyo: p50 {p50:.0f} ms, p99 {p99:.0f} ms")
        self.report.at_most("mirror lag p50, producer to reader in tokyo", p50, 250.0, "ms")
        self.report.at_most("mirror lag p99", p99, 450.0, "ms")

    def switch_over(self, source: str, target: str, steady: "Steady", member: Member) -> None:
        steady.wait(lambda: self.is_ready(source, target), 60)
        steady.producer.silence.restart()
        member.silence.restart()
        steady.run(1)
        answer = steady.during(lambda: self.world.command("switchover", "--from", source, "--to",
                                                          target))
        steady.run(4)
        producer_s = steady.producer.silence.longest_s
        consumer_s = member.silence.longest_s
        say(f"   done in {answer['seconds']:.2f} s; producer stood still {producer_s:.2f} s, "
            f"consumer {consumer_s:.2f} s")
        what = f"{source} → {target}: stand-still of"
        self.report.at_most(f"{what} the producer", producer_s, 1.5, "s")
        self.report.at_most(f"{what} the consumer", consumer_s, 4.0, "s")
        if target == "tokyo":
            steady.during(self.resume_half)

    def lose_a_broker(self, name: str, steady: "Steady", member: Member) -> None:
        """The one that leads most of the active site, by kill -9. Others lead then; the partitions
        that it led stand still until they do."""
        broker = self.world.leader(name, TOPIC)
        say(f"   kill -9 {broker}, which leads, under load")
        for client in (steady.producer, member):
            client.silences.restart()
        self.world.brokers[broker].process.kill()
        steady.run(5)
        producer_s = steady.producer.silences.longest_s
        consumer_s = member.silences.longest_s
        began = time.monotonic()
        steady.during(self.world.brokers[broker].start)
        steady.wait(lambda: self.world.is_whole(name), 60)
        whole_s = time.monotonic() - began
        say(f"   the worst partition stood still {producer_s:.2f} s for the producer, "
            f"{consumer_s:.2f} s for the consumer; started again, whole after {whole_s:.1f} s")
        what = f"{broker} killed: stand-still of"
        self.report.at_most(f"{what} the producer, worst partition", producer_s, 3.0, "s")
        self.report.at_most(f"{what} the consumer, worst partition", consumer_s, 4.5, "s")
        self.report.at_most(f"{broker} started again: all replicas in sync", whole_s, 30.0, "s")

    def is_ready(self, source: str, target: str) -> bool:
        view = self.world.command("switchover", "--from", source, "--to", target, "--dry-run",
                                  allowed=(0, 3), show=False)
        return view["ready"]

    def resume_half(self) -> None:
        """The group that stopped halfway goes on at the other site, past the router."""
        with self.world.member("half", TOPIC, "tokyo", count=20_000) as member:
            records = member.wait_end()
        first: dict[int, int] = {}
        for record in records:
            first.setdefault(record.partition, record.offset)
        expected = {p: self.halfway.get(p, 0) for p in first}
        self.report.must_be("group 'half' resumed in tokyo at", positions(first),
                            positions(expected))

    def audit_planned(self, producer: Producer, member: Member) -> None:
        say("   reading everything back")
        records = list(self.world.read(TOPIC))
        audit = self.audit(records)
        self.report.must_be("planned: acknowledged of sent", producer.acks, producer.sent)
        self.report.must_be("planned: lost", len(audit.lost) + len(audit.changed), 0)
        self.report.must_be("planned: duplicated", len(audit.duplicated), 0)
        self.report.must_be("planned: out of order", len(audit.reordered), 0)
        read = {(record.partition, record.offset) for record in member.records}
        first: dict[int, int] = {}
        for record in member.records:
            first[record.partition] = min(first.get(record.partition, record.offset),
                                          record.offset)
        missed = {(r.partition, r.offset) for r in records
                  if r.partition in first and r.offset >= first[r.partition]} - read
        self.report.must_be("planned: records that the group never got", len(missed), 0)
        self.note_redelivered(member, len(member.records) - len(read))
        self.wait_mirrored("seoul-tokyo")
        self.hold_equal("after both switchovers")

    def note_redelivered(self, member: Member, redelivered: int) -> None:
        """At-least-once: a group is given again what it had read and not committed, no more. It
        reads on while the group moves, until a commit (each second) or a heartbeat (each 3 s) is
        refused: so a switchover costs at most what is read in two commit intervals."""
        lost = [r for r in member.resumptions if r.at < (r.committed or 0)]
        skipped = [r for r in member.resumptions if r.at > r.read_to]
        again = sum(r.read_to - r.at for r in member.resumptions)
        self.report.must_be("planned: partitions that lost an acknowledged commit", len(lost), 0)
        self.report.must_be("planned: partitions that skipped a record", len(skipped), 0)
        self.report.must_be("planned: redelivered, all of it uncommitted", redelivered, again)
        self.report.at_most("planned: redelivered, four commit intervals", redelivered,
                            4 * STEADY_PER_S, "records")

    def audit(self, records) -> ledger.Audit:
        book = ledger.Ledger()
        for who in self.sent:
            book.sent(*who)
            if who not in self.acked:  # acknowledged as all are, by an answer that was lost
                book.acked(*who)
        for who, where in self.acked.items():
            book.acked(*who, *where)
        return book.audit(records)

    # --- 3. unplanned -------------------------------------------------------------------------

    def unplanned(self) -> None:
        say("3. unplanned: the line between the sites is cut; seoul goes on at full speed")
        self.world_is_settled("seoul-tokyo")
        self.world.cut()
        producer = self.world.producer(TOPIC, queue_buffering_max_kbytes=65536)
        self.doomed = producer
        rate = self.burst(producer)
        self.report.at_least("unplanned: rate at the active site, line cut", rate,
                             self.world.least_rate_mb_s, "MB/s")
        producer.silence.restart()
        say(f"   {rate:.0f} MB/s acknowledged; kill -9 seoul, with "
            f"{producer.sent - producer.acks:,}"
            " records in flight")
        self.world.kill_site("seoul")
        self.failover = self.world.command("failover", "--from", "seoul", "--to", "tokyo")
        steady = Steady(self, producer, "doomed", first=producer.sent)
        acks = producer.acks
        wait_for(lambda: self.goes_on(steady, acks), "the producer goes on at tokyo", 60, 0)
        steady.run(3)
        producer.flush_and_close()
        self.acked |= producer.where
        say(f"   the producer went on at tokyo after {producer.silence.longest_s:.2f} s, "
            "and was never restarted")
        self.report.must_be("unplanned: acknowledged of sent", producer.acks, producer.sent)
        self.report.at_most("unplanned: stand-still of the producer", producer.silence.longest_s,
                            7.0, "s")

    def goes_on(self, steady: "Steady", acks: int) -> bool:
        steady.run(0.2)
        return steady.producer.acks > acks + 1000

    def burst(self, producer: Producer) -> float:
        """MB/s that were acknowledged, from the first to the last megabyte of the burst."""
        records = marked(self.index, "doomed")
        bytes_sent, began = 0, time.monotonic()
        while bytes_sent < BURST_MB * 1e6:
            part = [next(records) for _ in range(1000)]
            self.sent.update(("doomed", producer.sent + i) for i in range(len(part)))
            producer.send(part)
            bytes_sent += sum(len(value) for _, value in part)
        seconds = time.monotonic() - began
        return bytes_sent / 1e6 * (producer.acks / producer.sent) / seconds

    # --- 4. way back --------------------------------------------------------------------------

    def way_back(self) -> None:
        say("4. way back: the line and seoul return; seoul keeps what only it has, and follows")
        self.world.relay.restore()
        self.world.start_site("seoul")
        reversed_ = self.world.command("link", "reverse", "tokyo-seoul")
        exports = {t["topic"]: t["exported_to"] for t in reversed_["topics"]}
        self.wait_mirrored("tokyo-seoul")
        promoted = list(self.world.read(TOPIC, "tokyo"))
        exported = list(self.world.read(exports[TOPIC], "seoul"))
        self.audit_unplanned(promoted, exported)
        self.hold_equal("after the way back")

    def audit_unplanned(self, promoted, exported) -> None:
        audit = self.audit(promoted)
        here = {ledger.identity(record.value) for record in promoted}
        saved = {ledger.identity(r.value): (r.partition, r.offset) for r in exported}
        lacking = {who: where for who, where in self.acked.items() if who not in here}
        say(f"   tokyo lacks {len(lacking):,} acknowledged records; the export holds "
            f"{len(saved):,}")
        # Where seoul acknowledged them: from tokyo's end to what the failover leaves out.
        topic = next(t for t in self.failover["topics"] if t["topic"] == TOPIC)
        ends = {p["partition"]: (p["end_offset"], p["next_offset"]) for p in topic["partitions"]}
        outside = [o for p, o in lacking.values() if not ends[p][0] <= o < ends[p][1]]
        exact = sum(saved.get(who) == where for who, where in lacking.items())
        self.report.at_least("unplanned: acknowledged by seoul, not at tokyo", len(lacking), 1,
                             "records")
        self.report.must_be("unplanned: of those in the export, at their offsets", exact,
                            len(lacking))
        self.report.must_be("unplanned: of those outside the gap of the failover", len(outside), 0)
        self.report.must_be("unplanned: lost and not reported",
                            len(self.sent - here - saved.keys()), 0)
        self.report.must_be("unplanned: exported, not lost and not sent again",
                            len(saved.keys() - lacking.keys() - here), 0)
        self.report.must_be("unplanned: elsewhere than acknowledged", len(audit.changed), 0)
        self.report.must_be("unplanned: offsets given out twice", len(self.doomed.acked_twice), 0)
        self.report.must_be("unplanned: duplicated", len(audit.duplicated), 0)
        self.report.must_be("unplanned: out of order", len(audit.reordered), 0)


class Steady:
    """A producer that sends at an even pace while something else happens."""

    def __init__(self, demo: Demo, producer: Producer, name: str, first: int = 0):
        self.demo, self.producer, self.name = demo, producer, name
        self.records = marked(demo.index, name)
        for _ in range(first):
            next(self.records)
        self.sequence = first

    def send(self, count: int) -> None:
        self.producer.send([next(self.records) for _ in range(count)])
        self.demo.sent.update((self.name, self.sequence + i) for i in range(count))
        self.sequence += count

    def run(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        self.wait(lambda: time.monotonic() >= end, seconds + 5)

    def wait(self, condition, deadline_s: float) -> None:
        tick = 0.01
        began, sent = time.monotonic(), 0
        while not condition():
            if time.monotonic() - began > deadline_s:
                raise Failed(f"the steady load waited {deadline_s:g} s in vain")
            due = int((time.monotonic() - began) * STEADY_PER_S)
            if due > sent:
                self.send(due - sent)
                sent = due
            time.sleep(tick)

    def during(self, work):
        """Runs `work` beside the load; its value."""
        with ThreadPoolExecutor(1) as pool:
            future = pool.submit(work)
            self.wait(future.done, 120)
            return future.result()

    def wait_all_read(self, member: Member) -> None:
        def all_read():
            last = {record.partition: record.offset for record in member.records[-20_000:]}
            ends: dict[int, int] = {}
            for partition, offset in self.producer.acked:
                ends[partition] = max(ends.get(partition, -1), offset)
            return all(last.get(p, -1) >= end for p, end in ends.items())
        wait_for(all_read, "the group has read everything", 60)


def brief(digest: ledger.Digest | None) -> str:
    if digest is None:
        return "nothing"
    return f"{digest.records:,} records to {digest.next:,}, {digest.sha256[:12]}"


def positions(offsets: dict[int, int]) -> str:
    return " ".join(f"{p}:{offset}" for p, offset in sorted(offsets.items()))


def main() -> None:
    parser = argparse.ArgumentParser(prog="./dev demo")
    parser.add_argument("--secure", action="store_true", help="TLS and log-ins: config/secure/")
    parser.add_argument("--brokers", type=int, choices=(1, 3), default=1,
                        help="of each site; three of them: config/cluster/")
    asked = parser.parse_args()
    make = {(False, 1): World, (True, 1): SecureWorld, (False, 3): ClusterWorld,
            (True, 3): SecureClusterWorld}[asked.secure, asked.brokers]
    world, report = make(), Report()
    try:
        brokers = "three brokers each" if asked.brokers == 3 else "one broker each"
        say(f"two sites of {brokers}, {DELAY_MS} ms apart each way, from the files in "
            f"{world.folder}/")
        world.start()
        demo = Demo(world, report)
        for stage in (demo.load, demo.planned, demo.unplanned, demo.way_back):
            stage()
    except Failed as failure:
        report.print()
        sys.exit(f"demo: {failure}\n{world.logs()}")
    finally:
        world.close()
    report.print()
    say("every number is right" if report.ok else "WRONG NUMBERS: see above")
    sys.exit(0 if report.ok else 1)


if __name__ == "__main__":
    main()
