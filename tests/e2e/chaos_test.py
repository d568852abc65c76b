"""What does not kill: processes that sleep (SIGSTOP), lines that fall silent in both ways or one,
and wall clocks that jump. Under load throughout: what was acknowledged is there, once, in order,
where it was said, and a group has been given all of it."""

import random
import subprocess
import time

import world
from support import ledger, site
from support.client import Member
from support.processes import wait_for
from support.wall_clock import WallClock
from world import UnderLoad, identities

NAP_S = 40 if world.LONG else 6
ROUNDS = 3 if world.LONG else 1


class Chaos(UnderLoad):
    def begin_with_a_group(self) -> None:
        self.ends = ["seoul", "tokyo"]
        self.begin(200)
        self.member = Member(self.router.bootstrap, "billing", "orders")
        self.addCleanup(self.member.kill)
        wait_for(lambda: self.send(1) or self.member.records, "the group reads", 60)

    def role(self, victim: str):
        return {"source": getattr(self, self.ends[0]), "target": getattr(self, self.ends[1]),
                "mirror": self.mirrors["-".join(self.ends)], "router": self.router}[victim]

    def wait_served(self) -> None:
        """All that was sent until now is acknowledged."""
        sent = self.sent
        wait_for(lambda: self.send(1) or self.steady.acks >= sent, "the producer is served", 60,
                 0.02)

    def move(self) -> None:
        self.wait_ready(*self.ends)
        self.switch_over(*self.ends)
        self.ends.reverse()

    def one_disturbed_switchover(self, what: str, disturb, calm) -> None:
        """Falls back or goes through, whatever is disturbed meanwhile; never in between once all
        is calm, and always with one writer."""
        self.wait_ready(*self.ends)
        source, target = self.ends
        line = ["switchover", "--from", source, "--to", target, "--config", self.clusters]
        command = subprocess.Popen([site.program(), *line], stdout=subprocess.PIPE,
                                   stderr=subprocess.STDOUT, text=True)
        self.addCleanup(command.kill)
        self.keep_sending(self.rng.uniform(0, 0.6))
        disturb()
        self.keep_sending(NAP_S / 2)
        calm()
        said = command.communicate(timeout=150)[0].strip().splitlines()
        print(f"    {what}: exit {command.returncode}; {said[-1] if said else ''}", flush=True)
        wait_for(lambda: self.send(1) or self.writer() in self.ends, f"{what}: one writer", 60)
        self.wait_served()
        if self.writer() == target:
            self.ends.reverse()

    def hold_all(self) -> None:
        """At the end, with everybody well again."""
        self.wait_served()
        written = getattr(self, self.ends[0])
        self.hold_nothing_lost(written.bootstrap)
        expected = {("p", i) for i in range(self.sent)}
        wait_for(lambda: set(identities(self.member.records)) == expected, "the group has it all",
                 60)
        self.assertEqual([r for r in self.member.resumptions if r.at > r.read_to], [], "skipped")
        self.wait_mirrored("-".join(self.ends))
        self.assertEqual(self.digests(self.tokyo.bootstrap, "orders"),
                         self.digests(self.seoul.bootstrap, "orders"))

    rng = random.Random(5)


