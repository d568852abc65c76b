"""The line between two sites: drives the relay of relay.cc.

    relay = Relay()
    port = relay.route("seoul", broker_port, delay_ms=20)     # 20 ms each way
    relay.cut("seoul"); relay.restore("seoul")
"""

import socket
import subprocess

from .processes import Failed
from .testing import BUILD, need


class Relay:
    def __init__(self):
        program = need(BUILD / "tests" / "support" / "relay", "./dev build makes it")
        # It ends when its standard input does: with this process, however that ends.
        self.child = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                      text=True, start_new_session=True)
        port = int(self.child.stdout.readline().split()[1])
        self.control = socket.create_connection(("127.0.0.1", port))
        self.answers = self.control.makefile("r")

    def ask(self, line: str) -> str:
        self.control.sendall(f"{line}\n".encode())
        answer = self.answers.readline().strip()
        if not answer.startswith("ok"):
            raise Failed(f"relay: {line}: {answer or 'it is gone'}")
        return answer[2:].strip()

    def route(self, name: str, target: int, listen: int = 0, delay_ms: int = 0,
              bytes_per_second: int = 0) -> int:
        """A new line to a local port; returns the port that leads there."""
        port = int(self.ask(f"route {name} {listen} {target}"))
        self.delay(name, delay_ms)
        self.rate(name, bytes_per_second)
        return port

    def delay(self, name: str, milliseconds: int) -> None:
        """One way: a round trip costs twice that."""
        self.ask(f"delay {name} {milliseconds}")

    def rate(self, name: str, bytes_per_second: int) -> None:
        """Each way; 0 is unlimited."""
        self.ask(f"rate {name} {bytes_per_second}")

    def cut(self, name: str = "*") -> None:
        """Connections are reset, new ones refused."""
        self.ask(f"cut {name}")

    def stall(self, name: str = "*", way: str = "") -> None:
        """Nothing moves and nothing is closed: a half-open line. One way: "up" (what who dials has
        sent stays on the way) or "down"."""
        self.ask(f"stall {name} {way}".rstrip())

    def restore(self, name: str = "*") -> None:
        self.ask(f"restore {name}")

    def stats(self, name: str) -> dict[str, int]:
        """up and down (bytes, seen from who dials), connections now, connections refused."""
        pairs = (pair.split("=") for pair in self.ask(f"stats {name}").split())
        return {key: int(value) for key, value in pairs}

    def close(self) -> None:
        self.answers.close()
        self.control.close()
        self.child.stdin.close()
        self.child.stdout.close()
        self.child.wait(10)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
