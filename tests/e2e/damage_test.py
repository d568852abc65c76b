"""A disk that has changed or lost what it had synced, and what an operator does about it."""

import json
import shutil

import world
from support import ledger, processes, site as sites


class Damage(world.World):
    def setUp(self):
        super().setUp()
        self.one = self.site(num_partitions=1)
        self.fill(self.one.bootstrap, "orders", 1000)
        self.fill(self.one.bootstrap, "other", 100)
        self.log = self.one.data / "orders-0" / f"{0:020}.log"

    def flip(self) -> None:
        """One bit of the last record's value."""
        content = bytearray(self.log.read_bytes())
        content[-4] ^= 0x40
        self.log.write_bytes(content)

    def partition(self, verb: str, *args: str, exit: int = 0, name: str = "orders-0") -> str:
        done = sites.run("partition", verb, name, "--config", self.one.config_file, *args,
                         check=False)
        self.assertEqual(done.returncode, exit, done.stdout + done.stderr)
        return done.stdout + done.stderr

    def offline(self) -> dict[str, str]:
        return {f"{each['topic']}-{each['partition']}": each["reason"]
                for each in self.one.status()["offline"]}

    def test_damage_stays_damage_until_it_is_repaired(self):
        before = self.digests(self.one.bootstrap, "other")
        self.one.kill()
        self.flip()
        size = self.log.stat().st_size
        for stop in (self.one.kill, self.one.stop, self.one.kill):
            self.one.start()
            self.assertIn("isthmus partition describe orders-0", self.offline()["orders-0"])
            self.assertEqual(json.loads(self.partition("describe", "-o", "json",
                                                       exit=2))["lost"]["end_offset"], 1000)
            self.assertIn("say --yes", self.partition("repair", exit=3))
            self.assertIn("a broker runs here", self.partition("describe", exit=1,
                                                               name="other-0"))
            self.assertEqual(self.digests(self.one.bootstrap, "other"), before)
            stop()
            self.assertEqual(self.log.stat().st_size, size, "something was cut or appended")

        found = json.loads(self.partition("describe", "-o", "json", exit=2))
        end = found["end_offset"]
        self.assertEqual(found["lost"]["end_offset"], 1000)
        self.assertLess(end, 1000)
        self.assertIn("say --yes", self.partition("repair", exit=3))
        self.assertEqual(self.log.stat().st_size, size, "changed without --yes")
        self.assertIn(f"ends at offset {end}", self.partition("repair", "--yes"))
        self.assertIn("it is well", self.partition("repair", "--yes", exit=3))

        self.one.start()
        self.assertEqual(self.offline(), {})
        records = list(ledger.read(self.one.bootstrap, "orders"))
        self.assertEqual([r.offset for r in records], list(range(end)))
        self.fill(self.one.bootstrap, "orders", 10, "after")
        self.one.kill()
        self.one.start()
        self.assertEqual(len(list(ledger.read(self.one.bootstrap, "orders"))), end + 10)

    def test_it_is_repaired_while_the_broker_serves_others(self):
        self.one.stop()
        self.flip()
        self.one.start()
        self.assertIn("the broker opens it", self.partition("repair", "--yes"))
        processes.wait_for(lambda: not self.offline(), "the partition to be served", 60)
        end = len(list(ledger.read(self.one.bootstrap, "orders")))
        self.assertLess(end, 1000)
        self.fill(self.one.bootstrap, "orders", 10, "after")
        self.one.kill()
        self.one.start()
        self.assertEqual(self.offline(), {})
        offsets = [r.offset for r in ledger.read(self.one.bootstrap, "orders")]
        self.assertEqual(offsets, list(range(end + 10)))
        self.assertEqual(len(list(ledger.read(self.one.bootstrap, "other"))), 100)

    def test_what_lies_behind_the_damage_is_exported(self):
        self.fill(self.one.bootstrap, "orders", 1000, "second")
        self.one.stop()
        whole = self.log.read_bytes()
        first = 12 + int.from_bytes(whole[8:12], "big")
        damaged = bytearray(whole)
        damaged[first - 4] ^= 0x40
        self.log.write_bytes(damaged)
        export = self.tmp / "saved.log"
        self.partition("repair", "--yes", "--export", str(export))
        self.assertEqual(export.read_bytes(), whole[first:])
        self.assertEqual(self.log.stat().st_size, 0)

    def test_a_folder_that_is_gone_is_no_empty_partition(self):
        self.one.stop()
        shutil.rmtree(self.log.parent)
        self.one.start()
        self.assertIn(f"its folder {self.log.parent} is gone", self.offline()["orders-0"])
        self.assertIn("a broker runs here", self.partition("forget", "--yes", exit=3))
        self.assertEqual(len(list(ledger.read(self.one.bootstrap, "other"))), 100)
        self.one.stop()
        self.assertIn("is gone", self.partition("describe", exit=2))
        self.assertIn("say --yes", self.partition("forget", exit=3))
        self.assertIn("its folder is there", self.partition("forget", "--yes", exit=3,
                                                            name="other-0"))
        self.partition("forget", "--yes")
        self.one.start()
        self.assertEqual(self.offline(), {})
        self.fill(self.one.bootstrap, "orders", 10, "after")
        offsets = [r.offset for r in ledger.read(self.one.bootstrap, "orders")]
        self.assertEqual(offsets, list(range(1000, 1010)), "old offsets mean other records")

    def test_what_is_no_partition_is_said_in_one_line(self):
        self.one.stop()
        self.assertIn("TOPIC-NUMBER", self.partition("describe", exit=1, name="orders"))
        self.assertIn("no such partition", self.partition("describe", exit=1, name="orders-7"))
        self.assertIn("nothing is wrong", self.partition("describe"))
        self.one.config["broker"]["log.dirs"] = [str(self.tmp / "elsewhere")]
        self.one.write_config()
        self.assertIn("no broker has kept its data here", self.partition("describe", exit=1))
        self.assertFalse((self.tmp / "elsewhere").exists())


if __name__ == "__main__":
    world.main()
