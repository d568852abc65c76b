"""Each rule of messages.py finds its planted breach, and leaves the right way alone."""

import sys
import tempfile
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
import messages

TREE = {
    "base/log.h": "enum class LogComponent : uint8_t {\n  process,\n  link,\n  mirror,\n};\n",
    "process/life.cc": 'const Logger logger(LogComponent::process);\n'
                       'void f() { logger.warn("ends in {} s: {}", n, why); }\n',
    "broker/link.h": "class Link {\n  Logger log_{LogComponent::link};\n};\n",
    "broker/link_ends.cc": 'Result<void> Link::end(int n) {\n'
                           '  if (n) log_.error(\n      "link={} "\n'
                           '      "has no \\"end\\"", name);\n'
                           '  Logger(LogComponent::process, "gate").warn("{}", text);\n'
                           '  return fail(result.error().text);\n}\n',
    "mirror/session.cc": 'Session::Session() : log_(LogComponent::mirror, "link " + name) {}\n',
    "mirror/sync.cc": 'void say(Logger& log) { log.warn("waits: {}", why); }\n',
}

PAGE = """# Messages

## process

| Level | Message | Means | Do |
|---|---|---|---|
| warn | `ends in {seconds} s: {why}` | it ends | wait |
| warn | `{some text}` | this | that |
| warn | `{another text}` | this | that |

## link

| Level | Message | Means | Do |
|---|---|---|---|
| error | `link={link} has no "end"` | it has none | give it one |

## mirror

| Level | Message | Means | Do |
|---|---|---|---|
| warn | ``waits: {for `x`}`` | it waits | wait |
"""


class Rules(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = Path(folder.name)
        for path, text in TREE.items():
            self.write(path, text)

    def write(self, path: str, text: str) -> None:
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        (self.root / path).write_text(text)

    def found(self, page: str = PAGE) -> list[str]:
        self.write(messages.PAGE, page)
        return [str(finding) for finding in messages.findings(self.root)]

    def test_the_right_way(self):
        self.assertEqual(self.found(), [])

    def test_no_page(self):
        self.assertEqual([str(f) for f in messages.findings(self.root)],
                         ["docs/messages.md:1: is not there"])

    def test_a_message_that_is_missing(self):
        page = PAGE.replace('| error | `link={link} has no "end"` | it has none | give it one |\n',
                            "")
        self.assertEqual(self.found(page), [
            'broker/link_ends.cc:2: error of link: `link={} has no "end"` is missing in '
            "docs/messages.md"])

    def test_one_without_words_has_a_row_for_each_call(self):
        self.write("process/more.cc", TREE["process/life.cc"] +
                   'void g() { logger.warn("{}", a); logger.warn("{}", b); }\n')
        self.assertEqual(len(self.found()), 3, "each of three calls, of which one has no row")

    def test_a_row_that_nobody_says(self):
        page = PAGE + "| warn | `waits no more` | gone | nothing |\n"
        self.assertEqual(self.found(page), ["docs/messages.md:22: nobody says, as warn of mirror: "
                                            "`waits no more`"])

    def test_another_level_or_component_is_another_message(self):
        for was, now in (("| warn | ``waits", "| error | ``waits"), ("## mirror", "## process")):
            found = self.found(PAGE.replace(was, now))
            self.assertEqual(len(found), 2, found)

    def test_a_row_that_stands_twice(self):
        row = "| warn | `ends in {seconds} s: {why}` | it ends | wait |\n"
        found = self.found(PAGE.replace(row, row + row))
        self.assertEqual(len(found), 2)
        self.assertIn("more than once", found[0])

    def test_a_row_without_help(self):
        self.assertEqual(self.found(PAGE.replace("| give it one |", "|  |")),
                         ["docs/messages.md:15: says not what it means, or not what to do"])

    def test_what_is_no_row_or_no_component(self):
        self.assertIn("no row of the form", self.found(PAGE + "| warn | waits | x |\n")[0])
        found = self.found(PAGE + "\n## miror\n")
        self.assertEqual(found, ["docs/messages.md:23: miror is no component; base/log.h has them"])

    def test_a_logger_of_nobody(self):
        self.write("mirror/other.cc", "Logger other(LogComponent::link);\n")
        self.assertIn("mirror/sync.cc:1: whose logger is this?", self.found()[0])

    def test_a_text_that_is_no_literal(self):
        self.write("io/gate.cc", "void f() { logger.error(text, why); }\n")
        self.assertEqual(self.found(), ["io/gate.cc:1: logs what is no literal: its text is not "
                                        "found"])


if __name__ == "__main__":
    unittest.main()