class Asleep(Chaos):
    def test_each_process_sleeps_and_goes_on(self):
        self.begin_with_a_group()
        for victim in ("mirror", "target", "router", "source"):
            self.role(victim).process.pause()
            self.keep_sending(NAP_S)
            self.role(victim).process.resume()
            self.wait_served()
        self.move()
        self.hold_all()

    def test_who_sleeps_during_a_switchover(self):
        self.begin_with_a_group()
        for victim in ("mirror", "target", "router", "source") * ROUNDS:
            process = self.role(victim).process
            self.one_disturbed_switchover(f"{victim} asleep", process.pause, process.resume)
        self.hold_all()

    def test_a_source_that_only_slept_through_its_failover_is_no_second_writer(self):
        """It was taken for dead. What it acknowledged before, and what it may still do when it
        wakes, is at the target or in the export."""
        self.begin(2000)
        self.cut()
        self.send(500)
        self.wait_served()
        self.seoul.process.pause()
        self.command("failover", "--from", "seoul", "--to", "tokyo")
        self.wait_served()
        self.relay.restore()
        self.seoul.process.resume()
        self.wait_served()
        reversed_ = self.command("link", "reverse", "tokyo-seoul")
        export = reversed_["topics"][0]["exported_to"]
        self.wait_served()
        self.steady.flush_and_close()
        promoted = list(ledger.read(self.tokyo.bootstrap, "orders"))
        exported = list(ledger.read(self.seoul.bootstrap, export))
        here = set(identities(promoted))
        lacking = self.steady.where.keys() - here
        self.assertGreater(len(lacking), 0, "nothing was lost, so nothing was shown")
        self.assertEqual(len(promoted), len(here), "duplicated")
        places = {(r.partition, r.offset): ledger.identity(r.value) for r in promoted + exported}
        self.assertEqual({who for who, where in self.steady.where.items()
                          if places.get(where) != who}, set(), "acknowledged, and nowhere")
        self.assertEqual(self.steady.acked_twice, set(), "one position, two records")
        self.wait_mirrored("tokyo-seoul")
        self.assertEqual(self.digests(self.seoul.bootstrap, "orders"),
                         self.digests(self.tokyo.bootstrap, "orders"))


class Silent(Chaos):
    """No connection ends: whoever waits must notice by itself."""

    WAYS = ("", "up", "down")

    def test_the_line_between_the_sites(self):
        self.begin_with_a_group()
        for way in self.WAYS:
            for line in self.between_sites():
                self.relay.stall(line, way)
            self.keep_sending(NAP_S)
            self.wait_served()  # the source needs nobody across
            self.relay.restore()
            self.wait_mirrored("-".join(self.ends))
        self.move()
        self.hold_all()

    def test_the_lines_between_the_router_and_a_site(self):
        self.begin_with_a_group()
        for way in self.WAYS:
            for listener in ("ROUTED", "ROUTER_INSIDE"):
                self.relay.stall(f"{self.ends[0]}-{listener}", way)
            self.keep_sending(NAP_S)
            self.relay.restore()
            self.wait_served()
        self.move()
        self.hold_all()

    def test_a_line_during_a_switchover(self):
        self.begin_with_a_group()
        for way in self.WAYS * ROUNDS:
            for listener in ("WAN", "ROUTER_INSIDE"):
                line = f"{self.ends[0]}-{listener}"
                self.one_disturbed_switchover(f"{line} silent {way or 'both ways'}",
                                              lambda: self.relay.stall(line, way),
                                              self.relay.restore)
        self.hold_all()


class WallClocks(Chaos):
    """Each process of a site has the site's clock; clients have the true time."""

    def setUp(self):
        self.clocks: dict[str, WallClock] = {}
        super().setUp()

    def started(self, role):
        place = role.name.split("-")[-1]  # a mirror stands at its target
        if place not in self.clocks:
            self.clocks[place] = WallClock(self.tmp / f"{place}.clock")
        role.env |= self.clocks[place].env
        return super().started(role)

    def test_they_jump_and_disagree_while_all_goes_to_and_fro(self):
        self.begin_with_a_group()
        for seoul, tokyo, router in ((3600, 0, 0), (0, -3600, 0), (-3600, 3600, 0), (0, 0, 3600),
                                     (0, 0, 0)) * ROUNDS:
            for place, seconds in zip(("seoul", "tokyo", "corp"), (seoul, tokyo, router)):
                self.clocks[place].jump_to(seconds)
            self.keep_sending(1)
            self.move()
            self.wait_served()
        self.hold_all()


if __name__ == "__main__":
    world.main()
