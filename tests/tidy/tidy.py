"""Style as a test: what a formatter cannot see and a reviewer should not have to say.

    tidy.py [ROOT]      prints "file:line: what; what would be right" and exits 1 if there is any

Notes (lengths above what we aim at) are printed and do not fail. tidy_test.py plants a breach of
each rule and holds this to finding it.
"""

import os
import re
import sys
from pathlib import Path
from typing import Iterator, NamedTuple

HEADER_LINES, SOURCE_LINES, LINES_MAX = 200, 500, 800
FUNCTION_LINES, COLUMNS = 70, 100

# Includes point down: what a folder may include, besides itself.
BELOW = {
    "base": set(),
    "io": {"base"},
    "kafka": {"base"},
    "zookeeper": {"base", "io"},
    "server": {"base", "io", "kafka"},
    "process": {"base", "io", "kafka", "server", "zookeeper"},
    "client": {"base", "io", "kafka"},
}
_SERVICES = {"base", "io", "kafka", "process", "server", "client"}
BELOW["views"] = {"base", "io", "kafka", "process", "server"}
BELOW["mirror"] = _SERVICES
BELOW["router"] = _SERVICES | {"views"}
BELOW["broker"] = _SERVICES | {"zookeeper"}
BELOW["cli"] = _SERVICES | {"broker", "mirror", "router", "views", "zookeeper"}

# The same inside the broker; its own files and handlers/ stand on top and may include everything.
BROKER_BELOW = {
    "log": set(),
    "store": {"log"},
    "security": set(),
    "image": {"store", "security"},
    "replica": {"log", "image"},
    "coordinator": {"log", "image", "replica"},
    "group": {"log", "image", "replica", "coordinator"},
    "transaction": {"log", "image", "replica", "coordinator"},
    "controller": {"log", "image", "store", "security"},
    "colleagues": {"image"},
    "replication": {"log", "image", "replica", "controller", "colleagues"},
    "link": {"log", "image", "store", "replica", "controller", "colleagues", "coordinator",
             "group"},
}

# Third-party headers and the one place that may include each: a folder, or a file.
HOMES = [
    (r"asio[./]", ["io/"]),
    (r"openssl/(ssl|tls|bio)", ["io/"]),
    (r"openssl/", ["base/", "io/"]),
    (r"spdlog/", ["base/log.cc"]),
    (r"(isa-l|crc)\.h|isa-l/", ["base/"]),
    (r"yaml-cpp/", ["process/"]),
    (r"(lz4|lz4frame|lz4hc|zstd|snappy|snappy-c|zlib)\.h", ["kafka/compression.cc"]),
    (r"(httplib\.h|prometheus/)", ["process/"]),
    (r"re2/", ["kafka/selector.cc", "process/principal_mapping.cc"]),
    (r"cjose/", ["kafka/sasl/jwt.cc"]),
    (r"zookeeper/zookeeper\.h", ["zookeeper/session.cc"]),
    (r"CLI/", ["cli/command.cc"]),
    (r"librdkafka/", ["bench/"]),
    (r"(sys/(socket|epoll|uio|sendfile|stat|mman|file)|netinet/|arpa/|fcntl|netdb)", ["io/"]),
    (r"(gtest|gmock)/", []),
    (r"benchmark/", ["bench/"]),
]

# Words that belong to io/, which the simulator replaces; `words` are searched in code only.
BANNED = [
    (r"\bsteady_clock::now\b", "the steady clock", "Loop::now()"),
    (r"\b(system|high_resolution|utc)_clock::now\b", "the wall clock", "Loop::wall_ms()"),
    (r"\b(random_device|mt19937\w*|rand\(\)|srand)", "randomness", "io::Random"),
    (r"\basio::", "Asio", "io::Stream, io::Loop"),
    (r"(?<![\w.>:])::(socket|connect|bind|listen|accept4?|send|recv)\s*\(", "a socket",
     "io::Network"),
    (r"(?<![\w.>:])(::open|::openat|(::|std::)?fopen)\s*\(", "a file", "io::Disk"),
    (r"\bstd::([io]?fstream)\b", "a file", "io::Disk"),
    (r"\b(std::thread|std::jthread|std::async)\b", "a thread", "io::Loop or io::Pool"),
    (r"\b(std::this_thread::sleep|usleep\s*\(|nanosleep\s*\()", "a blocking sleep", "io::sleep"),
]
EXEMPT = {
    ("process/config_file.cc", "a file"): "read once, before there is any loop",
    ("zookeeper/session.cc", "a thread"): "the C library blocks where it finds and leaves servers",
    ("process/admin.cc", "a thread"): "its loop answers while the role's do not; it reads snapshots only",
}

