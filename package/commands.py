"""The command tree, as `isthmus --help` tells it: what manual pages and completions are made of."""

import re
import subprocess
from pathlib import Path
from typing import Iterator, NamedTuple


class Option(NamedTuple):
    names: list[str]    # -o, --output
    value: str          # FILE, {text,json}; empty: a flag
    required: bool
    text: str

    @property
    def words(self) -> list[str]:
        """What the value may be, where that is known."""
        if found := re.fullmatch(r"\{([\w,]+)\}", self.value):
            return found[1].split(",")
        return []


class Command(NamedTuple):
    path: tuple[str, ...]  # ("isthmus", "link", "describe")
    text: str
    usage: str
    positionals: list[Option]
    options: list[Option]
    commands: list[tuple[str, str]]  # name, text
    example: str
    exits: str

    @property
    def name(self) -> str:
        return "-".join(self.path)


def _entries(section: str) -> Iterator[tuple[str, str]]:
    """Left column and text, which may stand on the line below."""
    for entry in re.split(r"\n(?=  \S)", "\n" + section)[1:]:
        left, _, text = entry[2:].partition("\n")
        parts = re.split(r"\s{2,}", left.strip(), maxsplit=1)
        words = [*parts[1:], *text.split("\n")]
        yield parts[0], " ".join(" ".join(words).split())


def _option(left: str, text: str) -> Option:
    names, _, rest = left.partition(" ")
    rest = re.sub(r"\bExcludes: .*", "", rest)
    required = "REQUIRED" in rest
    rest = rest.replace("REQUIRED", "").strip()
    if found := re.match(r"\w+:value in \{([^}]*)\}", rest):  # debug->1,error->4
        rest = "{" + ",".join(word.split("->")[0] for word in found[1].split(",")) + "}"
    elif found := re.match(r"\w+:(\{[^}]*\})", rest):
        rest = found[1]
    elif found := re.match(r"(\w+):\w+ in \[(\S+) - (\S+)\]", rest):
        rest = f"{found[2]}..{found[3]}"
    return Option(names.split(","), rest.removesuffix("..."). strip(), required, text)


def parse(path: tuple[str, ...], text: str) -> Command:
    def section(title: str) -> str:
        found = re.search(rf"^{title}:\n((?:  .*\n?)+)", text, re.MULTILINE)
        return found[1].rstrip("\n") if found else ""
    usage = re.search(r"^Usage: (.*)$", text, re.MULTILINE)
    exits = re.search(r"^Exit: (.*)$", text, re.MULTILINE)
    return Command(
        path, text.partition("\n")[0], usage[1].strip() if usage else "",
        [_option(*entry) for entry in _entries(section("Positionals"))],
        [_option(*entry) for entry in _entries(section("Options"))],
        list(_entries(section("Subcommands"))), section("Example").strip(),
        exits[1] if exits else "")


def tree(program: Path, path: tuple[str, ...] = ("isthmus",)) -> Iterator[Command]:
    """Every group and every command, a parent before its children."""
    done = subprocess.run([program, *path[1:], "--help"], capture_output=True, text=True,
                          timeout=30, check=True)
    command = parse(path, done.stdout)
    yield command
    for name, _ in command.commands:
        yield from tree(program, (*path, name))
