"""A failover survives the death of the command, the router and the promoted site around its one
step: repeated, the command ends with the target written, and what the target lacks is what the way
back exports. The line is cut before the source dies, so that there is something to lose.
"""

import time

import world
from pinned import Pinned, Point, Table, asked_and_answered
from support import ledger
from support.phases import PROMOTE
from support.processes import wait_for
from world import identities

POINTS = asked_and_answered("promotion", PROMOTE, "command", "target")


class KilledAroundThePromotion(Pinned):
    table = Table(POINTS)

    def test_the_command(self):
        self.kill_at_each_point("command")

    def test_the_router(self):
        self.kill_at_each_point("router")

    def test_the_target(self):
        self.kill_at_each_point("target")

    def kill_at_each_point(self, victim: str) -> None:
        """There and back: each site is lost once."""
        self.begin(200)
        self.exported: list[ledger.Record] = []
        for point in POINTS:
            began = time.monotonic()
            outcome = self.explained(f"{victim}, {point.name}, {self.source} → {self.target}",
                                     lambda: self.one_failover(point, victim))
            self.table.add(point, victim, outcome, time.monotonic() - began)
        self.hold_all_is_somewhere()

    def one_failover(self, point: Point, victim: str) -> str:
        self.lose_the_source()
        held = self.phases.hold(point.api, point.answer)
        command = self.start("failover", "--from", self.source, "--to", self.target)
        self.wait_held(held)
        mortal = command if victim == "command" else self.role(victim)
        self.kill_and_let_go(held, point, victim, mortal)
        repeated = int(victim == "command")
        code, said, complained = command.end()
        while code != 0:
            self.assertLess(repeated, 3, f"exit {code}: {said}{complained}")
            command.start()
            repeated += 1
            code, said, complained = command.end()
        listed = self.command("topic", "list", "--cluster", self.target)
        self.assertEqual({t["writer"] for t in listed if t["topic"] == "orders"}, {"clients"})
        self.phases.note("promoted")
        self.wait_served()
        self.hold_nothing_unreported()
        self.source, self.target = self.target, self.source
        return "promoted, repeated" if repeated else "promoted"

    def lose_the_source(self) -> None:
        """With records that only it has."""
        self.wait_served()
        self.wait_mirrored(f"{self.source}-{self.target}")
        self.cut()
        self.send(20)
        self.wait_served()
        getattr(self, self.source).kill()

    def hold_nothing_unreported(self) -> None:
        """So far: each acknowledgement is true, at the target or in an export of the way back; no
        offset was given out twice; the other site becomes equal."""
        old, new = self.source, self.target
        self.relay.restore()
        getattr(self, old).start()
        self.phases.note(f"{old} is back")
        reversed_ = self.command("link", "reverse", f"{new}-{old}")
        exports = [t["exported_to"] for t in reversed_["topics"] if t["topic"] == "orders"]
        lost = list(ledger.read(getattr(self, old).bootstrap, exports[0]))
        self.assertGreater(len(lost), 0, "nothing was lost, so nothing was shown")
        self.exported += lost
        acked = dict(self.steady.where)
        promoted = list(ledger.read(getattr(self, new).bootstrap, "orders"))
        kept = promoted + self.exported
        places = {(r.partition, r.offset): ledger.identity(r.value) for r in kept}
        self.assertEqual({who for who, where in acked.items() if places.get(where) != who}, set(),
                         "acknowledged, and neither here nor exported")
        self.assertEqual(len({(r.partition, r.offset) for r in kept}), len(kept),
                         "one offset, two records")
        self.assertEqual(len(set(identities(promoted))), len(promoted), "duplicated")
        self.wait_mirrored(f"{new}-{old}")
        wait_for(lambda: self.digests(getattr(self, old).bootstrap, "orders") ==
                 self.digests(getattr(self, new).bootstrap, "orders"), "both sites are equal", 60)

    def hold_all_is_somewhere(self) -> None:
        """At the end: whatever was sent is at the written site or in an export."""
        self.steady.flush_and_close(deadline_s=90)
        written = getattr(self, self.source)
        kept = identities([*ledger.read(written.bootstrap, "orders"), *self.exported])
        self.assertEqual({("p", i) for i in range(self.sent)} - set(kept), set())


if __name__ == "__main__":
    world.main()
