"""What is wrong is refused in one clear line that says where and what would be right, before
anything is written; what comes over the wire costs its connection or its batch, and nobody else's.
"""

import json
import os
import socket
import struct
import time

import world
from support import site as sites
from support.processes import wait_for
from world import marked

CORRUPT_MESSAGE = 2


def role(name: str, file) -> tuple[int, str]:
    done = sites.run(name, "--config", file, check=False, timeout_s=60)
    return done.returncode, (done.stderr + done.stdout).strip()


class BadConfiguration(world.World):
    def broker(self, change=None, text: str | None = None) -> tuple[int, str]:
        """What `isthmus broker` says of a configuration; nothing may be written by it."""
        broken = sites.Site(self.tmp, "seoul", 1)
        if change:
            change(broken.config)
        file = broken.write_config()
        if text is not None:
            file.write_text(text)
        code, said = role("broker", file)
        self.assertFalse(broken.data.exists(), "something was written")
        return code, said

    def hold(self, answer: tuple[int, str], *words: str) -> None:
        code, said = answer
        self.assertEqual(code, 1, said)
        self.assertEqual(len(said.splitlines()), 1, said)
        for word in words:
            self.assertIn(word, said)

    def test_broken_yaml_names_file_and_line(self):
        self.hold(self.broker(text="cluster: {name: seoul\nbroker: [\n"), "broker.yaml:", ":")

    def test_an_unknown_key_names_the_nearest_right_one(self):
        def change(config):
            config["broker"]["num.partition"] = 4
        self.hold(self.broker(change), "broker.yaml:", "num.partition", "num.partitions")

    def test_a_wrong_type(self):
        def change(config):
            config["broker"]["num.partitions"] = "many"
        self.hold(self.broker(change), "num.partitions", "many")

    def test_a_missing_file(self):
        self.hold(role("broker", self.tmp / "nowhere.yaml"), "nowhere.yaml")

    def test_a_command_for_a_cluster_that_is_not_in_the_file(self):
        file = sites.Site(self.tmp, "seoul", 1).write_config()
        done = sites.run("topic", "create", "x", "--cluster", "tokyo", "--config", file,
                         check=False)
        self.hold((done.returncode, done.stderr.strip()), "tokyo", "seoul")


class BadSurroundings(world.World):
    def hold(self, answer: tuple[int, str], *words: str, exit_code: int = 1) -> None:
        code, said = answer
        self.assertEqual(code, exit_code, said)
        last = said.splitlines()[-1]
        for word in words:
            self.assertIn(word, last)

    def test_a_port_in_use(self):
        running = self.site()
        other = sites.Site(self.tmp, "tokyo", 2)
        port = running.ports["CLIENT"]
        other.config["listeners"][0]["bind"] = f"127.0.0.1:{port}"
        self.hold(role("broker", other.write_config()), str(port), "in use")
        self.assertFalse(list(other.directory.glob("data/*/*.log")), "something was written")

    def test_topics_are_listed_without_the_site_that_is_down(self):
        seoul, tokyo = self.site(), sites.Site(self.tmp, "tokyo", 2)
        sites.run("topic", "create", "orders", "--bootstrap-server", seoul.inside)
        clusters = {each.name: sites.cluster(each) for each in (seoul, tokyo)}
        file = sites.Router(self.tmp, "router", clusters).write_config()
        begin = time.monotonic()
        done = sites.run("topic", "list", "-o", "json", "--config", file, check=False)
        # It dials for a second, and waits ten for the answer of who is there.
        self.assertLess(time.monotonic() - begin, 8)
        self.assertIn(("seoul", "orders"),
                      [(topic["cluster"], topic["topic"]) for topic in json.loads(done.stdout)])
        self.hold((done.returncode, done.stderr.strip()), "tokyo", exit_code=2)

    def test_a_data_directory_of_another_cluster(self):
        seoul = self.site()
        self.fill(seoul.bootstrap, "orders", 100)
        seoul.stop()
        before = sorted(p.name for p in seoul.data.iterdir())
        other = sites.Site(self.tmp, "tokyo", 2)
        other.config["broker"]["log.dirs"] = [str(seoul.data)]
        self.hold(role("broker", other.write_config()), "seoul", "tokyo", "log.dirs")
        self.assertEqual(sorted(p.name for p in seoul.data.iterdir()), before)

    def test_a_second_data_directory_of_another_cluster(self):
        """Its logs would be taken for those of topics that are gone, and set aside."""
        seoul = self.site()
        self.fill(seoul.bootstrap, "orders", 100)
        seoul.stop()
        before = sorted(p.name for p in seoul.data.iterdir())
        other = self.site("tokyo", 2)
        other.stop()
        other.config["broker"]["log.dirs"] = [str(other.data), str(seoul.data)]
        self.hold(role("broker", other.write_config()), f"{seoul.data} belongs to", "log.dirs")
        self.assertEqual(sorted(p.name for p in seoul.data.iterdir()), before)
        self.started(seoul)

    def test_a_data_directory_of_another_number(self):
        seoul = self.site()
        seoul.stop()
        seoul.config["cluster"]["number"] = 7
        self.hold(role("broker", seoul.write_config()), "number", "1", "7")

    def test_a_data_directory_in_use(self):
        seoul = self.site()
        other = sites.Site(self.tmp, "other", 1)
        other.config["cluster"]["name"] = "seoul"
        other.config["broker"]["log.dirs"] = [str(seoul.data)]
        other.config["broker"]["node.id"] = seoul.node_id
        self.hold(role("broker", other.write_config()), str(seoul.data))
        self.fill(seoul.bootstrap, "orders", 100)


