"""One site: what is produced is what is read, before and after every kind of end."""

import random
import time

import world
from support import ledger
from support.client import Member
from world import identities, marked


class OneSite(world.World):
    def test_what_was_produced_is_read_and_read_again_after_a_restart(self):
        site = self.site()
        self.fill(site.bootstrap, "orders", 20_000)
        before = self.digests(site.bootstrap, "orders")
        self.assertEqual(sum(d.records for d in before.values()), 20_000)
        self.assertEqual(len(before), 4)
        site.stop()
        site.start()
        self.assertEqual(self.digests(site.bootstrap, "orders"), before)
        site.kill()
        site.start()
        self.assertEqual(self.digests(site.bootstrap, "orders"), before)

    def test_kill_under_load_loses_no_acknowledged_record(self):
        site = self.site()
        producer = self.producer(site.bootstrap, "orders")
        rng = random.Random(7)
        sent = 0
        for _ in range(6 if not world.LONG else 40):
            end = time.monotonic() + rng.uniform(0.2, 0.8)
            while time.monotonic() < end:
                producer.send(marked("p", sent, 50))
                sent += 50
                time.sleep(0.002)
            site.kill()
            site.start()
        producer.flush_and_close(deadline_s=90)
        self.assertEqual(producer.acks, sent)
        self.hold_ledger(producer, ledger.read(site.bootstrap, "orders"))

    def test_a_group_resumes_at_the_next_record_after_a_kill(self):
        site = self.site()
        self.fill(site.bootstrap, "orders", 5000, "first")
        with Member(site.bootstrap, "billing", "orders") as member:
            member.wait_read(5000)
            self.assertEqual(len(member.leave()), 5000)
        site.kill()
        site.start()
        self.fill(site.bootstrap, "orders", 1000, "second")
        with Member(site.bootstrap, "billing", "orders") as member:
            member.wait_read(1000)
            time.sleep(0.3)  # for one that should not come
            read = identities(member.leave())
        self.assertEqual(sorted(read), [("second", i) for i in range(1000)])

    def test_a_torn_tail_is_cut_and_the_rest_is_there(self):
        site = self.site()
        self.fill(site.bootstrap, "orders", 1000)
        before = self.digests(site.bootstrap, "orders")
        site.kill()
        for segment in site.data.glob("orders-*/*.log"):
            with open(segment, "ab") as file:
                file.write(b"\0\0\0\0\0\0\x7f\x7f torn")
        site.start()
        self.assertEqual(self.digests(site.bootstrap, "orders"), before)
        self.fill(site.bootstrap, "orders", 1000, "after")
        self.assertEqual(len(list(ledger.read(site.bootstrap, "orders"))), 2000)

    def test_many_clients_at_once(self):
        site = self.site()
        producers = [self.producer(site.bootstrap, "orders") for _ in range(8)]
        for number, producer in enumerate(producers):
            producer.send(marked(f"p{number}", 0, 2000))
        for producer in producers:
            producer.flush_and_close()
        records = list(ledger.read(site.bootstrap, "orders"))
        self.assertEqual(sorted(identities(records)),
                         sorted((f"p{n}", i) for n in range(8) for i in range(2000)))


if __name__ == "__main__":
    world.main()
