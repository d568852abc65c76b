"""A planned switchover survives the death of every participant in every phase: killed at a pinned
point, while a request or an answer of a step is on the wire (support/phases.py holds it).

Before the hand-over it ends at the source, or, where the driver goes on, at the target; after it at
the target, by repeating the command at most. At no look are both sites written, and an idempotent
producer through the router finds all that it was acknowledged, once and in order.

What becomes of the held frame: where its receiver lives it arrives, after the kill and before the
restart, because what a dead process has sent is not unsent, and a late message is the worse case.
Where its receiver is the victim it is lost with the connection, as it would be.
"""

import subprocess
import threading
import time
from typing import NamedTuple

import world
from support import ledger, site
from support.phases import FENCE, FINISH, HAND_OVER, PROMOTE, WISH, Phases
from support.processes import Failed, wait_for
from world import UnderLoad


class Point(NamedTuple):
    """A moment of a switchover: a frame between the two that it names is held."""
    name: str
    api: int
    answer: bool
    sender: str
    receiver: str


def both(name: str, api: int, asks: str, answers: str) -> list[Point]:
    return [Point(f"{name} asked", api, False, asks, answers),
            Point(f"{name} answered", api, True, answers, asks)]


POINTS = [*both("wish", WISH, "command", "target"),
          *both("fence", FENCE, "mirror", "source"),
          *both("hand-over", HAND_OVER, "mirror", "source"),
          *both("promotion", PROMOTE, "mirror", "target"),
          *both("finish", FINISH, "mirror", "source")]
NAMES = [point.name for point in POINTS]


def is_handed_over(point: Point, victim: str) -> bool:
    """Whether the source has handed over by the time at which the victim is started again."""
    if point.name == "hand-over asked":
        return victim != point.receiver  # the request arrives
    return NAMES.index(point.name) >= NAMES.index("hand-over answered")


def must_end_at_target(point: Point, victim: str) -> bool:
    """Else the source's fence, or the target's part in it, died with the victim: both ends are
    right. Routers and commands take no part, and a mirror goes on with the same id."""
    return victim in ("router", "command", "mirror") or is_handed_over(point, victim)


class Command:
    """The operator's, which may be killed and repeated."""

    def __init__(self, *line):
        self.line = [str(site.program()), *map(str, line)]
        self.start()

    def start(self) -> None:
        self.child = subprocess.Popen(self.line, stdout=subprocess.PIPE, text=True,
                                      stderr=subprocess.STDOUT, start_new_session=True)

    def kill(self) -> None:
        self.child.kill()
        self.child.communicate()

    def end(self) -> tuple[int, str]:
        said = self.child.communicate(timeout=60)[0].strip()
        return self.child.returncode, said


class Looks:
    """Looks again and again who is written, beside what the test does; its failure is the test's
    at the end."""

    def __init__(self, look):
        self.look, self.failure, self.count = look, None, 0
        self.over = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self) -> None:
        while not self.over.wait(0.1):
            try:
                self.look()
            except AssertionError as failure:
                self.failure = failure
                return
            self.count += 1

    def end(self) -> None:
        self.over.set()
        self.thread.join()
        if self.failure:
            raise self.failure