def request(api: int, version: int, body: bytes, correlation: int = 7) -> bytes:
    header = struct.pack(">hhih", api, version, correlation, 4) + b"test"
    return struct.pack(">i", len(header) + len(body)) + header + body


def batch(value: bytes, corrupt: bool) -> bytes:
    """A record batch of one record, of Kafka's format 2; its CRC32C is wrong where asked for."""
    record = b"\0\0\0\x01" + bytes([len(value) * 2]) + value + b"\0"
    records = bytes([len(record) * 2]) + record
    after_crc = struct.pack(">hiqqqhii", 0, 0, 1000, 1000, -1, -1, -1, 1) + records
    crc = crc32c(after_crc) ^ (1 if corrupt else 0)
    after_length = struct.pack(">ibI", 0, 2, crc) + after_crc
    return struct.pack(">qi", 0, len(after_length)) + after_length


def crc32c(data: bytes) -> int:
    crc = 0xffffffff
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0x82f63b78 if crc & 1 else 0)
    return crc ^ 0xffffffff


def produce(topic: bytes, records: bytes) -> bytes:
    """Produce v3, acks=all, to partition 0."""
    body = struct.pack(">hhii", -1, -1, 10_000, 1)
    body += struct.pack(">h", len(topic)) + topic + struct.pack(">iii", 1, 0, len(records))
    return request(0, 3, body + records)


def find_coordinator(group: bytes) -> bytes:
    """FindCoordinator v0, which also creates the topic that keeps the groups."""
    return request(10, 0, struct.pack(">h", len(group)) + group)


def commit(group: bytes, topic: bytes, offset: int) -> bytes:
    """OffsetCommit v2 to partition 0, by whoever is no member."""
    body = struct.pack(">h", len(group)) + group + struct.pack(">ihqi", -1, 0, -1, 1)
    body += struct.pack(">h", len(topic)) + topic + struct.pack(">iiqh", 1, 0, offset, -1)
    return request(8, 2, body)


def exchange(port: int, data: bytes) -> bytes:
    """The whole reply frame, or nothing if the connection is closed instead."""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as stream:
        stream.sendall(data)
        reader = stream.makefile("rb")
        size = reader.read(4)
        return reader.read(struct.unpack(">i", size)[0]) if len(size) == 4 else b""


