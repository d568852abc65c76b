"""A planned switchover survives the death of every participant in every phase: killed at a pinned
point, while a request or an answer of a step is on the wire.

Before the hand-over it ends at the source, or, where the driver goes on, at the target; after it at
the target, by repeating the command at most. At no look are both sites written, and an idempotent
producer through the router finds all that it was acknowledged, once and in order. A group that
reads all along has it all at the end.

What becomes of the held frame: where its receiver lives it arrives, after the kill and before the
restart, because what a dead process has sent is not unsent, and a late message is the worse case.
Where its receiver is the victim it is lost with the connection, as it would be. In the column
"late" the mirror's request arrives when the next mirror has long ended the switchover. With --long
it goes on for three rounds; in the second the frame arrives after the restart.
"""

import time

import world
from pinned import Command, Pinned, Point, Table, asked_and_answered
from support import ledger
from support.client import Member
from support.phases import FENCE, FINISH, HAND_OVER, PROMOTE, WISH
from support.processes import wait_for
from world import identities

POINTS = [*asked_and_answered("wish", WISH, "command", "target"),
          *asked_and_answered("fence", FENCE, "mirror", "source"),
          *asked_and_answered("hand-over", HAND_OVER, "mirror", "source"),
          *asked_and_answered("promotion", PROMOTE, "mirror", "target"),
          *asked_and_answered("finish", FINISH, "mirror", "source")]
NAMES = [point.name for point in POINTS]
ROUNDS = 3 if world.LONG else 1


def is_handed_over(point: Point, victim: str) -> bool:
    """Whether the source has handed over by the time at which the victim is started again."""
    if point.name == "hand-over asked":
        return victim != point.receiver  # the request arrives
    return NAMES.index(point.name) >= NAMES.index("hand-over answered")


def must_end_at_target(point: Point, victim: str) -> bool:
    """Else the source's fence, or the target's part in it, died with the victim, and both ends are
    right. Routers and commands take no part, and a mirror goes on with the same id."""
    return victim in ("router", "command", "mirror") or is_handed_over(point, victim)


class KilledInEachPhase(Pinned):
    table = Table(POINTS)

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

    def test_the_mirror_whose_request_comes_late(self):
        self.begin_with_a_group()
        for point in POINTS:
            if "mirror" not in (point.sender, point.receiver):
                self.table.outcomes[point.name, "late"] = "not the mirror's"
            elif point.answer:  # comes to nobody, late or not
                self.table.outcomes[point.name, "late"] = "as mirror"
            else:
                self.run_case(point, "late", self.one_late_request)
        self.hold_all_and_the_group_has_it()

    def test_a_late_fence_opens_no_groups_after_the_hand_over(self):
        """Its first driver's, who was killed; the next one has handed over meanwhile."""
        self.begin(200)
        late = self.phases.hold(FENCE)
        command = self.start_command()
        self.wait_held(late)
        mirror = self.role("mirror")
        mirror.kill()
        promotion = self.phases.hold(PROMOTE)
        mirror.start()
        self.wait_held(promotion)
        answer = self.phases.hold(FENCE, answer=True)
        late.pass_on()
        self.wait_held(answer)
        answer.drop()
        with Member(self.seoul.bootstrap, "billing", "orders") as member:
            time.sleep(1)
            self.assertEqual(len(member.records), 0, "the group was served at both sites")
        promotion.pass_on()
        self.see_it_ended(command, 0, must=True)
        self.hold_what_was_acknowledged()
        self.hold_nothing_lost(self.tokyo.bootstrap)

    def kill_at_each_point(self, victim: str) -> None:
        self.begin_with_a_group()
        for round_ in range(ROUNDS):
            for point in POINTS:
                self.run_case(point, victim, lambda *case: self.one_kill(*case, round_ == 1))
        self.hold_all_and_the_group_has_it()

    def begin_with_a_group(self) -> None:
        self.begin(200)
        self.member = Member(self.router.bootstrap, "billing", "orders")
        self.addCleanup(self.member.kill)
        wait_for(lambda: self.send(1) or self.member.records, "the group reads", 60)

    def hold_all_and_the_group_has_it(self) -> None:
        self.hold_nothing_lost(getattr(self, self.source).bootstrap)
        expected = {("p", i) for i in range(self.sent)}
        self.explained("the end", lambda: wait_for(
            lambda: set(identities(self.member.records)) == expected, "the group has it all", 90))

    def run_case(self, point: Point, victim: str, case) -> None:
        began = time.monotonic()
        outcome = self.explained(f"{victim}, {point.name}, {self.source} → {self.target}",
                                 lambda: case(point, victim))
        self.table.add(point, victim, outcome, time.monotonic() - began)

    def one_kill(self, point: Point, victim: str, late: bool) -> str:
        self.wait_until_ready()
        with self.looks():
            held = self.phases.hold(point.api, point.answer)
            command = self.start_command()
            self.wait_held(held)
            mortal = command if victim == "command" else self.role(victim)
            self.kill_and_let_go(held, point, victim, mortal, late)
            outcome = self.see_it_ended(command, int(victim == "command"),
                                        must_end_at_target(point, victim))
            self.hold_what_was_acknowledged()
        return outcome

    def one_late_request(self, point: Point, _) -> str:
        self.wait_until_ready()
        with self.looks():
            held = self.phases.hold(point.api)
            command = self.start_command()
            self.wait_held(held)
            mirror = self.role("mirror")
            mirror.kill()
            mirror.start()
            outcome = self.see_it_ended(command, 0, must=True)
            held.pass_on()
            self.phases.note(f"{held.what} arrives")
            self.hold_what_was_acknowledged()
        return outcome

    def wait_until_ready(self) -> None:
        def ready():
            self.send(1)
            return self.switch_over(self.source, self.target, "--dry-run", allowed=(0, 3))["ready"]
        wait_for(ready, f"{self.source} → {self.target} is ready", 60)

    def start_command(self) -> Command:
        return self.start("switchover", "--from", self.source, "--to", self.target)

    def see_it_ended(self, command: Command, repeated: int, must: bool) -> str:
        """Waits for the command, and repeats it where it could not say how it ended; `must` it be
        at the target? Source and target change their names there."""
        code, said, complained = command.end()
        while code not in (0, 3) and "given up" not in complained:
            self.assertLess(repeated, 3, f"exit {code}: {complained}")
            command.start()
            repeated += 1
            code, said, complained = command.end()
        said = f"exit {code}: {said}{complained}"
        if code == 3:  # nothing is under way: it had ended before the command was repeated
            self.assertGreater(repeated, 0, said)
            writer = wait_for(self.writer, f"one site is written, after {said}", 60)
        else:
            writer = self.target if code == 0 else self.source
        wait_for(lambda: self.writer() == writer, f"{writer} is written, after {said}", 60)
        if must:
            self.assertEqual(writer, self.target, said)
        again = ", repeated" if repeated else ""
        if writer == self.source:
            return f"source{again}"
        self.source, self.target = self.target, self.source
        return f"target{again}"

    def hold_what_was_acknowledged(self) -> None:
        """So far: the producer is served, and each acknowledgement is true at the written site;
        the other one becomes equal."""
        self.wait_served()
        acked = dict(self.steady.where)
        written, following = getattr(self, self.source), getattr(self, self.target)
        self.hold_ledger(self.steady, ledger.read(written.bootstrap, "orders"), acked)
        wait_for(lambda: self.digests(following.bootstrap, "orders") ==
                 self.digests(written.bootstrap, "orders"), "both sites are equal", 60)


if __name__ == "__main__":
    world.main()
