"""Sessions that end (KIP-368): stock clients log in again on the connection that they have and go
on; who has been deleted meanwhile, or whose token has expired, is out; at a site and through a
router. Confluent's client and Kafka's own, which are those that log in again."""

import dataclasses
import socket
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parents[1]), str(HERE.parents[1] / "e2e"), str(HERE)]
import secure_test
import secured
import world
from confluent_kafka.admin import AdminClient, NewTopic
from library import LIBRARIES, Running
from secure_grid_test import Sites
from support.processes import wait_for
from support.site import audited
from support.wire import Ended, Wire

LIFETIME_MS = 10_000  # clients log in again in its last tenth
CLIENTS = ("confluent-kafka", "java")
SASL_AUTHENTICATION_FAILED = 58


class Sessions(Sites):
    """One site and a router."""

    def setUp(self):
        secure_test.Secure.setUp(self)
        self.active = self.started(self.secure_site("seoul", 1))
        self.sites = {"seoul": self.active}
        self.commands(self.active)
        self.make_user("alice", secured.PASSWORD)
        self.make_acls(self.active)
        self.routers = {"SASL_SSL": self.started(self.router_of("SASL_SSL"))}
        self.router = self.routers["SASL_SSL"]

    def secure_site(self, name: str, number: int, pair=None):
        made = super().secure_site(name, number, pair)
        made.config["broker"] |= {"connections.max.reauth.ms": LIFETIME_MS,
                                  "sasl.oauthbearer.clock.skew.seconds": 0}
        made.config["audit"] = {"file": str(self.tmp / "audit")}
        return made

    def audited(self, **expected) -> list[dict]:
        return audited(self.tmp / "audit", **expected)

    def hold_audited(self, **expected) -> None:
        wait_for(lambda: self.audited(**expected), f"the audit has {expected}", 60)

    def start(self, way: str, bootstrap: str, names=CLIENTS, **told) -> list[Running]:
        """Their programs, once all of them are served."""
        running = []
        for name in names:
            library = dataclasses.replace(LIBRARIES[name], name=f"grid-{name}", partitions=2,
                                          consumers=("auto", "assign"))
            library.command()  # skips where it is not there
            stage = f"{way.lower()}-{bootstrap.rpartition(':')[2]}"
            topics = library.order("", stage)["topics"]
            admin = AdminClient(self.as_admin() | {"bootstrap.servers": self.active.inside})
            for made in admin.create_topics([NewTopic(each, 2, 1) for each in topics]).values():
                made.result(60)
            running.append(Running(library, bootstrap, stage, self.tmp / f"{name}-{stage}.log",
                                   self.told(way) | told))
            self.addCleanup(running[-1].kill)
        wait_for(lambda: not any(each.silent(0) for each in running), "all are served", 120)
        return running

    def places(self, way: str) -> list[tuple[str, object]]:
        """Where clients come in, and whose log tells of them there."""
        return [(self.direct(way), self.active), (self.routed(way), self.router)]

    # --- who may, goes on -----------------------------------------------------------------------

    def test_clients_log_in_again_and_go_on(self):
        for way in ("SCRAM-SHA-512", "OAUTHBEARER"):
            for bootstrap, role in self.places(way):
                running = self.start(way, bootstrap)
                self.hold_renewed(running, role, f"User:{secured.user_of(way)}")
                self.finish(running)

    def hold_renewed(self, running: list[Running], role, person: str) -> None:
        """For three lifetimes no connection is opened: each would have ended, had its client not
        logged in again at least twice."""
        began_ms = time.time() * 1000
        before, opened = 0, -1.0

        def is_over() -> bool:
            nonlocal before, opened, began_ms
            now_opened = role.metric("isthmus_connections_opened_total")
            if now_opened != opened:
                opened, began_ms = now_opened, time.time() * 1000
                before = len(self.audited(action="SaslAuthenticate", principal=person))
            return time.time() * 1000 > began_ms + 3 * LIFETIME_MS
        wait_for(is_over, "no connection is opened for a while", 180)
        again = len(self.audited(action="SaslAuthenticate", principal=person)) - before
        self.assertGreaterEqual(again, 2 * 2 * len(running), "producers and consumers, twice")
        now_ms = time.time() * 1000
        for each in running:
            wait_for(lambda each=each: not each.silent(now_ms), f"{each.name} goes on", 60)

    def finish(self, running: list[Running]) -> None:
        for each in running:
            each.flush()
        for each in running:
            each.wait_flushed()
            wait_for(each.caught_up, f"{each.name} has read all", 60)
            troubles = list(each.heard.events)
            each.close()
            self.assertEqual([event for event in troubles
                              if event["e"] in ("error", "failed", "commit_failed", "note")], [])
            self.assertEqual(len(each.heard.acks), each.heard.sent)

    # --- who may not, is out --------------------------------------------------------------------

    def test_who_is_deleted_is_out_and_named(self):
        way = "SCRAM-SHA-512"
        running = [each for bootstrap, _ in self.places(way)
                   for each in self.start(way, bootstrap)]
        self.command("user", "delete", "alice")
        self.hold_said(self.active, "user alice may log in no more")
        self.hold_audited(action="Produce", principal="User:alice", listener="CLIENT",
                          outcome="refused", error="SASL_AUTHENTICATION_FAILED")
        self.hold_said(self.router, "log-in refused: user=alice: ")
        self.hold_audited(action="SaslAuthenticate", resources=["alice"],
                          listener="ROUTER_INSIDE", outcome="refused",
                          error="SASL_AUTHENTICATION_FAILED")
        self.hold_out(running)

    def test_a_client_whose_token_has_expired_is_out_and_named(self):
        way = "OAUTHBEARER"
        for bootstrap, role in self.places(way):
            token = self.provider.token(secured.user_of(way), lives_s=40)
            running = self.start(way, bootstrap, names=("confluent-kafka",), token=token)
            self.hold_out(running)
            self.hold_said(role, "log-in refused: user=carol: ")
        self.hold_said(self.active, "log-in refused: user=carol: the token has expired")
        self.hold_audited(action="SaslAuthenticate", resources=["carol"], listener="CLIENT",
                          outcome="refused", error="SASL_AUTHENTICATION_FAILED")

    def hold_out(self, running: list[Running]) -> None:
        """Nothing more is acknowledged, and the client says why."""
        def are_silent() -> bool:
            since = time.time() * 1000 - 2 * LIFETIME_MS
            return all("producer" in each.silent(since) for each in running)
        wait_for(are_silent, "nobody is served any more", 120)
        for each in running:
            wait_for(lambda each=each: "uthentication" in str(list(each.heard.events)),
                     f"{each.name} says why", 60)

    def wire(self, role) -> Wire:
        port = role.ports["CLIENT"] if role is self.active else role.port
        line = socket.create_connection(("127.0.0.1", port), 20)
        return Wire(self.certificates.client().wrap_socket(line, server_hostname="localhost"))

    def test_an_expired_token_is_refused_and_its_session_ends(self):
        for role in (self.active, self.router):
            token = self.provider.token("carol", lives_s=8)
            expired = time.time() + 8
            first = b"n,,\1auth=Bearer " + token.encode() + b"\1\1"
            with self.wire(role) as idle, self.wire(role) as repeated:
                for wire in (idle, repeated):
                    answer = wire.log_in("OAUTHBEARER", first)
                    self.assertEqual(answer.error, 0, answer)
                    self.assertIn(answer.lifetime_ms, range(1, LIFETIME_MS), "the token's")
                    wire.topics()
                wait_for(lambda: time.time() > expired, "it has expired")
                with self.assertRaises(Ended):
                    idle.topics()
                self.hold_said(role, "the session of carol has ended")
                answer = repeated.log_in("OAUTHBEARER", first)
                self.assertEqual((answer.error, answer.data), (0, b'{"status":"invalid_token"}'))
                answer = repeated.authenticate(b"\1")
                self.assertEqual(answer.error, SASL_AUTHENTICATION_FAILED)
                with self.assertRaises(Ended):
                    repeated.topics()
                self.hold_said(role, "log-in refused: user=carol: ")
        self.hold_said(self.active, "log-in refused: user=carol: the token has expired")
        self.hold_audited(action="Metadata", principal="User:carol", listener="CLIENT",
                          outcome="refused", error="ILLEGAL_SASL_STATE")
        self.assertNotIn(token, self.log_of(self.active) + self.log_of(self.router))


if __name__ == "__main__":
    world.main()
