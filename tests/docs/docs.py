"""Docs as a test: what README.md, SECURITY.md and docs/*.md name must exist.

    docs.py [ROOT]      prints "file:line: what" and exits 1 if there is any

Held against the tree: files and folders, links and their anchors, words and their classes, the
tables of APIs and of ZooKeeper's nodes. Held against the program (build/cli/isthmus): command lines
with their options, YAML examples; and every command must be described somewhere. docs_test.py
plants a breach of each.
"""

import functools
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Callable, Iterator, NamedTuple

CODE = ["base", "io", "kafka", "server", "client", "process", "views", "broker", "mirror", "router",
        "cli"]
FOLDERS = CODE + ["config", "tests", "bench", "docker", "docs", "package"]


class Finding(NamedTuple):
    file: str
    line: int
    text: str

    def __str__(self):
        return f"{self.file}:{self.line}: {self.text}"


class Page:
    def __init__(self, path: str, text: str):
        self.path = path
        self.text = text
        self.lines = text.split("\n")

    def finding(self, line: int, text: str) -> Finding:
        return Finding(self.path, line, text)


# --- files, folders, links ------------------------------------------------------------------

_PATH = re.compile(r"(?<![\w./>-])((?:%s)/[\w./{},*-]*)" % "|".join(FOLDERS))
_LINK = re.compile(r"\]\(([^)\s]+)\)")


def expand(path: str) -> list[str]:
    """a/{b,c}.h -> a/b.h, a/c.h"""
    found = re.search(r"\{([^{}]*)\}", path)
    if not found:
        return [path]
    return [path[:found.start()] + part + path[found.end():] for part in found[1].split(",")]


def check_paths(root: Path, page: Page) -> Iterator[Finding]:
    for number, line in enumerate(page.lines, 1):
        for match in _PATH.finditer(line):
            for path in expand(match[1].rstrip(".,")):
                if not any(root.glob(path.rstrip("/"))):
                    yield page.finding(number, f"{path} is not there")
                elif path.endswith("/") and not (root / path).is_dir():
                    yield page.finding(number, f"{path} is no folder")


def anchors(text: str) -> set[str]:
    """As GitHub makes them of headings."""
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", h.lower()).replace(" ", "-") for h in headings}


def check_links(root: Path, page: Page) -> Iterator[Finding]:
    for number, line in enumerate(page.lines, 1):
        for target in _LINK.findall(line):
            if target.startswith("http"):
                continue
            path, _, anchor = target.partition("#")
            file = (root / page.path).parent / path if path else root / page.path
            if not file.exists():
                yield page.finding(number, f"link to {target}: not there")
            elif anchor and anchor not in anchors(file.read_text()):
                yield page.finding(number, f"link to {target}: no such heading")


def check_folder_table(root: Path, page: Page) -> Iterator[Finding]:
    """README names every folder at the top."""
    if page.path != "README.md":
        return
    named = set(re.findall(r"^\| `(\w+)/` \|", page.text, re.MULTILINE))
    for folder in sorted(root.iterdir()):
        if not folder.is_dir() or folder.name.startswith((".", "build")):
            continue
        if folder.name not in named and any(folder.iterdir()):
            yield page.finding(1, f"{folder.name}/ is missing in the table of folders")


def check_file_map(root: Path, page: Page) -> Iterator[Finding]:
    """architecture.md names every folder that holds C++ sources."""
    if page.path != "docs/architecture.md":
        return
    for top in CODE:
        folders = {file.parent for file in (root / top).rglob("*.h")}
        for folder in sorted(folders):
            name = f"{folder.relative_to(root)}/"
            if f"`{name}`" not in page.text:
                yield page.finding(1, f"{name} is missing in the map of files")


# --- words and classes, APIs ----------------------------------------------------------------


def check_classes(root: Path, page: Page) -> Iterator[Finding]:
    """| word | `Class`, `function` | `file`, `file` |: each stands in one of the files."""
    in_table = False
    for number, line in enumerate(page.lines, 1):
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if cells[:2] == ["Word", "Class or function"]:
            in_table = True
        elif not line.startswith("|"):
            in_table = False
        elif in_table and "`" in line:
            files = [root / path for path in re.findall(r"`([^`]+)`", cells[2])]
            code = "".join(file.read_text() for file in files if file.is_file())
            for name in re.findall(r"`([\w:]+)`", cells[1]):
                for part in name.split("::"):
                    if not re.search(rf"\b{part}\b", code):
                        yield page.finding(number, f"{name} is not in {cells[2]}")


_API = re.compile(r"^api (\d+) (\w+) v(\d+)(?:-(\d+))?", re.MULTILINE)


def check_apis(root: Path, page: Page) -> Iterator[Finding]:
    """Tables of APIs name those of the schemas, all of them, with their versions."""
    for folder, heading in (("api", "| Key | API | Versions |"), ("private", "| Key | API | From")):
        if not any(line.startswith(heading) for line in page.lines):
            continue
        missing = {}
        for file in sorted((root / "kafka/schema" / folder).glob("*.schema")):
            for key, name, low, high in _API.findall(file.read_text()):
                missing[(key, name)] = f"{low} to {high}" if high else low
        for number, line in enumerate(page.lines, 1):
            cells = [cell.strip() for cell in line.strip("|").split("|")]
            if not line.startswith("|") or not cells[0].isdigit():
                continue
            versions = missing.pop((cells[0], cells[1]), None)
            if versions is None:
                yield page.finding(number, f"no schema in {folder}/ has API {cells[0]} {cells[1]}")
            elif folder == "api" and cells[2] != versions:
                yield page.finding(number, f"{cells[1]} has versions {versions}")
        for key, name in missing:
            yield page.finding(1, f"API {key} {name} is missing in the table")


