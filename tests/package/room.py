"""A bare Debian 12 of one's own: bash, apt and little else, as debootstrap makes it.

    room = Room(tmp)
    room.install(deb)                                     # with what it depends on
    room.run("isthmus", "--help")
    Process("seoul", room.command(["isthmus", ...], user="isthmus"), log)
    room / "etc/isthmus"                                  # its files, from outside

A chroot with mounts and processes of its own, which end with whoever entered it; root only. The
bare system is made once and kept in .cache/room.
"""

import fcntl
import os
import shutil
import subprocess
import unittest
from pathlib import Path
from typing import Sequence

from support import testing
from support.processes import Failed

CACHE = testing.ROOT / ".cache" / "room"
ENTER = """
room=$1; shift
mount -t proc proc "$room/proc"
mount --rbind /dev "$room/dev"
mount -t tmpfs run "$room/run"
exec chroot "$room" /usr/bin/env -i LANG=C.UTF-8 HOME=/root DEBIAN_FRONTEND=noninteractive \\
  PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "$@"
"""


def _must(command: Sequence, log: Path) -> None:
    with open(log, "ab") as out:
        code = subprocess.run([*map(str, command)], stdout=out, stderr=out, check=False).returncode
    if code != 0:
        end = "\n".join(log.read_text(errors="replace").splitlines()[-8:])
        raise Failed(f"{command[0]}: exit {code}\n{end}")


def _mirror() -> str:
    """Where this machine has its packages from."""
    done = subprocess.run(["apt-get", "indextargets", "--format", "$(REPO_URI)"],
                          capture_output=True, text=True, check=True)
    found = [line for line in done.stdout.splitlines() if line.rstrip("/").endswith("/debian")]
    if not found:
        raise Failed("apt knows no archive of Debian")
    return found[0]


def _base() -> Path:
    """The bare system; whoever comes second waits for the first."""
    CACHE.mkdir(parents=True, exist_ok=True)
    base, done = CACHE / "base", CACHE / "base.done"
    with open(CACHE / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not done.exists():
            shutil.rmtree(base, ignore_errors=True)
            _must(["debootstrap", "--variant=minbase", "bookworm", base, _mirror()],
                  CACHE / "debootstrap.log")
            # This machine's own way to packages.
            for file in Path("/etc/apt/sources.list.d").glob("debian.sources"):
                shutil.copy(file, base / "etc/apt/sources.list.d")
                (base / "etc/apt/sources.list").write_text("")
            done.touch()
    return base


class Room:
    def __init__(self, directory: Path):
        if os.geteuid() != 0 or not shutil.which("debootstrap"):
            raise unittest.SkipTest("a bare Debian needs root, and Debian's package debootstrap")
        self.folder = Path(directory) / "room"
        self.log = Path(directory) / "room.log"
        _must(["cp", "-a", "--reflink=auto", _base(), self.folder], self.log)
        for name in ("resolv.conf", "hosts"):
            if (Path("/etc") / name).exists():
                shutil.copyfile(Path("/etc") / name, self.folder / "etc" / name)

    def __truediv__(self, path: str) -> Path:
        return self.folder / path

    def command(self, command: Sequence, user: str = "") -> list[str]:
        """The same, run in there."""
        with open("/proc/self/mountinfo") as mounts:
            has_root = any(line.split()[4] == "/" for line in mounts)
        # In a chroot the root may be no mount point, which cannot be made private.
        propagation = [] if has_root else ["--propagation", "unchanged"]
        as_user = ["setpriv", "--reuid", user, "--regid", user, "--init-groups"] if user else []
        return ["unshare", "--mount", *propagation, "--pid", "--fork", "--kill-child", "sh", "-euc",
                ENTER, "enter", str(self.folder), *as_user, *map(str, command)]

    def run(self, *command, user: str = "", check: bool = True) -> str:
        done = subprocess.run(self.command(command, user), capture_output=True, text=True,
                              timeout=300, stdin=subprocess.DEVNULL, check=False)
        said = done.stdout + done.stderr
        with open(self.log, "a") as log:
            log.write(f"$ {' '.join(map(str, command))}\n{said}")
        if check and done.returncode != 0:
            raise Failed(f"{' '.join(map(str, command))}: exit {done.returncode}\n{said[-2000:]}")
        return said

    def install(self, package: Path) -> str:
        shutil.copy(package, self / "tmp/package.deb")
        self.run("apt-get", "update", "-q")
        return self.run("apt-get", "install", "-qy", "--no-install-recommends",
                        "/tmp/package.deb")
