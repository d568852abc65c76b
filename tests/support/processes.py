"""One child process: started, watched, ended by its own id, its output kept in a file."""

import atexit
import fcntl
import os
import random
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Callable, Sequence

_running: set["Process"] = set()


class Failed(Exception):
    """A child that did not do what was asked, with the end of its log."""


def wait_for(condition: Callable[[], object], what: str, deadline_s: float = 20,
             every_s: float = 0.05):
    """Polls until the condition is truthy and returns it; Failed after the deadline."""
    end = time.monotonic() + deadline_s
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise Failed(f"{what}: not within {deadline_s:g} s")
        time.sleep(every_s)


_LEASES = Path(tempfile.gettempdir()) / f"isthmus-ports-{os.getuid()}"
_leased: dict[int, int] = {}


def _lease(port: int) -> bool:
    """Whether the port is ours from now on, until this process ends: tests run side by side."""
    _LEASES.mkdir(exist_ok=True)
    lease = os.open(_LEASES / str(port), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lease, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(lease)
        return False
    _leased[port] = lease
    return True


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
            return True
        except OSError:
            return False


def free_port() -> int:
    """A port that nobody listens on and that was not given to anybody yet, outside the range of
    outgoing connections, so that it stays free until the child that is given it has bound it."""
    return free_ports(1)


def free_ports(count: int) -> int:
    """The first of `count` neighbouring free ports."""
    while True:
        first = random.SystemRandom().randrange(20000, 32000 - count)
        ports = range(first, first + count)
        if any(port in _leased for port in ports) or not all(map(_is_free, ports)):
            continue
        if all(_lease(port) for port in ports):
            return first


def answers(port: int, address: str = "127.0.0.1") -> bool:
    """Whether somebody accepts connections there."""
    try:
        socket.create_connection((address, port), timeout=1).close()
        return True
    except OSError:
        return False


class Process:
    """A command that may be started, killed and started again."""

    def __init__(self, name: str, command: Sequence[str], log: Path, env: dict | None = None):
        self.name = name
        self.command = [str(part) for part in command]
        self.log = Path(log)
        self.env = {**os.environ, **(env or {})}
        self.child: subprocess.Popen | None = None

    def start(self) -> "Process":
        assert not self.alive, f"{self.name} runs already"
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with open(self.log, "ab") as log:
            # Its own group: an interrupt at the terminal ends the test, which ends its children.
            self.child = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stdout=log,
                                          stderr=log, env=self.env, start_new_session=True)
        _running.add(self)
        return self

    @property
    def alive(self) -> bool:
        return self.child is not None and self.child.poll() is None

    @property
    def pid(self) -> int:
        return self.child.pid

    def wait_ready(self, condition: Callable[[], object], deadline_s: float = 20) -> None:
        """Until the condition holds; at once Failed if the child ends before."""
        def ready_or_dead():
            if not self.alive:
                raise Failed(f"{self.name} ended with {self.child.returncode}:\n{self.tail()}")
            return condition()
        try:
            wait_for(ready_or_dead, f"{self.name} ready", deadline_s, 0.02)
        except Failed as failure:
            raise Failed(f"{failure}\n{self.tail()}") from None

    def kill(self) -> None:
        """SIGKILL: what a crash looks like from outside."""
        if self.alive:
            self.child.kill()
        self._reap(30)

    def stop(self, deadline_s: float = 40) -> int:
        """SIGTERM; returns the exit code. Failed (and killed) if it does not end in time."""
        if self.alive:
            self.child.terminate()
        return self._reap(deadline_s)

    def pause(self) -> None:
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        os.kill(self.pid, signal.SIGCONT)

    def reload(self) -> None:
        os.kill(self.pid, signal.SIGHUP)

    def tail(self, lines: int = 20) -> str:
        text = self.log.read_text(errors="replace") if self.log.exists() else ""
        return "\n".join(f"    {self.name}| {line}" for line in text.splitlines()[-lines:])

    def usage(self) -> tuple[float, int]:
        """CPU seconds (user and system) so far, and peak resident bytes; of a living child."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rsplit(")", 1)[1].split()
        cpu = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
        status = Path(f"/proc/{self.pid}/status").read_text()
        peak_kib = int(status.split("VmHWM:")[1].split()[0])
        return cpu, peak_kib * 1024

    def _reap(self, deadline_s: float) -> int:
        if self.child is None:
            return 0
        try:
            code = self.child.wait(deadline_s)
        except subprocess.TimeoutExpired:
            self.child.kill()
            self.child.wait()
            what = f"{self.name} did not end within {deadline_s:g} s"
            raise Failed(f"{what}\n{self.tail()}") from None
        finally:
            _running.discard(self)
        return code

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kill()


@atexit.register
def _end_all() -> None:
    for process in list(_running):
        process.kill()
