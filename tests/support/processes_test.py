"""A child is started, watched, paused, killed and started again; a dead one is noticed at once."""

import sys
import tempfile
import time
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from support import testing
from support.processes import Failed, Process, answers, free_port, free_ports, wait_for
from support.site import Site


def server(directory: str, port: int) -> Process:
    code = ("import socket, time; s = socket.create_server(('127.0.0.1', %d)); print('up', "
            "flush=True); time.sleep(60)" % port)
    return Process("server", [sys.executable, "-c", code], Path(directory) / "server.log")


class ProcessTest(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.tmp = directory.name

    def test_ready_killed_and_started_again(self):
        port = free_port()
        with server(self.tmp, port) as child:
            for times in (1, 2):
                child.start()
                # It says so after it has begun to listen.
                child.wait_ready(lambda n=times: answers(port) and child.tail().count("up") == n)
                self.assertTrue(child.alive)
                child.kill()
                self.assertFalse(child.alive)
                self.assertFalse(answers(port))
            self.assertEqual(child.tail().count("up"), 2)

    def test_one_that_ends_early_is_not_waited_for(self):
        child = Process("false", ["sh", "-c", "echo why; exit 3"], Path(self.tmp) / "log").start()
        began = time.monotonic()
        with self.assertRaisesRegex(Failed, "(?s)ended with 3.*why"):
            child.wait_ready(lambda: False, deadline_s=30)
        self.assertLess(time.monotonic() - began, 20)

    def test_one_that_ignores_sigterm_is_killed_and_said(self):
        command = ["sh", "-c", "trap '' TERM; echo armed; while :; do sleep 0.1; done"]
        child = Process("deaf", command, Path(self.tmp) / "log").start()
        child.wait_ready(lambda: "armed" in child.tail())
        with self.assertRaisesRegex(Failed, "did not end"):
            child.stop(deadline_s=0.3)
        self.assertFalse(child.alive)

    def test_paused_and_resumed(self):
        port = free_port()
        with server(self.tmp, port).start() as child:
            child.wait_ready(lambda: answers(port))
            child.pause()
            state = lambda: Path(f"/proc/{child.pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
            wait_for(lambda: state() == "T", "stopped")
            child.resume()
            wait_for(lambda: state() != "T", "resumed")
            cpu, peak = child.usage()
            self.assertGreaterEqual(cpu, 0)
            self.assertGreater(peak, 1 << 20)

    def test_a_deadline_is_kept(self):
        began = time.monotonic()
        with self.assertRaisesRegex(Failed, "the moon: not within 0.2 s"):
            wait_for(lambda: False, "the moon", deadline_s=0.2)
        self.assertLess(time.monotonic() - began, 15)

    def test_ports_are_free_and_neighbours(self):
        first = free_ports(4)
        self.assertFalse(any(answers(port) for port in range(first, first + 4)))

    def test_a_site_has_one_configuration_per_listener(self):
        site = Site(Path(self.tmp), "seoul", number=1, log_retention_hours=7)
        site.advertise("WAN", 12345)
        site.advertise("ROUTED", 12346)
        self.assertEqual(site.config["broker"]["node.id"], 101)
        self.assertEqual(site.config["broker"]["log.retention.hours"], 7)
        advertised = {each["name"]: each["advertised.listeners"]
                      for each in site.config["listeners"]}
        self.assertEqual(len(advertised), 5)
        self.assertEqual(advertised["CLIENT"], site.bootstrap)
        self.assertEqual(advertised["INSIDE"], site.inside)
        self.assertEqual(advertised["WAN"], "127.0.0.1:12345")
        self.assertEqual(advertised["ROUTED"], "127.0.0.1:12346")
        self.assertEqual(site.wan, "127.0.0.1:12345")


if __name__ == "__main__":
    testing.main()
