"""Two sites under load whose switchover can be stopped at a pinned point: every line to a site goes
through support/phases.py, which holds one request or answer of a step."""

import subprocess
import threading
from contextlib import contextmanager
from typing import Callable, NamedTuple

from support import site
from support.phases import Held, Phases
from support.processes import Failed, wait_for
from support.site import Role
from world import UnderLoad


class Point(NamedTuple):
    """A moment of a switchover: a frame between the two that it names is on the wire."""
    name: str
    api: int
    answer: bool
    sender: str
    receiver: str


def asked_and_answered(name: str, api: int, asks: str, answers: str) -> list[Point]:
    return [Point(f"{name} asked", api, False, asks, answers),
            Point(f"{name} answered", api, True, answers, asks)]


class Command:
    """One of the operator's, which may be killed and repeated."""

    def __init__(self, *line):
        self.line = [str(site.program()), *map(str, line)]
        self.start()

    def start(self) -> None:
        self.child = subprocess.Popen(self.line, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                      text=True, start_new_session=True)

    def kill(self) -> None:
        self.child.kill()
        self.child.communicate()

    def end(self) -> tuple[int, str, str]:
        """Exit code, what it printed, what it complained of."""
        said, complained = self.child.communicate(timeout=120)
        return self.child.returncode, said, complained


class Table:
    """What became of each case: printed as they end, and all of them after the last."""

    def __init__(self, points: list[Point]):
        self.names = [point.name for point in points]
        self.outcomes: dict[tuple[str, str], str] = {}

    def add(self, point: Point, victim: str, outcome: str, seconds: float) -> None:
        self.outcomes[point.name, victim] = outcome
        print(f"    {point.name:20} {victim:9} {outcome:24} {seconds:4.1f} s", flush=True)

    def print(self) -> None:
        victims = list(dict.fromkeys(victim for _, victim in self.outcomes))
        rows = [["", *victims]]
        rows += [[name, *(self.outcomes.get((name, victim), "not run") for victim in victims)]
                 for name in self.names]
        widths = [max(map(len, column)) + 2 for column in zip(*rows)]
        print()
        for row in rows:
            print("    " + "".join(f"{cell:{width}}" for cell, width in zip(row, widths)).rstrip())


class Pinned(UnderLoad):
    delay_ms = 5
    table: Table

    def setUp(self):
        self.phases = Phases()
        self.addCleanup(self.phases.close)
        super().setUp()
        self.source, self.target = "seoul", "tokyo"

    @classmethod
    def tearDownClass(cls) -> None:
        if cls.table.outcomes:
            cls.table.print()

    def lay_line(self, each) -> None:
        super().lay_line(each)
        for listener in ("WAN", "INSIDE", "ROUTER_INSIDE"):
            each.advertise(listener, self.phases.route(each.reached[listener]))

    def start(self, *line) -> Command:
        command = Command(*line, "--config", self.clusters)
        self.addCleanup(command.kill)
        return command

    def role(self, name: str) -> Role:
        """Whom the name of a victim means at this moment."""
        return {"source": getattr(self, self.source), "target": getattr(self, self.target),
                "mirror": self.mirrors[f"{self.source}-{self.target}"],
                "router": self.router}[name]

    def wait_held(self, held: Held) -> None:
        wait_for(lambda: self.send(2) or held.reached.is_set(), f"{held.what} is held", 60, 0.01)

    def kill_and_let_go(self, held: Held, point: Point, victim: str, mortal,
                        late: bool = False) -> None:
        """Kills the victim while the frame is held, and starts it again. Where somebody is left to
        receive it, the frame arrives in between; `late`, behind that."""
        lost = victim == point.receiver
        mortal.kill()
        self.phases.note(f"{victim} is dead")
        if lost:
            held.drop()
        elif not late:
            held.pass_on()
        self.keep_sending(0.2)
        mortal.start()
        self.phases.note(f"{victim} is back")
        if late and not lost:
            held.pass_on()

    def wait_served(self) -> None:
        """All that was sent until now is acknowledged."""
        sent = self.sent
        wait_for(lambda: self.send(1) or self.steady.acks >= sent, "the producer is served", 60,
                 0.02)

    @contextmanager
    def looks(self):
        """Looks again and again who is written, beside what the test does."""
        over, failures = threading.Event(), []

        def look():
            while not over.wait(0.1) and not failures:
                try:
                    self.writer()
                except AssertionError as failure:
                    failures.append(failure)
        thread = threading.Thread(target=look, daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()
        if failures:
            raise failures[0]

    def explained(self, what: str, case: Callable[[], str]) -> str:
        """The case's outcome; a failure says which frames came by and what the processes said."""
        self.phases.note(what)
        try:
            return case()
        except (AssertionError, Failed) as failure:
            roles = [self.seoul, self.tokyo, self.router, *self.mirrors.values()]
            tails = "\n".join(role.process.tail(12) for role in roles)
            raise AssertionError(f"{what}: {failure}\n{self.phases.seen()}\n{tails}") from failure
