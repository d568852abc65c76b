"""Each rule of tidy.py finds its planted breach, and leaves the right way alone."""

import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import tidy
from support import testing

TOP = "// What it is.\n#pragma once\n"

# Path, text, and a part of the finding; all else in the file is right.
BREACHES = [
    ("base/a.h", TOP + '#include "io/loop.h"\n', "base/ includes"),
    ("io/a.cc", '#include "process/options.h"\n', "io/ includes"),
    ("kafka/a.cc", '#include "io/loop.h"\n', "kafka/ includes"),
    ("server/a.cc", '#include "client/connection.h"\n', "server/ includes"),
    ("mirror/a.cc", '#include "broker/log/log.h"\n', "mirror/ includes"),
    ("router/a.cc", '#include "mirror/pump.h"\n', "router/ includes"),
    ("process/a.cc", '#include "client/admin.h"\n', "process/ includes"),
    ("broker/a.cc", '#include "tests/support/x.h"\n', "no folder of the sources"),
    ("broker/log/a.cc", '#include "broker/replica/partition.h"\n', "broker/log/ includes"),
    ("broker/log/a.cc", '#include "broker/broker.h"\n', "broker/log/ includes"),
    ("broker/replica/a.cc", '#include "broker/group/group.h"\n', "broker/replica/ includes"),
    ("broker/controller/a.cc", '#include "broker/link/link.h"\n', "broker/controller/ includes"),
    ("broker/a.cc", "#include <asio/io_context.hpp>\n", "one home; io/"),
    ("process/a.cc", "#include <openssl/ssl.h>\n", "one home; io/"),
    ("kafka/a.cc", "#include <openssl/evp.h>\n", "one home; base/ or io/"),
    ("io/a.cc", "#include <spdlog/spdlog.h>\n", "one home; base/log.cc"),
    ("cli/a.cc", "#include <yaml-cpp/yaml.h>\n", "one home; process/"),
    ("kafka/batch.cc", "#include <zstd.h>\n", "one home; kafka/compression.cc"),
    ("mirror/a.cc", "#include <httplib.h>\n", "one home; process/"),
    ("mirror/a.cc", "#include <sys/socket.h>\n", "one home; io/"),
    ("client/a.cc", "#include <librdkafka/rdkafka.h>\n", "one home; bench/"),
    ("kafka/a.cc", "#include <gtest/gtest.h>\n", "one home; tests/"),
    ("broker/a.cc", "auto t = std::chrono::steady_clock::now();\n", "steady clock"),
    ("broker/a.cc", "auto t = std::chrono::system_clock::now();\n", "wall clock"),
    ("broker/a.cc", "std::random_device seed;\n", "randomness"),
    ("router/a.cc", "status.json = json.dump();\n", "write_json (base/json.h)"),
    ("cli/a.cc", 'fmt::print("{}\\n", name);\n', "say, show, complain"),
    ("mirror/a.cc", "asio::io_context context;\n", "Asio outside io/"),
    ("mirror/a.cc", "int fd = ::socket(1, 2, 3);\n", "a socket outside io/"),
    ("broker/a.cc", 'auto* f = fopen("x", "r");\n', "a file outside io/"),
    ("broker/a.cc", 'int fd = ::open("x", 0);\n', "a file outside io/"),
    ("broker/a.cc", "std::ifstream file;\n", "a file outside io/"),
    ("broker/a.cc", "std::thread worker(f);\n", "a thread outside io/"),
    ("broker/a.cc", "std::this_thread::sleep_for(d);\n", "a blocking sleep outside io/"),
    ("kafka/a.cc", "using namespace isthmus;\n", "using namespace"),
    ("io/a.cc", "asio::co_spawn(c, f(), asio::detached);\n", "Gate::spawn"),
    ("broker/a.cc", "std::atomic<std::shared_ptr<int>> a;\n", "Published"),
    ("mirror/a.cc", "auto f = [this](int x) -> Task<void> { co_return; };\n", "named function"),
    ("tests/a.cc", "run([&] {\n  co_await g();\n});\n", "named function"),
    ("mirror/a.cc", "return [=]() mutable { if (x) { co_await y; } };\n", "named function"),
    ("mirror/a.cc", "f(co_await a(), co_await b());\n", "two co_await"),
    ("base/a.h", "#pragma once\n", "no comment at the top"),
    ("base/a.h", "// What it is.\nint x;\n", "#pragma once"),
    ("base/a.h", TOP + "#include <regex>\n", "slow to compile"),
    ("base/a.cc", "// TO" "DO: later\n", "finish it"),
    ("config/a.yaml", "x: 1  # FIX" "ME\n", "finish it"),
    ("dev", "cd /wo" "rk/main\n", "a machine's path"),
    ("tests/a.py", "x = 'repo.mav" "en.org'\n".replace("repo", "repo1"), "names a host"),
    ("base/a.cc", "x" * 101 + "\n", "101 columns"),
    ("base/a.cc", "int x; \n", "space at the end"),
    ("base/a.cc", "\tint x;\n", "a tab"),
    ("base/a.cc", "int x;\n" * 801, "801 lines"),
    ("base/a.h", TOP + "int x;\n" * 799, "801 lines"),
]