class KilledInEachPhase(UnderLoad):
    delay_ms = 5
    table: dict[tuple[str, str], str] = {}

    def setUp(self):
        self.phases = Phases()
        self.addCleanup(self.phases.close)
        super().setUp()
        self.source, self.target = "seoul", "tokyo"

    def lay_line(self, each) -> None:
        super().lay_line(each)
        for listener in ("WAN", "INSIDE"):
            each.advertise(listener, self.phases.route(each.reached[listener]))

    def test_the_source(self):
        self.kill_at_each_point("source")

    def test_the_target(self):
        self.kill_at_each_point("target")

    def test_the_mirror(self):
        self.kill_at_each_point("mirror")

    def test_the_router(self):
        self.kill_at_each_point("router")

    def test_the_command(self):
        self.kill_at_each_point("command")

    def kill_at_each_point(self, victim: str) -> None:
        self.begin(200)
        for point in POINTS * (3 if world.LONG else 1):
            began = time.monotonic()
            self.phases.note(f"{victim}, {point.name}, {self.source} → {self.target}")
            try:
                outcome = self.one_kill(point, victim)
            except (AssertionError, Failed) as failure:
                raise AssertionError(f"{victim} killed at {point.name}: {failure}\n"
                                     f"{self.phases.seen()}\n{self.tails()}") from failure
            print(f"    {point.name:18} {victim:8} {outcome:24} "
                  f"{time.monotonic() - began:4.1f} s", flush=True)
            self.table[point.name, victim] = outcome
        self.hold_nothing_lost(getattr(self, self.source).bootstrap)

    def one_kill(self, point: Point, victim: str) -> str:
        source, target = self.source, self.target
        wait_for(lambda: self.send(1) or self.switch_over(source, target, "--dry-run",
                                                          allowed=(0, 3))["ready"],
                 f"{source} → {target} is ready", 30)
        self.phases.note("ready")
        looks = Looks(self.writer)
        held = self.phases.hold(point.api, point.answer)
        command = Command("switchover", "--from", source, "--to", target, "--config",
                          self.clusters)
        wait_for(lambda: self.send(2) or held.reached.is_set(), f"{held.what} is held", 20, 0.01)
        mortal = {"source": getattr(self, source), "target": getattr(self, target),
                  "mirror": self.mirrors[f"{source}-{target}"], "router": self.router,
                  "command": command}[victim]
        mortal.kill()
        self.phases.note(f"{victim} is dead")
        if victim == point.receiver:
            held.drop()
        else:
            held.pass_on()
        self.keep_sending(0.2)
        mortal.start()
        self.phases.note(f"{victim} is back")
        outcome = self.see_it_ended(command, point, victim)
        self.phases.note(f"ended: {outcome}")
        self.hold_what_was_acknowledged()
        looks.end()
        return outcome

    def see_it_ended(self, command: Command, point: Point, victim: str) -> str:
        """Waits for the command, and repeats it where it could not say how it ended."""
        repeated = int(victim == "command")
        code, said = command.end()
        while code != 0 and "given up" not in said and code != 3:
            self.assertLess(repeated, 3, f"exit {code}: {said}")
            command.start()
            repeated += 1
            code, said = command.end()
        again = ", repeated" if repeated else ""
        if code == 3:  # nothing is under way: it had ended before the command was repeated
            self.assertGreater(repeated, 0, said)
            writer = wait_for(self.writer, f"one site is written, after: {said}", 10)
        else:
            writer = self.target if code == 0 else self.source
        wait_for(lambda: self.writer() == writer, f"{writer} is written, after: {said}", 10)
        if must_end_at_target(point, victim):
            self.assertEqual(writer, self.target, said)
        if writer == self.source:
            return f"source{again}"
        self.source, self.target = self.target, self.source
        return f"target{again}"

    def hold_what_was_acknowledged(self) -> None:
        """So far: the producer is served, and each acknowledgement is true at the written site;
        the other one becomes equal."""
        sent = self.sent
        wait_for(lambda: self.send(1) or self.steady.acks >= sent, "the producer is served", 30,
                 0.02)
        self.phases.note("served")
        acked = set(self.steady.acked)
        written, following = getattr(self, self.source), getattr(self, self.target)
        book = ledger.Ledger()
        for sequence in range(self.sent):
            book.sent("p", sequence)
        records = list(ledger.read(written.bootstrap, "orders"))
        audit = book.audit(records)
        self.assertTrue(audit.clean, str(audit))
        here = {(record.partition, record.offset) for record in records}
        self.assertEqual(acked - here, set(), "not where it was acknowledged")
        wait_for(lambda: self.digests(following.bootstrap, "orders") ==
                 self.digests(written.bootstrap, "orders"), "both sites are equal", 20)

    def tails(self) -> str:
        roles = [self.seoul, self.tokyo, self.router, *self.mirrors.values()]
        return "\n".join(role.process.tail(12) for role in roles)

    @classmethod
    def tearDownClass(cls) -> None:
        victims = list(dict.fromkeys(victim for _, victim in cls.table))
        print("\n    " + " " * 18 + "".join(f"{victim:20}" for victim in victims))
        for name in NAMES:
            row = "".join(f"{cls.table.get((name, victim), '-'):20}" for victim in victims)
            print(f"    {name:18}{row}")


if __name__ == "__main__":
    world.main()
