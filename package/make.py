"""Makes isthmus_<version>_<architecture>.deb of a program that is built: ./dev package.

    make.py PROGRAM FOLDER      the package, in FOLDER

Plain dpkg-deb over a folder that looks like the root of the system; what the program needs is what
dpkg-shlibdeps finds in it. The same commit makes the same bytes.
"""

import gzip
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.dont_write_bytecode = True
import commands
import completion
import manual

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
VERSION = "0.1.0"
ROLES = ("broker", "mirror", "router")
CONFIG = ("seoul.yaml", "tokyo.yaml", "mirror.yaml", "router.yaml")
SCRIPTS = ("postinst", "prerm", "postrm")
PAGES = ("README.md", "SECURITY.md", "docs/configuration.md", "docs/messages.md",
         "docs/metrics.md", "docs/operations.md", "docs/compatibility.md", "docs/formats.md",
         "docs/status.md")
FOLDERS = {"docs/monitoring": "monitoring", "config/cluster": "cluster", "config/secure": "secure"}
DOCUMENTS = "usr/share/doc/isthmus"


def output(*command, cwd: Path = ROOT) -> str:
    return subprocess.run([*map(str, command)], cwd=cwd, check=True, capture_output=True,
                          text=True).stdout.strip()


def commit(root: Path = ROOT) -> tuple[str, int]:
    """The version of this commit and its time; of a tree without git, one before all others, now."""
    if not (root / ".git").exists():
        return f"{VERSION}~0", int(time.time())
    try:
        seconds, name = output("git", "log", "-1", "--format=%ct %h", cwd=root).split()
        changed = output("git", "--no-optional-locks", "status", "--porcelain",
                         "--untracked-files=no", cwd=root)
    except (subprocess.CalledProcessError, FileNotFoundError) as error:
        # A version that is guessed would be that of any commit.
        sys.exit(f"git does not say which commit this is: {getattr(error, 'stderr', '') or error}")
    day = time.strftime("%Y%m%d%H%M%S", time.gmtime(int(seconds)))
    return f"{VERSION}~{day}.{name}" + (".dirty" if changed else ""), int(seconds)


def places() -> dict[str, str]:
    """What of the repository the package has, and where, seen from the folder of its documents."""
    found = {page: Path(page).name for page in PAGES}
    found |= {"config": "/etc/isthmus/", **{f"config/{name}": f"/etc/isthmus/{name}"
                                            for name in CONFIG}}
    for folder, below in FOLDERS.items():
        found[folder] = f"{below}/"
        for file in sorted((ROOT / folder).glob("*.[yj]*")):
            found[f"{folder}/{file.name}"] = f"{below}/{file.name}"
    return found


def linked(page: str) -> str:
    """A page beside the others in one folder: of a link or picture that is not there, its words
    stay."""
    there = places()

    def link(found: re.Match) -> str:
        path, mark, anchor = found[3].partition("#")
        if not path or path.startswith("http"):
            return found[0]
        place = there.get(os.path.normpath(Path(page).parent / path))
        return f"{found[1]}[{found[2]}]({place}{mark}{anchor})" if place else found[2]

    return re.sub(r"(!?)\[([^][]*)\]\(([^)\s]+)\)", link, (ROOT / page).read_text())


def installed(text: str) -> str:
    """A file of config/ as the package has it: what is in /tmp does not outlive its unit."""
    text = text.replace("/tmp/isthmus/", "/var/lib/isthmus/")
    text = re.sub(r"config/(cluster|secure)/", rf"/{DOCUMENTS}/\1/", text)
    text = text.replace("config/", "/etc/isthmus/")
    text = text.replace("# for real use: a folder on a disk that keeps its promises",
                        "# of the user isthmus, on a disk that keeps its promises")
    return re.sub(r"isthmus (broker|mirror|router) --config /etc/isthmus/(\w+)\.yaml",
                  r"systemctl enable --now isthmus-\1@\2", text)


