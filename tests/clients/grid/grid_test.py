"""Stock client libraries through moves: all of them at once in one world of two sites, 20 ms from
each other and from the router, a producer and every kind of consumer each.

    grid_test.py [--only NAME,NAME] [--moves N] [--failover] [--write]

 kafka      at a real Kafka: shows that the programs are right
 direct     at a site, past the router
 router     through it, nothing happens
 planned    switchovers there and back
 failover   the active site dies with the line cut, comes back, and takes the clients home

Held: nothing lost, doubled or reordered, each acknowledgement's position true, everything read by
each consumer (account.py). Counted for each library, and held against expected.py: errors that an
application sees, failed commits, rebalances, redeliveries, stand-still. With ISTHMUS_LONG the
real Kafka, five moves each way, the failover, an estate of 50 topics and 20 groups, and the table
goes into docs/compatibility.md, as --write says for any run.
"""

import argparse
import json
import os
import sys
import time
import unittest
from collections import defaultdict
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parents[1]), str(HERE.parents[1] / "e2e"), str(HERE)]
import account
import expected
import table
import world
from account import Counts, Span
from confluent_kafka import Consumer, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic
from library import ESTATE, LIBRARIES, Library, Running
from support import ledger, testing
from support.kafka import Kafka
from support.processes import wait_for

SETTLED_S = 8         # after a move: three heartbeats, and two intervals of automatic commits
KEPT = testing.BUILD / "tests" / "clients"  # what a run leaves
DEADLINE_S = 45       # for everyone to go on: a session timeout


def now_ms() -> float:
    return time.time() * 1000


def arguments() -> tuple[argparse.Namespace, list[str]]:
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", default="", help="these libraries")
    parser.add_argument("--moves", type=int, default=5 if world.LONG else 1, help="each way")
    parser.add_argument("--failover", action="store_true", default=world.LONG)
    parser.add_argument("--write", action="store_true", default=world.LONG,
                        help="the table into the docs")
    return parser.parse_known_args()