class BadBytes(world.World):
    def setUp(self):
        super().setUp()
        self.seoul = self.site()
        self.port = self.seoul.ports["CLIENT"]
        sites.run("topic", "create", "orders", "--partitions", 1, "--bootstrap-server",
                  self.seoul.inside)

    def hold_alive(self) -> None:
        """The rest goes on: a producer that was there all the time is served."""
        wanted = self.neighbour.sent + 100
        end = time.monotonic() + 60
        while self.neighbour.acks < wanted:
            self.assertLess(time.monotonic(), end, "the neighbour is not served")
            self.neighbour.send(marked("n", self.neighbour.sent, 10))
            time.sleep(0.01)

    def start_neighbour(self) -> None:
        self.neighbour = self.producer(self.seoul.bootstrap, "neighbours")
        self.hold_alive()

    def test_garbage_costs_its_connection_only(self):
        self.start_neighbour()
        for garbage in (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"\xff" * 4096,
                        struct.pack(">i", -5) + b"x" * 100,
                        struct.pack(">i", 20) + b"\x7f" * 20):
            self.assertEqual(exchange(self.port, garbage), b"", garbage[:20])
        self.hold_alive()

    def test_an_oversized_frame_costs_its_connection_only(self):
        self.start_neighbour()
        self.assertEqual(exchange(self.port, struct.pack(">i", 2_000_000_000)), b"")
        self.assertEqual(exchange(self.port, struct.pack(">i", 101 << 20)), b"")
        self.hold_alive()
        self.assertLess(self.seoul.process.usage()[1], 400 << 20, "it believed the length")

    def test_half_a_frame_holds_nobody_up(self):
        self.start_neighbour()
        with socket.create_connection(("127.0.0.1", self.port)) as stream:
            stream.sendall(struct.pack(">i", 1000) + b"\0\0")
            self.hold_alive()

    def test_a_corrupt_batch_is_refused_with_its_error(self):
        def error_of(reply: bytes) -> int:
            # correlation, one topic by name, one partition, its error
            return struct.unpack_from(">h", reply, 4 + 4 + 2 + len(b"orders") + 4 + 4)[0]
        good = exchange(self.port, produce(b"orders", batch(b"good", corrupt=False)))
        self.assertEqual(error_of(good), 0)
        bad = exchange(self.port, produce(b"orders", batch(b"bad", corrupt=True)))
        self.assertEqual(error_of(bad), CORRUPT_MESSAGE)
        self.assertEqual(self.digests(self.seoul.bootstrap, "orders")[0].records, 1)

    def test_a_group_whose_name_is_no_text_is_shown_like_any_other(self):
        exchange(self.port, produce(b"orders", batch(b"good", corrupt=False)))
        exchange(self.port, find_coordinator(b"\xff\nbilling"))
        # Its coordinator has just been made, and loads what it is to know: so says the error code.
        wait_for(lambda: exchange(self.port, commit(b"\xff\nbilling", b"orders", 1))[-2:] ==
                 b"\0\0", "the group commits")
        where = ("--bootstrap-server", self.seoul.inside)
        wait_for(lambda: sites.run("group", "list", *where, check=False).returncode == 0,
                 "all coordinators are there")
        shown = json.loads(sites.run("group", "list", "-o", "json", *where).stdout)
        self.assertEqual([group["group"] for group in shown], ["\ufffd\\xff\nbilling"])
        table = sites.run("group", "list", *where).stdout.splitlines()
        self.assertEqual(len(table), 2, table)
        self.assertIn("\\xff\\x0abilling", table[1])
        name = os.fsdecode(b"\xff\nbilling")
        described = json.loads(sites.run("group", "describe", name, "-o", "json", *where).stdout)
        self.assertEqual(described[0]["partitions"][0]["committed"], 1)

    def test_the_private_api_is_not_served_to_clients(self):
        describe_site = request(10_000, 0, b"\0\0\0\0")
        self.assertEqual(exchange(self.port, describe_site), b"")


class BadDisk(world.World):
    def test_a_flipped_bit_takes_its_partition_offline_and_no_other(self):
        seoul = self.site()
        self.fill(seoul.bootstrap, "orders", 20_000)
        before = self.digests(seoul.bootstrap, "orders")
        seoul.stop()
        segment = next((seoul.data / "orders-2").glob("*.log"))
        data = bytearray(segment.read_bytes())
        data[len(data) // 2] ^= 0x40
        segment.write_bytes(data)
        # Without the checkpoints all of the log is read again, and the damage found.
        for file in seoul.data.glob("recovery-point*"):
            file.unlink()
        for file in seoul.data.glob("*clean*"):
            file.unlink()
        seoul.start()
        described = json.loads(sites.run("topic", "describe", "orders", "-o", "json",
                                         "--bootstrap-server", seoul.inside).stdout)
        ends = {p["partition"]: p["end_offset"] for p in described[0]["partitions"]}
        for partition in (0, 1, 3):
            self.assertEqual(ends[partition], before[partition].next)
        # Valid batches stand behind the damage, so it is no torn tail and is not cut.
        self.assertEqual(ends[2], -1)


if __name__ == "__main__":
    world.main()
