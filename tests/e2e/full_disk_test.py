"""What runs out: the space of a disk, and the descriptors of the process. Records are refused, what
is safe is served, and all goes on by itself when there is more.

The disk is a small tmpfs, in a mount namespace of this test's own that ends with it.
"""

import contextlib
import os
import socket
import subprocess
import sys
import time

import world
from support import ledger, site as sites
from support.client import Member, Producer
from support.processes import Process, wait_for
from world import identities, marked

MIB = 1 << 20
PRIVATE = "ISTHMUS_TEST_MOUNTS"
COUNT = 55  # records of 0.9 MB, on a disk of 64 MiB


class FullDisk(world.World):
    def setUp(self):
        super().setUp()
        self.broker = sites.Site(self.tmp, "seoul", 1)
        self.broker.data.mkdir(parents=True)
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m", "isthmus", self.broker.data],
                       check=True)
        self.addCleanup(subprocess.run, ["umount", "-l", self.broker.data], check=True)

    def free(self) -> int:
        space = os.statvfs(self.broker.data)
        return space.f_bavail * space.f_frsize

    def said(self, what: str) -> int:
        return self.broker.process.log.read_text().count(what)

    def is_refused(self, size: int = 100) -> bool:
        """Whether a record of that size is not taken now, by a client that soon gives it up."""
        probe = Producer(self.broker.bootstrap, "orders", idempotent=False,
                         message_timeout_ms=1500, retry_backoff_ms=50)
        probe.send(marked("probe", 0, 1, size=size))
        return probe.close(30) == 1

    def hold_what_was_acked(self, acked: dict) -> None:
        there = {ledger.identity(r.value): (r.partition, r.offset)
                 for r in ledger.read(self.broker.bootstrap, "orders")}
        for identity, position in acked.items():
            self.assertEqual(there.get(identity), position, identity)

    def filled(self) -> tuple[Producer, dict]:
        """A producer that has more to write than there is room for; what it was acknowledged."""
        producer = self.producer(self.broker.bootstrap, "orders", linger_ms=20)
        producer.send(marked("p", 0, COUNT, size=900_000))

        def is_full() -> bool:
            """Nothing is acknowledged any more, and not for the slowness of the machine."""
            ended = producer.acks > 10 and time.monotonic() - producer.silence.latest > 3
            return ended and self.free() < 8 * MIB
        wait_for(is_full, "the disk is full", 90)
        self.assertLess(producer.acks, COUNT)
        return producer, dict(producer.where)

    def hold_it_goes_on(self, producer: Producer) -> None:
        producer.flush_and_close(120)
        self.assertEqual(producer.acks, COUNT)
        records = [r for r in ledger.read(self.broker.bootstrap, "orders")
                   if ledger.identity(r.value)[0] == "p"]
        self.hold_ledger(producer, records)

    def test_below_the_reserve_records_wait_and_a_deleted_topic_makes_room(self):
        site = self.started(self.broker)
        with Producer(site.bootstrap, "old") as client:
            client.send(marked("fill", 0, 20, size=900_000))
            client.flush_and_close()
        self.fill(site.bootstrap, "read", 100)
        producer, acked = self.filled()
        wait_for(lambda: self.said("/data full: "), "the log says so")
        self.assertEqual(self.said("/data full: "), 1)
        self.assertGreater(self.free(), 3 * MIB, "the reserve")
        self.assertTrue(self.is_refused())
        self.hold_what_was_acked(acked)
        self.assertEqual(site.status()["partitions_offline"], 0, "a full disk is no broken one")
        # Groups commit, and a start finds everything.
        with Member(site.bootstrap, "billing", "read") as member:
            member.wait_read(100)
            self.assertEqual(len(member.leave()), 100)
        site.kill()
        site.start()
        self.assertTrue(self.is_refused())
        self.hold_what_was_acked(acked)
        with Member(site.bootstrap, "billing", "read") as member:
            time.sleep(1)
            self.assertEqual(identities(member.leave()), [], "read before the start")
        sites.run("topic", "delete", "old", "--bootstrap-server", site.inside)
        self.hold_it_goes_on(producer)

    def test_full_to_the_last_byte_by_others_it_starts_and_goes_on(self):
        self.broker.config["broker"]["storage.reserve"] = 0
        site = self.started(self.broker)
        ballast = open(site.data / "ballast", "wb", buffering=0)
        self.addCleanup(ballast.close)
        ballast.write(b"x" * (40 * MIB))
        producer, acked = self.filled()
        self.assertTrue(self.is_refused(900_000))
        self.hold_what_was_acked(acked)
        self.assertEqual(site.status()["partitions_offline"], 0, "a full disk is no broken one")
        site.kill()
        with contextlib.suppress(OSError):
            while ballast.write(b"x" * 4096):
                pass
        self.assertEqual(self.free(), 0)
        site.start()
        self.hold_what_was_acked(acked)
        self.assertTrue(self.is_refused(900_000))
        self.assertEqual(site.status()["partitions_offline"], 0)
        ballast.truncate(0)
        self.hold_it_goes_on(producer)


class FewDescriptors(world.World):
    def test_connections_leave_descriptors_for_files(self):
        site = sites.Site(self.tmp, "seoul", 1, log_segment_bytes=2 * MIB)
        self.addCleanup(site.__exit__)
        command = ["prlimit", "--nofile=400:400", sites.program(), "broker", "--config",
                   site.write_config()]
        site.process = Process("seoul", command, site.directory / "broker.log").start()
        site.process.wait_ready(site.ready)
        self.assertIn("max.connections is 200 instead of 10000", site.process.log.read_text())
        producer = self.producer(site.bootstrap, "orders")
        producer.send(marked("p", 0, 100))
        wait_for(lambda: producer.acks == 100, "the producer is served", 60)
        crowd = []
        for _ in range(500):
            client = socket.create_connection(("127.0.0.1", site.ports["CLIENT"]))
            crowd.append(client)
            self.addCleanup(client.close)
        # Every partition rolls a few times meanwhile.
        producer.send(marked("p", 100, 40, size=900_000))
        wait_for(lambda: producer.acks == 140, "the producer is served in the crowd", 60)
        self.assertGreater(len(list(site.data.glob("orders-*/*.log"))), 20)
        for client in crowd:
            client.close()
        wait_for(site.ready, "the admin port answers", 60)
        self.assertEqual(site.status()["partitions_offline"], 0)
        producer.flush_and_close()
        self.hold_ledger(producer, ledger.read(site.bootstrap, "orders"))


def with_private_mounts() -> None:
    """This test again, where it may mount what nobody else sees."""
    if PRIVATE in os.environ:
        return
    os.environ[PRIVATE] = "1"
    as_root = [] if os.geteuid() == 0 else ["--map-root-user"]
    # In a chroot the root may be no mount point, which cannot be made private; what is mounted is
    # unmounted again either way.
    with open("/proc/self/mountinfo") as mounts:
        has_root = any(line.split()[4] == "/" for line in mounts)
    propagation = [] if has_root else ["--propagation", "unchanged"]
    os.execvp("unshare", ["unshare", "--mount", *propagation, *as_root, sys.executable, *sys.argv])


if __name__ == "__main__":
    with_private_mounts()
    world.main()
