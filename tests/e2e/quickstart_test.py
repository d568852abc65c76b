"""isthmus quickstart: the four commands that it prints are all that it takes."""

import json
import os
import urllib.request
from pathlib import Path

import world
from support import network, site as sites
from support.processes import Failed, Process, wait_for


class Quickstart(world.World):
    def setUp(self):
        super().setUp()
        # Its ports are those of config/, which somebody else may use on this machine.
        self.network = network.Network()
        self.addCleanup(self.network.close)
        self.folder = self.tmp / "try"

    def printed(self) -> list[str]:
        said = sites.run("quickstart", self.folder).stdout.splitlines()
        return [line.strip() for line in said if " --config " in line]

    def run_all(self, commands: list[str]) -> list[Process]:
        path = f"{sites.program().parent}:{os.environ['PATH']}"
        processes = []
        for number, command in enumerate(commands):
            process = Process(f"command-{number}", ["/bin/sh", "-c", f"exec {command}"],
                              self.tmp / f"{number}.log", {"PATH": path})
            self.addCleanup(process.kill)
            processes.append(process.start())
        return processes

    def ready(self, port: int) -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5) as answer:
                return answer.status == 200
        except OSError:
            return False

    def test_what_it_prints_starts_two_sites(self):
        commands = self.printed()
        self.assertEqual([line.split()[1] for line in commands],
                         ["broker", "broker", "mirror", "router", "topic", "switchover"])
        for name in ("seoul", "tokyo", "mirror", "router"):
            sites.run("config", "check", self.folder / f"{name}.yaml")
        processes = self.run_all(commands[:4])
        for process, port in zip(processes, (9644, 9744, 9645, 9646)):
            process.wait_ready(lambda at=port: self.ready(at), 60)
        self.fill("127.0.0.1:19092", "orders", 1000)
        self.assertTrue(list((self.folder / "seoul").glob("orders-*")))

        # The other two are lines to copy, too.
        def mirrored() -> bool:
            words = ["link", "describe", "seoul-tokyo", "--config", self.folder / "mirror.yaml"]
            done = sites.run(*words, "-o", "json", check=False)
            view = json.loads(done.stdout) if done.returncode in (0, 2) else {}
            return view.get("lag_records") == 0 and bool(view.get("topics"))
        wait_for(mirrored, "tokyo has all", 60)
        self.assertIn("orders", sites.run(*commands[4].split()[1:]).stdout)
        self.moved(commands[5])
        self.fill("127.0.0.1:19092", "orders", 10, "moved")
        for process in processes:
            self.assertEqual(process.stop(), 0)

    def moved(self, command: str) -> None:
        def done() -> bool:
            return sites.run(*command.split()[1:], check=False).returncode == 0
        wait_for(done, command, 60, 0.5)

    def test_a_folder_that_is_somebodys_is_left_alone(self):
        self.folder.mkdir()
        theirs = self.folder / "mine.txt"
        theirs.write_text("mine")
        file = self.tmp / "file"
        file.write_text("")
        for folder, said in ((self.folder, f"{self.folder} is not empty, "),
                             (file, f"{file}"), (self.tmp / "a b", "has a character")):
            done = sites.run("quickstart", folder, check=False)
            self.assertEqual((done.returncode, done.stdout), (1, ""), folder)
            self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)
            self.assertIn(said, done.stderr)
        self.assertEqual([path.name for path in self.folder.iterdir()], ["mine.txt"])
        self.assertFalse((self.tmp / "a b").exists())
        # What it has written once is not empty either.
        theirs.unlink()
        written = json.loads(sites.run("quickstart", self.folder, "-o", "json").stdout)
        self.assertEqual(sorted(map(str, self.folder.iterdir())), sorted(written["files"]))
        with self.assertRaises(Failed):
            sites.run("quickstart", self.folder)
        self.assertEqual(Path(written["folder"]), self.folder)


if __name__ == "__main__":
    network.in_private_namespace()
    world.main()