CODE = {
    "base", "io", "kafka", "zookeeper", "process", "server", "client", "views", "broker", "mirror",
    "router", "cli",
}
TREES = CODE | {"tests", "bench", "config", "docker", "docs", ".ci"}
CHECKED = {".h", ".cc", ".py", ".js", ".sh", ".yaml", ".cmake", ".xml", ".md", ".html", ""}
SKIPPED_FOLDERS = {"__pycache__", "node_modules", "golden", "corpus"}


class Finding(NamedTuple):
    file: str
    line: int
    text: str
    note: bool = False

    def __str__(self):
        return f"{self.file}:{self.line}: {'note: ' if self.note else ''}{self.text}"


class Source:
    """A file: its path below the root, its text, and its code with comments and literals blanked,
    so that positions stay."""

    def __init__(self, path: str, text: str):
        self.path = path
        self.text = text
        self.lines = text.split("\n")
        self.folder, _, self.rest = path.partition("/")
        self.suffix = Path(path).suffix
        self.is_cpp = self.suffix in (".h", ".cc")
        self.code = _blank(text) if self.is_cpp else ""

    def at(self, position: int) -> int:
        return self.code.count("\n", 0, position) + 1

    def finding(self, line: int, what: str, note: bool = False) -> Finding:
        return Finding(self.path, line, what, note)


_LITERAL = re.compile(
    r'//[^\n]*|/\*.*?\*/|R"([^()\s]*)\(.*?\)\1"|"(?:\\.|[^"\\\n])*"|'
    r"(?<![0-9a-fA-F])'(?:\\.|[^'\\\n])+'", re.DOTALL)
_INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', re.MULTILINE)


def _blank(text: str) -> str:
    return _LITERAL.sub(lambda found: re.sub(r"[^\n]", " ", found.group()), text)


def check_lines(source: Source) -> Iterator[Finding]:
    if source.folder == "docs" or source.suffix == ".md":
        return
    for number, line in enumerate(source.lines, 1):
        if len(line) > COLUMNS and "http" not in line and source.suffix not in (".xml", ".html"):
            yield source.finding(number, f"{len(line)} columns; at most {COLUMNS}")
        if line != line.rstrip():
            yield source.finding(number, "space at the end of the line; none")
        if "\t" in line and source.is_cpp:
            yield source.finding(number, "a tab; spaces")


def check_length(source: Source) -> Iterator[Finding]:
    count = len(source.lines) - 1
    aim = HEADER_LINES if source.suffix == ".h" else SOURCE_LINES
    if source.suffix in (".h", ".cc", ".py", ".js") and count > aim:
        what = f"{count} lines; aim at {aim}: is it two concepts?"
        yield source.finding(1, what, note=count <= LINES_MAX)


_UNFINISHED = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")
_PLACES = re.compile(r"(?<![\w.])/(work|root|home)/\w|repo1?\.maven\.|registry\.npmjs|pypi\.org|"
                     r"(deb|security)\.debian\.org|proxy\.golang")


def check_words(source: Source) -> Iterator[Finding]:
    for number, line in enumerate(source.lines, 1):
        if found := _UNFINISHED.search(line):
            yield source.finding(number, f"'{found.group()}'; finish it, or say why it stays")
        if found := _PLACES.search(line):
            yield source.finding(number, f"'{found.group()}' names a host or a machine's path; "
                                 "none belongs here")


def check_header(source: Source) -> Iterator[Finding]:
    if source.suffix != ".h":
        return
    if not source.text.startswith("//"):
        yield source.finding(1, "no comment at the top; say what it is, who owns it, on which loop")
    if "#pragma once" not in source.code:
        yield source.finding(1, "no include guard; #pragma once")
    for found in re.finditer(r"^\s*#\s*include\s*<(regex|iostream|future)>", source.code,
                             re.MULTILINE):
        yield source.finding(source.at(found.start(1)),
                             f"<{found.group(1)}> in a header is slow to compile; in a .cc")


def _includes(source: Source) -> Iterator[tuple[int, str, bool]]:
    """Line, path and whether in quotes: from the text, for the code has its literals blanked."""
    for found in _INCLUDE.finditer(source.text):
        yield source.text.count("\n", 0, found.start(1)) + 1, found.group(2), found.group(1) == '"'


def _broker_part(rest: str) -> str:
    return rest.split("/")[0] if "/" in rest else ""