class Tree:
    """The root of the system, as the package brings it."""

    def __init__(self, folder: Path, date: int):
        self.folder, self.date = folder, date

    def put(self, path: str, content: str | bytes, mode: int = 0o644) -> Path:
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content.encode() if isinstance(content, str) else content)
        file.chmod(mode)
        return file

    def put_zipped(self, path: str, content: str) -> None:
        self.put(path + ".gz", gzip.compress(content.encode(), 9, mtime=self.date))

    def files(self) -> list[Path]:
        return sorted(path for path in self.folder.rglob("*")
                      if path.is_file() and "DEBIAN" not in path.parts)


def fill(tree: Tree, program: Path, version: str) -> None:
    binary = tree.put("usr/bin/isthmus", program.read_bytes(), 0o755)
    output("strip", "--strip-unneeded", "--remove-section=.comment", binary)
    for role in ROLES:
        unit = f"isthmus-{role}@.service"
        tree.put(f"lib/systemd/system/{unit}", (HERE / unit).read_text())
    for name in CONFIG:
        tree.put(f"etc/isthmus/{name}", installed((ROOT / "config" / name).read_text()))
    known = list(commands.tree(program))
    date = time.strftime("%Y-%m-%d", time.gmtime(tree.date))
    for command in known:
        tree.put_zipped(f"usr/share/man/man1/{command.name}.1",
                        manual.page(command, version, date))
    tree.put("usr/share/bash-completion/completions/isthmus", completion.bash(known))
    tree.put("usr/share/zsh/vendor-completions/_isthmus", completion.zsh(known))
    for path, place in places().items():
        if path in PAGES:
            tree.put(f"{DOCUMENTS}/{place}", linked(path))
        elif str(Path(path).parent) in FOLDERS:
            text = (ROOT / path).read_text()
            tree.put(f"{DOCUMENTS}/{place}",
                     installed(text) if path.startswith("config/") else text)


def libraries(tree: Tree) -> str:
    """What the program is linked with, as Depends: has it."""
    with tempfile.TemporaryDirectory(prefix="isthmus-package-") as directory:
        (Path(directory) / "debian").mkdir()
        (Path(directory) / "debian" / "control").write_text("Source: isthmus\n")
        said = output("dpkg-shlibdeps", "-O", tree.folder / "usr/bin/isthmus", cwd=directory)
    return said.removeprefix("shlibs:Depends=")


def describe(tree: Tree, version: str) -> str:
    """DEBIAN/: what dpkg wants to know. Returns the architecture."""
    architecture = output("dpkg", "--print-architecture")
    size = sum(file.stat().st_size for file in tree.files()) // 1024 + 1
    control = (HERE / "control").read_text()
    for key, value in {"VERSION": version, "ARCHITECTURE": architecture, "SIZE": size,
                       "LIBRARIES": libraries(tree)}.items():
        control = control.replace(f"@{key}@", str(value))
    names = [file.relative_to(tree.folder) for file in tree.files()]
    sums = [f"{hashlib.md5((tree.folder / name).read_bytes()).hexdigest()}  {name}\n"
            for name in names if name.parts[0] != "etc"]
    tree.put("DEBIAN/control", control)
    tree.put("DEBIAN/md5sums", "".join(sums))
    tree.put("DEBIAN/conffiles", "".join(f"/{name}\n" for name in names if name.parts[0] == "etc"))
    for script in SCRIPTS:
        tree.put(f"DEBIAN/{script}", (HERE / script).read_text(), 0o755)
    return architecture


def make(program: Path, folder: Path) -> Path:
    version, date = commit()
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="isthmus-package-") as directory:
        tree = Tree(Path(directory) / "root", date)
        tree.folder.mkdir(mode=0o755)
        fill(tree, program, version)
        architecture = describe(tree, version)
        package = folder / f"isthmus_{version}_{architecture}.deb"
        for each in [tree.folder, *tree.folder.rglob("*")]:
            if each.is_dir():
                each.chmod(0o755)
        subprocess.run(["dpkg-deb", "--root-owner-group", "-Zxz", "--build", tree.folder, package],
                       check=True, env={**os.environ, "SOURCE_DATE_EPOCH": str(date)},
                       stdout=subprocess.DEVNULL)
    return package


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    for tool in ("dpkg-deb", "dpkg-shlibdeps", "strip"):
        if not shutil.which(tool):
            sys.exit(f"{tool} is missing: Debian's package dpkg-dev brings it")
    print(make(Path(sys.argv[1]).resolve(), Path(sys.argv[2])))