# The right way beside each wrong one, and what only looks like a breach.
RIGHT = [
    ("io/a.h", TOP + '#include "base/error.h"\n#include <asio/io_context.hpp>\n'),
    ("io/a.cc", "auto t = std::chrono::steady_clock::now();\nint fd = ::socket(1, 2, 3);\n"),
    ("broker/replica/a.cc", '#include "broker/log/log.h"\n#include "client/fetcher.h"\n'),
    ("broker/handlers/a.cc", '#include "broker/group/group.h"\n#include "broker/broker.h"\n'),
    ("broker/broker.cc", '#include "broker/handlers/dispatch.h"\n'),
    ("cli/command.cc", '#include "mirror/mirror.h"\n#include <CLI/CLI.hpp>\n'),
    ("kafka/compression.cc", "#include <zstd.h>\n#include <vector>\n"),
    ("base/a.cc", "// steady_clock::now() is for io/; so is asio, and using namespace\n"),
    ("base/a.cc", 'log("asio::detached, ::socket(), fopen(");\n'),
    ("base/a.cc", 'auto s = R"(using namespace std;)";\nint n = 1\'000\'000;\n'),
    ("broker/a.cc", "log_.open(x);\nauto r = Log::open(x);\nResult<void> open(int x);\n"),
    ("mirror/a.cc", "run([]() -> Task<void> { co_return; });\n"),
    ("mirror/a.cc", "f([this] { gate_.spawn(g()); });\nco_await h();\n"),
    ("mirror/a.cc", "Task<void> f() {\n  x[i] = 1;\n  if (y[j]) {\n    co_await h();\n  }\n}\n"),
    ("mirror/a.cc", "[[nodiscard]] Task<void> f() { co_return; }\n"),
    ("base/a.cc", "x" * 100 + "\nint y;\n"),
    ("docs/a.md", "x" * 300 + "\n"),
    ("tests/a.cc", "auto t = std::chrono::steady_clock::now();\n#include <gtest/gtest.h>\n"),
]


class Rules(unittest.TestCase):
    def test_each_breach_is_found_once(self):
        for path, text, part in BREACHES:
            found = [str(each) for each in tidy.check((path, text)) if not each.note]
            self.assertEqual(len(found), 1, f"{path}: {text[:80]!r}: {found}")
            self.assertIn(part, found[0])
            self.assertRegex(found[0], r"^[\w./]+:\d+: .+", "one clear line")

    def test_the_right_way_is_left_alone(self):
        for path, text in RIGHT:
            self.assertEqual([str(each) for each in tidy.check((path, text))], [], text[:80])

    def test_a_name_of_two_files_of_a_folder_is_found(self):
        unnamed = "namespace n {{\nnamespace {{\n{}\n}}  // namespace\n}}\n"
        for line in ('constexpr const char* busan = "x";', "struct busan {\n  int x;\n};",
                     "enum class busan { x };", "const std::vector<int> busan = {1};"):
            text = unnamed.format(line)
            header = ("io/b.h", TOP + "namespace n {\ninline const char* const busan = 1;\n}\n")
            for other in (header, ("io/a.cc", text)):
                found = tidy.check(other, ("io/c.cc", text))
                self.assertEqual([(each.file, each.line) for each in found], [("io/c.cc", 3)], line)
            self.assertEqual(tidy.check(header, ("base/c.cc", text)), [], "another folder")
            self.assertEqual(tidy.check(("cli/a.cc", text), ("cli/c.cc", text)), [])
        calls = unnamed.format("int busan(int x) {\n  const int y = 1;\n  return x + y;\n}")
        self.assertEqual(tidy.check(("io/a.cc", calls), ("io/c.cc", calls)), [], "functions may")
        alias = unnamed.format("using busan = int;")
        self.assertEqual(tidy.check(("io/a.cc", alias), ("io/c.cc", alias)), [], "the same alias")
        self.assertEqual(len(tidy.check(("io/a.cc", text), ("io/c.cc", alias))), 1, "two things")

    def test_every_rule_has_a_breach(self):
        for rule in tidy.RULES:
            if rule is not tidy.check_functions:
                findings = [each for path, text, _ in BREACHES
                            for each in rule(tidy.Source(path, text))]
                self.assertTrue(findings, rule.__name__)

    def test_lines_are_counted_through_comments_and_literals(self):
        text = "/* a\n b */\nauto s = R\"x(\n\n)x\";\nusing namespace std;\n"
        self.assertEqual([each.line for each in tidy.check(("base/a.cc", text))], [6])

    def test_long_functions_and_files_are_noted(self):
        body = "  f();\n" * 69
        method = f"namespace n {{\nclass C {{\n  void f() {{\n{body}  }}\n}};\n}}\n"
        self.assertEqual(tidy.check(("base/a.cc", method.replace("  f();\n", "", 1))), [])
        notes = tidy.check(("base/a.cc", method))
        self.assertEqual([(each.line, each.note) for each in notes], [(3, True)])
        self.assertIn("71 lines", notes[0].text)
        self.assertTrue(tidy.check(("base/a.h", TOP + "int x;\n" * 250))[0].note)

    def test_the_tree_is_walked_without_what_is_built_or_fetched(self):
        root = Path(tidy.__file__).parents[2]
        seen = {str(path.relative_to(root)) for path in tidy.files(root)}
        self.assertIn("base/error.h", seen)
        self.assertIn("dev", seen)
        self.assertFalse([path for path in seen if path.startswith(("build", ".cache", ".git"))])


if __name__ == "__main__":
    testing.main()
