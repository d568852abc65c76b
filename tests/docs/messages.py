"""docs/messages.md as a test: what the sources log from `warn` on stands there, and nothing else.

    messages.py [ROOT]      prints "file:line: what" and exits 1 if there is any

A row is found by component, level and text; what stands in braces is up to the page, as the sources
only have `{}`. A text without words may stand in several rows: for each call at least one, and more
where it says several things. messages_test.py plants a breach of each rule.
"""

import re
import sys
from collections import Counter
from pathlib import Path
from typing import Iterator, NamedTuple

FOLDERS = ["base", "io", "kafka", "zookeeper", "server", "client", "process", "broker", "mirror",
           "router", "cli"]
PAGE = "docs/messages.md"
LEVELS = ("warn", "error")


class Finding(NamedTuple):
    file: str
    line: int
    text: str

    def __str__(self):
        return f"{self.file}:{self.line}: {self.text}"


class Message(NamedTuple):
    component: str  # empty: not to be found
    level: str
    text: str       # with {} for whatever stands in braces
    file: str
    line: int

    @property
    def key(self) -> tuple[str, str, str]:
        return self.component, self.level, self.text

    @property
    def has_words(self) -> bool:
        return re.search(r"\w", self.text) is not None


def plain(text: str) -> str:
    return re.sub(r"\{[^{}]*\}", "{}", text)


# --- the sources ----------------------------------------------------------------------------

_STRING = r'"(?:\\.|[^"\\])*"'
_CALL = re.compile(r"(?:\.|->)\s*(warn|error)\(\s*((?:%s\s*)+)" % _STRING)
_OTHER_CALL = re.compile(r'(?:\.|->)\s*(?:warn|error)\(\s*[^")\s]')
_TEMPORARY = re.compile(r"Logger\(LogComponent::(\w+)[^;{}]*\)\s*$")
_MEMBER = re.compile(r"(\w+)\s*$")
_CLASS_OF = re.compile(r"^[^\s/#].*?\b(\w+)::~?\w+\(", re.MULTILINE)


class Sources:
    def __init__(self, root: Path):
        self.texts = {str(file.relative_to(root)): file.read_text()
                      for folder in FOLDERS for file in sorted((root / folder).rglob("*"))
                      if file.suffix in (".h", ".cc")}

    def messages(self) -> Iterator[Message]:
        for path, text in self.texts.items():
            for found in _CALL.finditer(text):
                said = "".join(part[1:-1] for part in re.findall(_STRING, found[2]))
                yield Message(self._component(path, text[:found.start()]), found[1],
                              plain(said.replace('\\"', '"')), path,
                              text.count("\n", 0, found.start()) + 1)

    def unreadable(self) -> Iterator[Finding]:
        for path, text in self.texts.items():
            for found in _OTHER_CALL.finditer(text):
                yield Finding(path, text.count("\n", 0, found.start()) + 1,
                              "logs what is no literal: its text is not found")

    def _component(self, path: str, before: str) -> str:
        """Of the logger whose name `before` ends with: a temporary, or what is declared in this
        file, in that of the class, or else in the folder, where all are of one component."""
        if temporary := _TEMPORARY.search(before[-200:]):
            return temporary[1]
        name = _MEMBER.search(before)
        if not name:
            return ""
        declared = re.compile(r"\b%s[({]\s*LogComponent::(\w+)" % name[1])
        classes = _CLASS_OF.findall(before)
        for texts in ([self.texts[path]], self._of_stem(path), self._of_class(classes[-1:])):
            components = {found for text in texts for found in declared.findall(text)}
            if len(components) == 1:
                return components.pop()
        folder = path.rpartition("/")[0]
        near = {found for other, text in self.texts.items() if other.rpartition("/")[0] == folder
                for found in re.findall(r"LogComponent::(\w+)", text)}
        return near.pop() if len(near) == 1 else ""

    def _of_stem(self, path: str) -> list[str]:
        stem = path.rpartition(".")[0]
        return [text for other, text in self.texts.items() if other.rpartition(".")[0] == stem]

    def _of_class(self, names: list[str]) -> list[str]:
        if not names:
            return []
        head = re.compile(r"^(?:class|struct) %s\b[^;]*\{|\b%s::%s\(" % (3 * (names[0],)),
                          re.MULTILINE)
        return [text for text in self.texts.values() if head.search(text)]


# --- the page -------------------------------------------------------------------------------

_ROW = re.compile(r"^\| (\w+) \| (`+)(.+?)\2 \| (.*?) \| (.*?) \|$")


class Row(NamedTuple):
    message: Message
    means: str
    do: str


def read_rows(page: str) -> Iterator[Row | Finding]:
    component = ""
    for number, line in enumerate(page.split("\n"), 1):
        if heading := re.match(r"^## (.*)$", line):
            component = heading[1]
        if not line.startswith("|") or line.startswith(("|---", "| Level |")):
            continue
        if row := _ROW.match(line):
            message = Message(component, row[1], plain(row[3]), PAGE, number)
            yield Row(message, row[4].strip(), row[5].strip())
        else:
            yield Finding(PAGE, number, "no row of the form | level | `message` | means | do |")


def components_of(root: Path) -> list[str]:
    text = (root / "base/log.h").read_text()
    listed = text.partition("enum class LogComponent")[2].partition("};")[0]
    return re.findall(r"^  (\w+),$", listed, re.MULTILINE)


def findings(root: Path) -> Iterator[Finding]:
    if not (root / PAGE).exists():
        yield Finding(PAGE, 1, "is not there")
        return
    page = (root / PAGE).read_text()
    rows = []
    for row in read_rows(page):
        if isinstance(row, Finding):
            yield row
        else:
            rows.append(row)
    known = components_of(root)
    for number, line in enumerate(page.split("\n"), 1):
        if line.startswith("## ") and line[3:] not in known:
            yield Finding(PAGE, number, f"{line[3:]} is no component; base/log.h has them")
    sources = Sources(root)
    yield from sources.unreadable()
    yield from compare(list(sources.messages()), rows)


def compare(said: list[Message], rows: list[Row]) -> Iterator[Finding]:
    for message in said:
        if not message.component:
            yield Finding(message.file, message.line, "whose logger is this? none is declared in "
                          "the file, in that of the class, or alone in the folder")
    calls = Counter(message.key for message in said)
    told = Counter(row.message.key for row in rows)
    for message in said:
        lacks = calls[message.key] - told[message.key] if not message.has_words else (
            0 if told[message.key] else 1)
        if message.component and lacks > 0:
            yield Finding(message.file, message.line, f"{message.level} of {message.component}: "
                          f"`{message.text}` is missing in {PAGE}")
    for row in rows:
        message = row.message
        if not calls[message.key]:
            yield Finding(PAGE, message.line, f"nobody says, as {message.level} of "
                          f"{message.component}: `{message.text}`")
        elif message.has_words and told[message.key] > 1:
            yield Finding(PAGE, message.line, f"`{message.text}` stands there more than once")
        if not row.means or not row.do:
            yield Finding(PAGE, message.line, "says not what it means, or not what to do")


def main() -> int:
    root = Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parents[2]).resolve()
    found = list(findings(root))
    for finding in found:
        print(finding)
    print(f"messages: {len(found)} findings")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