def check_includes(source: Source) -> Iterator[Finding]:
    if source.folder not in CODE:
        return
    for line, path, quoted in _includes(source):
        folder, _, rest = path.partition("/")
        if not quoted or folder == path:
            continue
        if folder not in CODE:
            yield source.finding(line, f'"{path}" is no folder of the sources; "folder/file.h"')
        elif folder != source.folder and folder not in BELOW[source.folder]:
            below = ", ".join(sorted(BELOW[source.folder])) or "nothing"
            yield source.finding(line, f'{source.folder}/ includes "{path}", which is not below it; '
                                 f"below are {below}")
        elif folder == source.folder == "broker":
            yield from _check_broker_include(source, line, path, rest)


def _check_broker_include(source: Source, line: int, path: str, rest: str) -> Iterator[Finding]:
    here, there = _broker_part(source.rest), _broker_part(rest)
    below = BROKER_BELOW.get(here)
    if below is not None and there != here and there not in below:
        yield source.finding(line, f'broker/{here}/ includes "{path}", which is not below it; '
                             f"below are {', '.join(sorted(below)) or 'nothing'}")


def check_homes(source: Source) -> Iterator[Finding]:
    if source.folder not in CODE:
        return
    for line, path, quoted in _includes(source):
        if quoted:
            continue
        home = next((homes for pattern, homes in HOMES if re.match(pattern, path)), None)
        if home is not None and not any(source.path.startswith(place) for place in home):
            where = " or ".join(home) or "tests/"
            yield source.finding(line, f"<{path}> has one home; {where}")


def check_banned(source: Source) -> Iterator[Finding]:
    if source.folder in CODE:
        for found in re.finditer(r"\busing\s+namespace\b(?!\s+std::(literals|chrono_literals|"
                                 r"string_view_literals|string_literals))", source.code):
            yield source.finding(source.at(found.start()), "using namespace; write the names")
        for found in re.finditer(r"\bdetached\b", source.code):
            yield source.finding(source.at(found.start()),
                                 "asio::detached drops exceptions; Gate::spawn")
        for found in re.finditer(r"\batomic\s*<\s*std::(shared|weak)_ptr\b", source.code):
            yield source.finding(source.at(found.start()),
                                 "races in libstdc++ 12; Published (base/published.h)")
    if source.folder not in CODE - {"io"}:
        return
    for pattern, what, instead in BANNED:
        if (source.path, what) in EXEMPT:
            continue
        for found in re.finditer(pattern, source.code):
            yield source.finding(source.at(found.start()),
                                 f"'{found.group().strip()}' is {what} outside io/; {instead}")


# What shows names from outside, the files that may, and what makes the names printable first.
OUTPUT = [
    (r"\.dump\s*\(", {"base/json.cc"}, "write_json (base/json.h)"),
    (r"\b(fmt::print|std::(cout|cerr|clog|f?printf|f?puts|fwrite))\b",
     {"base/check.cc", "server/audit.cc", "cli/output.cc"}, "say, show, complain (cli/output.h), or a Logger"),
]


def check_output(source: Source) -> Iterator[Finding]:
    if source.folder not in CODE:
        return
    for pattern, homes, instead in OUTPUT:
        if source.path in homes:
            continue
        for found in re.finditer(pattern, source.code):
            yield source.finding(source.at(found.start()),
                                 f"'{found.group().strip()}' shows names from outside as they are; "
                                 f"{instead}")


_LAMBDA = re.compile(r"\[([^\[\]]+)\]\s*(\((?:[^()]|\([^()]*\))*\))?[^;{}()\[\]]*\{")


def check_coroutines(source: Source) -> Iterator[Finding]:
    for found in _LAMBDA.finditer(source.code):
        if re.search(r"[\w\])]\s*$", source.code[:found.start()]) and not re.search(
                r"\b(return|co_return|co_await)\s*$", source.code[:found.start()]):
            continue  # an index, or an attribute
        body = source.code[found.end():_closing(source.code, found.end())]
        if re.search(r"\bco_(await|return|yield)\b", _without_lambdas(body)):
            yield source.finding(source.at(found.start()), "a lambda with captures is a coroutine, "
                                 "which outlives its captures; a named function")
    for number, line in enumerate(source.code.split("\n"), 1):
        if len(re.findall(r"\bco_await\b", line)) > 1:
            yield source.finding(number, "two co_await in one statement; one each")


def _without_lambdas(body: str) -> str:
    while found := re.search(r"\[[^\[\]]*\]\s*(\((?:[^()]|\([^()]*\))*\))?[^;{}()\[\]]*\{", body):
        end = _closing(body, found.end())
        body = body[:found.start()] + body[end + 1:]
    return body


def _closing(code: str, start: int) -> int:
    """The position of the brace that closes the one before `start`."""
    depth = 1
    for found in re.finditer(r"[{}]", code[start:]):
        depth += 1 if found.group() == "{" else -1
        if depth == 0:
            return start + found.start()
    return len(code)