_LAYOUT = "broker/store/zookeeper_layout.h"


def check_nodes(root: Path, page: Page) -> Iterator[Finding]:
    """The table of ZooKeeper's nodes has those that the layout draws, and no other."""
    if "| Node | What |" not in page.lines:
        return
    drawn = set(re.findall(r"^//   <root>/(.+?)  ", (root / _LAYOUT).read_text(), re.MULTILINE))
    begin = page.lines.index("| Node | What |") + 2
    for number, line in enumerate(page.lines[begin:], begin + 1):
        if not line.startswith("|"):
            break
        node = re.match(r"\| `([^`]+)`", line)[1]
        if node not in drawn:
            yield page.finding(number, f"{_LAYOUT} draws no node {node}")
        drawn.discard(node)
    for node in sorted(drawn):
        yield page.finding(begin, f"the node {node} is missing in the table")


# --- the program ----------------------------------------------------------------------------

Run = Callable[..., tuple[int, str]]  # arguments -> exit code, output


def program(binary: Path) -> Run:
    @functools.cache
    def run(*args: str) -> tuple[int, str]:
        done = subprocess.run([binary, *args], capture_output=True, text=True, timeout=30)
        return done.returncode, done.stdout + done.stderr
    return run


def subcommands(help_text: str) -> list[str]:
    _, _, tail = help_text.partition("\nSubcommands:\n")
    return re.findall(r"^  ([\w-]+)", tail.partition("\n\n")[0], re.MULTILINE)


def leaves(run: Run, path: tuple = ()) -> Iterator[tuple]:
    """Every command that does something: all but the groups, which have no example."""
    text = run(*path, "--help")[1]
    below = subcommands(text)
    if "Example:" in text or not below:
        yield path
    for name in below:
        yield from leaves(run, (*path, name))


_INLINE = re.compile(r"`(?:build/cli/)?(isthmus [^`]+)`")
_LINE = re.compile(r"^(?:\$ )?(?:build/cli/)?(isthmus .+?)(?:\s*&)?$")


def command_lines(page: Page) -> Iterator[tuple[int, str]]:
    fenced = False
    for number, line in enumerate(page.lines, 1):
        if line.startswith("```"):
            fenced = not fenced
        elif fenced and _LINE.match(line):
            yield number, _LINE.match(line)[1]
        elif not fenced:
            yield from ((number, found) for found in _INLINE.findall(line))


def check_command(run: Run, words: list[str]) -> str | None:
    """What is wrong with a command line, or None. Options are looked up in --help."""
    path, code, text = (), *run("--help")
    while words and words[0] in subcommands(text):
        path = (*path, words.pop(0))
        code, text = run(*path, "--help")
        if code != 0:
            return f"{' '.join(path)} --help exits with {code}"
    if not path:
        return f"there is no command {words[0] if words else ''}"
    is_group = "Example:" not in text and subcommands(text)
    if is_group and words and not words[0].startswith("-"):
        return f"{' '.join(path)} has no command {words[0]}"
    texts = "".join(run(*path[:n], "--help")[1] for n in range(1, len(path) + 1))
    for word in words:
        option = word.partition("=")[0]
        if option.startswith("-") and not re.search(rf"(?<![\w-]){re.escape(option)}\b", texts):
            return f"{' '.join(path)} has no option {option}"
    return None


def check_commands(run: Run, page: Page) -> Iterator[Finding]:
    for number, line in command_lines(page):
        wrong = check_command(run, line.split()[1:])
        if wrong:
            yield page.finding(number, f"`{line}`: {wrong}")


def check_all_described(run: Run, pages: list[Page]) -> Iterator[Finding]:
    everything = "\n".join(page.text for page in pages)
    for path in leaves(run):
        if not re.search(rf"isthmus {' '.join(path)}\b", everything):
            yield Finding("docs/operations.md", 1, f"isthmus {' '.join(path)} is not described")


def check_yaml(run: Run, page: Page) -> Iterator[Finding]:
    for block in re.finditer(r"^```yaml\n(.*?)^```", page.text, re.MULTILINE | re.DOTALL):
        number = page.text.count("\n", 0, block.start()) + 1
        with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
            file.write(block[1])
            file.flush()
            code, output = run("config", "check", file.name)
        if code != 0:
            yield page.finding(number, f"isthmus config check: {output.strip()}")


# --- all of it ------------------------------------------------------------------------------


def read_pages(root: Path) -> list[Page]:
    files = [*sorted(root.glob("*.md")), *sorted((root / "docs").glob("*.md"))]
    return [Page(str(file.relative_to(root)), file.read_text()) for file in files]


def findings(root: Path, run: Run) -> Iterator[Finding]:
    pages = read_pages(root)
    for page in pages:
        for check in (check_paths, check_links, check_folder_table, check_file_map, check_classes,
                      check_apis, check_nodes):
            yield from check(root, page)
        yield from check_commands(run, page)
        yield from check_yaml(run, page)
    yield from check_all_described(run, pages)


def main() -> int:
    root = Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parents[2]).resolve()
    binary = Path(os.environ.get("ISTHMUS_BUILD", root / "build")) / "cli" / "isthmus"
    if not binary.exists():
        print(f"{binary} is not there: ./dev build makes it")
        return 1
    found = list(findings(root, program(binary)))
    for finding in found:
        print(finding)
    print(f"docs: {len(found)} findings")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
