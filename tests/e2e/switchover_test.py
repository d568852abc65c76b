"""A planned switchover: nothing lost, doubled or re-ordered, whoever dies in whatever phase; before
the hand-over it falls back to the source, after it a repeated command goes forward."""

import random
import subprocess
import threading
import time

import world
from support import ledger, site
from support.client import Member
from support.processes import wait_for
from world import UnderLoad, identities, marked


class Switchover(UnderLoad):
    def test_there_and_back_with_a_producer_and_a_group(self):
        self.begin()
        member = Member(self.router.bootstrap, "billing", "orders")
        self.addCleanup(member.kill)
        wait_for(lambda: self.send(1) or len(member.records) > 1000, "the group reads", 60)
        for source, target in (("seoul", "tokyo"), ("tokyo", "seoul")):
            self.keep_sending(1)
            self.wait_ready(source, target)
            self.switch_over(source, target)
            self.keep_sending(2)
        self.hold_nothing_lost(self.seoul.bootstrap)
        expected = {("p", i) for i in range(self.sent)}
        wait_for(lambda: set(identities(member.records)) == expected, "the group has it all", 90)
        member.leave()
        # It moved with its member, who lived on in its generation at what it had read.
        self.assertEqual(member.assignments, 1, list(member.said))
        self.assertEqual(len(member.records), len(expected))
        self.wait_mirrored("seoul-tokyo")
        self.assertEqual(self.digests(self.tokyo.bootstrap, "orders"),
                         self.digests(self.seoul.bootstrap, "orders"))
        self.hold_bytes("orders")

    def test_clients_with_little_patience_notice_nothing(self):
        """What meets the fence waits there. One retry is for the new leader; without acks there is
        none at all."""
        self.begin()
        impatient = self.producer(self.router.bootstrap, "calm", idempotent=False, retries=1,
                                  max_in_flight=1)
        silent = self.producer(self.router.bootstrap, "quick", idempotent=False, acks=0)
        sent = 0

        def send(seconds: float) -> None:
            nonlocal sent
            end = time.monotonic() + seconds
            while time.monotonic() < end:
                impatient.send(marked("impatient", sent, 5))
                silent.send(marked("silent", sent, 5))
                sent += 5
                self.keep_sending(0.02)

        send(2)
        for topic in ("calm", "quick"):
            self.wait_mirrored("seoul-tokyo", topic)
        for source, target in (("seoul", "tokyo"), ("tokyo", "seoul")):
            self.wait_ready(source, target)
            moving = threading.Thread(target=self.switch_over, args=(source, target))
            moving.start()
            while moving.is_alive():
                send(0.1)
            moving.join()
            send(2)
        for producer in (impatient, silent):
            producer.flush_and_close()
            self.assertEqual(list(producer.failures), [])
        everything = set(range(sent))
        for topic, name in (("calm", "impatient"), ("quick", "silent")):
            wait_for(lambda: self.held(topic, name) >= everything, f"{topic} has all", 90)
        self.hold_nothing_lost(self.seoul.bootstrap)

    def held(self, topic: str, name: str) -> set[int]:
        read = identities(ledger.read(self.seoul.bootstrap, topic))
        return {number for who, number in read if who == name}

    def test_without_a_mirror_it_is_not_ready_and_changes_nothing(self):
        self.begin()
        self.mirrors["seoul-tokyo"].stop()
        wait_for(lambda: not self.switch_over("seoul", "tokyo", "--dry-run",
                                              allowed=(0, 3))["ready"], "it is noticed", 60)
        self.switch_over("seoul", "tokyo", allowed=(3,))
        self.hold_nothing_lost(self.seoul.bootstrap)

    def test_a_mirror_that_dies_in_time_costs_nothing_and_the_wish_is_given_up(self):
        self.begin()
        self.mirrors["seoul-tokyo"].kill()
        done = site.run("switchover", "--from", "seoul", "--to", "tokyo", "--wait", 3, "--config",
                        self.clusters, check=False)
        self.assertEqual(done.returncode, 1, done.stdout + done.stderr)
        self.assertIn("given up", done.stderr)
        # Started again it must not come true.
        self.mirrors["seoul-tokyo"].start()
        self.keep_sending(3)
        self.hold_nothing_lost(self.seoul.bootstrap)
        written = {t["topic"]: t["writer"] for t in self.command("topic", "list", "--cluster",
                                                                 "seoul")}
        self.assertEqual(written["orders"], "clients")

    def test_a_killed_command_is_repeated_and_goes_on(self):
        self.begin()
        command = subprocess.Popen([site.program(), "switchover", "--from", "seoul", "--to",
                                    "tokyo", "--config", self.clusters],
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(0.1)
        command.kill()
        command.wait()
        self.keep_sending(2)
        # By now it is over, or under way: then the repeated command sees to its end.
        self.switch_over("seoul", "tokyo", allowed=(0, 3))
        self.hold_nothing_lost(self.tokyo.bootstrap)

    def test_kills_of_every_participant_at_random_moments(self):
        """What switchover_phases_test.py does not show, which kills at the steps that it knows of:
        moments between them, during a write, a recovery or a long poll. Many with --long."""
        self.begin()
        rng = random.Random(11)
        ends = ["seoul", "tokyo"]
        victims = ["mirror", "target", "router", "source"] * (5 if world.LONG else 1)
        for victim in victims:
            source, target = ends
            self.keep_sending(0.5)
            self.wait_ready(source, target)
            self.one_kill(source, target, victim, rng.uniform(0, 0.6))
            self.keep_sending(1)
            if self.writer() == target:
                ends.reverse()
        self.hold_nothing_lost(getattr(self, ends[0]).bootstrap)
        self.wait_mirrored("-".join(ends))
        self.assertEqual(self.digests(self.tokyo.bootstrap, "orders"),
                         self.digests(self.seoul.bootstrap, "orders"))

    def one_kill(self, source: str, target: str, victim: str, after_s: float) -> None:
        line = ["switchover", "--from", source, "--to", target, "--config", self.clusters]
        command = subprocess.Popen([site.program(), *line], stdout=subprocess.PIPE,
                                   stderr=subprocess.STDOUT, text=True)
        self.keep_sending(after_s)
        process = {"mirror": self.mirrors[f"{source}-{target}"], "router": self.router,
                   "source": getattr(self, source), "target": getattr(self, target)}[victim]
        process.kill()
        self.keep_sending(0.3)
        process.start()
        said = command.communicate(timeout=150)[0]
        outcome = f"kill of {victim} after {after_s:.2f} s: exit {command.returncode}"
        print(f"    {outcome}; {said.strip().splitlines()[-1] if said.strip() else ''}")
        if command.returncode not in (0, 3) and "given up" not in said:
            # It may still come true: the repeated one sees to its end.
            self.switch_over(source, target, allowed=(0, 3))
        # Fallen back or done; never in between once everyone is up again.
        wait_for(lambda: self.writer() in (source, target), outcome, 60)


if __name__ == "__main__":
    world.main()