def check_functions(source: Source) -> Iterator[Finding]:
    """Braces by what opened them: outside functions only namespaces and types nest."""
    if not source.is_cpp:
        return
    code, stack, head = source.code, [], 0
    for found in re.finditer(r"[{};]", code):
        if found.group() == "{":
            opener = code[head:found.start()]
            inside = any(kind == "function" for kind, _ in stack)
            if not inside and ")" in opener and not re.search(r"=\s*$", opener):
                stack.append(("function", source.at(found.start())))
            else:
                stack.append(("other", 0))
        elif found.group() == "}" and stack:
            kind, began = stack.pop()
            length = source.at(found.start()) - began + 1
            if kind == "function" and length > FUNCTION_LINES:
                yield source.finding(began, f"a function of {length} lines; at most "
                                     f"{FUNCTION_LINES}", note=True)
        head = found.end()


# What a file calls its own, and what a header tells the whole folder: constants and types at the
# left margin (functions may share a name). What is never compiled with its neighbours may repeat.
_NAMED = re.compile(r"^(?:inline )?(?:const(?:expr|init)? [^;={(]*?[ *&](\w+)(?:\[\w*\])*\s*[={]|"
                    r"(?:struct|class|enum class|enum) (\w+)[^;(]*\{|using (\w+) =[^;]*)", re.MULTILINE)
_ALONE = {"bench", "broker", "broker/handlers", "broker/handlers/private", "cli", "kafka"}


def _unnamed(code: str) -> str:
    """Only what stands in unnamed namespaces; the rest blanked, so that positions stay."""
    kept, end = "", 0
    for found in re.finditer(r"^namespace \{", code, re.MULTILINE):
        close = _closing(code, found.end())
        kept += re.sub(r"[^\n]", " ", code[end:found.end()]) + code[found.end():close]
        end = close
    return kept


def check_folder(sources: list[Source]) -> Iterator[Finding]:
    """Several sources of a folder are compiled as one where everything is built for its tests:
    names in unnamed namespaces meet there."""
    first: dict[tuple[str, str], tuple[str, str]] = {}
    for source in sorted(sources, key=lambda each: (each.suffix != ".h", each.path)):
        own = source.code if source.suffix == ".h" else _unnamed(source.code)
        space = re.search(r"^namespace (\w\S*) \{", source.code, re.MULTILINE)
        within = space.group(1) if space else ""
        for found in _NAMED.finditer(own):
            name = next(filter(None, found.groups()))
            other, text = first.setdefault((within, name), (source.path, found.group()))
            same_alias = text.startswith("using ") and text == found.group()
            if source.suffix == ".cc" and other != source.path and not same_alias:
                yield source.finding(source.at(found.start()), f"'{name}' is a name of {other} "
                                     "too, with which it may be compiled; another name")


def check_folders(sources: list[Source]) -> Iterator[Finding]:
    folders: dict[str, list[Source]] = {}
    for source in sources:
        if source.is_cpp:
            folders.setdefault(str(Path(source.path).parent), []).append(source)
    for folder, members in sorted(folders.items()):
        if folder not in _ALONE:
            yield from check_folder(members)


RULES = [check_lines, check_length, check_words, check_header, check_includes, check_homes,
         check_banned, check_output, check_coroutines, check_functions]


def check(*texts: tuple[str, str]) -> list[Finding]:
    """The findings in files of these paths and texts."""
    sources = [Source(path, text) for path, text in texts]
    return [finding for source in sources for rule in RULES for finding in rule(source)] + list(
        check_folders(sources))


def files(root: Path) -> Iterator[Path]:
    for name in ("CMakeLists.txt", "dev", "README.md", "SECURITY.md"):
        if (root / name).exists():
            yield root / name
    for tree in sorted(TREES):
        for folder, below, names in os.walk(root / tree):
            below[:] = sorted(set(below) - SKIPPED_FOLDERS)
            # This folder names what it bans.
            if Path(folder) == root / "tests" / "tidy":
                continue
            yield from (Path(folder) / name for name in sorted(names)
                        if Path(name).suffix in CHECKED or name == "CMakeLists.txt")


def main() -> int:
    root = Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parents[2]).resolve()
    texts = [(str(path.relative_to(root)), path.read_text()) for path in files(root)]
    findings, count = check(*texts), len(texts)
    for finding in sorted(findings, key=lambda each: (not each.note, each)):
        print(finding)
    errors = sum(not finding.note for finding in findings)
    print(f"tidy: {count} files, {errors} findings, {len(findings) - errors} notes")
    if count < 20:
        print(f"tidy: {root} is not the project's root")
        return 1
    return 1 if errors else 0


if __name__ == "__main__":
    sys.exit(main())