class Grid(world.TwoSites):
    options: argparse.Namespace

    def lay_line(self, each) -> None:
        # As a site is configured that says nothing about it.
        each.config["broker"].pop("group.initial.rebalance.delay.ms", None)
        super().lay_line(each)

    def setUp(self):
        super().setUp()
        for name in ("seoul-tokyo", "tokyo-seoul"):
            self.start_mirror(name)
        self.router = self.start_router()
        self.stages: dict[str, dict[str, Counts]] = defaultdict(dict)
        self.versions: dict[str, str] = {}
        self.faults: list[str] = []
        self.exports: dict[str, str] = {}
        KEPT.mkdir(parents=True, exist_ok=True)
        self.choose()

    def choose(self) -> None:
        names = [name for name in self.options.only.split(",") if name] or list(LIBRARIES)
        self.libraries: list[Library] = []
        self.missing: list[str] = []
        for library in [LIBRARIES[name] for name in names] + [ESTATE] * world.LONG:
            try:
                library.command()
                self.libraries.append(library)
            except unittest.SkipTest as reason:
                self.missing.append(f"{library.name}: {reason}")
        for reason in self.missing:
            print(f"\n!!! SKIPPED {reason}\n", flush=True)
        if not self.libraries:
            self.skipTest("; ".join(self.missing))

    # --- programs -------------------------------------------------------------------------------

    def start_all(self, bootstrap: str, stage: str) -> list[Running]:
        self.create_topics(bootstrap, stage)
        running = []
        for library in self.libraries:
            log = self.tmp / f"{library.name}-{stage}.log"
            running.append(Running(library, bootstrap, stage, log))
            self.addCleanup(running[-1].kill)
        quiet = self.wait_heard(running, 0, 240)
        tails = "\n".join(each.tail() for each in running if each.name in quiet)
        self.assertEqual(quiet, {}, f"did not begin\n{tails}")
        return running

    def create_topics(self, bootstrap: str, stage: str) -> None:
        """Of ours they are mirrored, too, before anybody is moved."""
        topics = {topic: library.partitions for library in self.libraries
                  for topic in library.order("", stage)["topics"]}
        admin = AdminClient({"bootstrap.servers": bootstrap})
        for made in admin.create_topics([NewTopic(*each, 1) for each in topics.items()]).values():
            made.result(60)

        for topic, partitions in topics.items():
            self.wait_led(bootstrap, topic, partitions)

        def mirrored():
            return topics.keys() <= {t["topic"] for t in self.describe("seoul-tokyo")["topics"]}
        if stage != "kafka":
            wait_for(mirrored, f"the topics of {stage} are mirrored", 90, 0.5)

    def wait_led(self, bootstrap: str, topic: str, partitions: int) -> None:
        """A Kafka answers for a topic that its leader does not know yet."""
        asker = Consumer({"bootstrap.servers": bootstrap, "group.id": "nobody"})

        def led() -> bool:
            try:
                for number in range(partitions):
                    asker.get_watermark_offsets(TopicPartition(topic, number), timeout=5)
            except KafkaException:
                return False
            return True
        try:
            wait_for(led, f"{topic} is led", 60, 0.1)
        finally:
            asker.close()

    def wait_heard(self, running: list[Running], since_ms: float, deadline_s: float) -> dict:
        """Until everyone has been heard since then; library -> who has not, after the deadline."""
        end = time.monotonic() + deadline_s
        while True:
            quiet = {each.name: names for each in running if (names := each.silent(since_ms))}
            if not quiet or time.monotonic() > end:
                return quiet
            time.sleep(0.1)

    def finish(self, running: list[Running], moves: list[Span], calm: str, began: float) -> None:
        """Everyone sends no more, reads to the end and leaves; then all is judged."""
        ended = now_ms()
        self.mark_dead(running, moves[-1].stage if moves else calm)
        for each in running:
            each.flush()
        for each in running:
            each.wait_flushed()
        end = time.monotonic() + 90
        while time.monotonic() < end and not all(self.is_read(each) for each in running):
            time.sleep(0.2)
        for each in running:
            each.close()
        spans = account.spans(moves, began, ended, calm)
        for each in running:
            self.judge(each, spans)

    def mark_dead(self, running: list[Running], stage: str) -> None:
        quiet = self.wait_heard(running, now_ms() - 3000, 30)
        self.dead = {name: set(names) for name, names in quiet.items()}
        for name, names in quiet.items():
            self.stages[name].setdefault(stage, Counts()).dead = names

    def is_read(self, running: Running) -> bool:
        return bool(self.dead.get(running.name)) or running.caught_up()

    def judge(self, running: Running, spans: list[Span]) -> None:
        names = [consumer["name"] for consumer in running.order["consumers"]]
        for stage, counts in account.by_stage(running.heard, names, spans).items():
            known = self.stages[running.name].get(stage)
            counts.dead = known.dead if known else []
            self.stages[running.name][stage] = counts
        self.versions[running.name] = running.heard.version
        living = [name for name in names if name not in self.dead.get(running.name, ())]
        log, exported = [], []
        for number, topic in enumerate(running.order["topics"]):
            log += account.numbered(ledger.read(running.order["bootstrap"], topic), number)
            if export := self.exports.get(topic):
                exported += account.numbered(ledger.read(self.seoul.bootstrap, export), number)
        truth = account.truth(running.heard, running.order["id"], living, log, exported)
        print(f"    {running.order['id']}: {len(running.heard.acks):,} acknowledged, {truth.audit}",
              flush=True)
        if faults := truth.faults():
            self.keep(running, log)
        stages = list(dict.fromkeys(span.stage for span in spans))
        for stage in stages:
            self.stages[running.name][stage].faults = faults
        unexcused = expected.unexcused(running.name, stages, faults)
        self.faults += [f"{running.order['id']}: {n} {what}" for what, n in unexcused.items()]

    def keep(self, running: Running, log: list[ledger.Record]) -> None:
        """All that its program said, and what the log holds, for who looks for the cause."""
        kept = KEPT / f"{running.order['id']}.json"
        heard = vars(running.heard) | {"log": [[r.partition, r.offset, *ledger.identity(r.value)]
                                               for r in log]}
        kept.write_text(json.dumps(heard))
        print(f"    kept: {kept}", flush=True)

    # --- stages ---------------------------------------------------------------------------------

    def calm(self, bootstrap: str, stage: str) -> None:
        running = self.start_all(bootstrap, stage)
        began = now_ms()
        time.sleep(3)
        self.finish(running, [], stage, began)

    def move(self, running: list[Running], source: str, target: str, stage: str) -> Span:
        self.wait_ready(source, target)
        began = now_ms()
        self.switch_over(source, target)
        return self.settled(running, stage, began, f"{source} to {target}")

    def settled(self, running: list[Running], stage: str, began: float, what: str) -> Span:
        took = now_ms() - began
        quiet = self.wait_heard(running, now_ms(), DEADLINE_S)
        time.sleep(SETTLED_S)
        print(f"    {what}: {took / 1000:.1f} s{f', silent: {quiet}' if quiet else ''}", flush=True)
        return Span(stage, began, now_ms())

    def failover(self, running: list[Running]) -> list[Span]:
        self.wait_ready("seoul", "tokyo")
        began = now_ms()
        self.cut()
        time.sleep(1)
        self.seoul.kill()
        wait_for(lambda: self.command("failover", "--from", "seoul", "--to", "tokyo",
                                      allowed=(0, 1)), "the failover", 60)  # 1: repeat it
        away = self.settled(running, "failover", began, "failover")
        self.relay.restore()
        self.seoul.start()
        answer = self.command("link", "reverse", "tokyo-seoul")
        self.exports = {t["topic"]: t["exported_to"] for t in answer["topics"]
                        if t.get("exported_to")}
        return [away, self.move(running, "tokyo", "seoul", "failover")]

    def test_stock_libraries_through_moves(self):
        if world.LONG:
            with Kafka(self.tmp / "kafka", num_partitions=4) as kafka:
                self.calm(kafka.bootstrap, "kafka")
        self.calm(self.seoul.bootstrap, "direct")
        running = self.start_all(self.router.bootstrap, "routed")
        began = now_ms()
        time.sleep(3)
        moves = []
        for _ in range(self.options.moves):
            moves += [self.move(running, "seoul", "tokyo", "planned"),
                      self.move(running, "tokyo", "seoul", "planned")]
        if self.options.failover:
            self.mark_dead(running, "planned")
            moves += self.failover(running)
        self.finish(running, moves, "router", began)
        text = self.report()
        self.hold()
        if self.options.write and not self.options.only and not self.missing:
            table.write(text)
        if self.missing:
            self.skipTest("; ".join(self.missing))

    # --- what is said ---------------------------------------------------------------------------

    def report(self) -> str:
        rows = [table.row(each, self.versions[each.name], self.stages[each.name])
                for each in self.libraries if each is not ESTATE]
        text = table.block(rows, 2 * self.options.moves)
        print(f"\n{text}\n")
        for library, stages in self.stages.items():
            for stage, counts in stages.items():
                for said in sorted(set(counts.errors + counts.failed_commits))[:4]:
                    print(f"    {library}, {stage}: {said[:160]}")
        details = {library: {stage: vars(counts) for stage, counts in stages.items()}
                   for library, stages in self.stages.items()}
        (KEPT / "grid.json").write_text(json.dumps(details))
        for said in expected.idle(self.stages):
            print(f"    an exception that nothing needed: {said}")
        return text

    def hold(self) -> None:
        above = [str(finding) for library, stages in self.stages.items()
                 for stage, counts in stages.items()
                 for finding in expected.above(library, stage, counts, timed=world.LONG)]
        self.assertEqual(self.faults, [])
        self.assertEqual(above, [])


if __name__ == "__main__":
    Grid.options, rest = arguments()
    os.environ.setdefault("PYTHONUNBUFFERED", "1")
    sys.argv = [sys.argv[0], *rest]
    world.main()
