"""Each check of docs.py finds its planted breach, and leaves the right way alone."""

import sys
import tempfile
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
import docs

TREE = {
    "base/bytes.h": "class Slice;\n",
    "kafka/schema/api/00_produce.schema": "api 0 Produce v3-11 flexible v9+\n",
    "docs/other.md": "# One heading\n",
    "docs/architecture.md": "",
    "README.md": "",
}

HELP = {
    (): "Usage: isthmus [OPTIONS] SUBCOMMAND\n\nSubcommands:\n  link   Links\n  move   Moves\n\n",
    ("link",): "Usage: isthmus link [OPTIONS] SUBCOMMAND\n\nSubcommands:\n  list   Lists\n",
    ("link", "list"): "Options:\n  --config FILE\n\nExample:\n  isthmus link list\n",
    ("move",): "Options:\n  --to TEXT\n\nSubcommands:\n  back   Back\n\nExample:\n  isthmus move\n",
    ("move", "back"): "Options:\n  --force\n",
}


def run(*args):
    if args[:2] == ("config", "check"):
        return (0, "") if "right" in Path(args[2]).read_text() else (1, "wrong")
    return (0, HELP[args[:-1]]) if args[:-1] in HELP else (1, "")


class Rules(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = Path(folder.name)
        for path, text in TREE.items():
            (self.root / path).parent.mkdir(parents=True, exist_ok=True)
            (self.root / path).write_text(text)

    def found(self, check, text, path="docs/page.md"):
        return [finding.text for finding in check(self.root, docs.Page(path, text))]

    def test_paths(self):
        self.assertEqual(self.found(docs.check_paths, "`base/bytes.h`, base/, base/{bytes}.h."), [])
        self.assertEqual(self.found(docs.check_paths, "see base/byte.h."),
                         ["base/byte.h is not there"])
        self.assertEqual(self.found(docs.check_paths, "base/bytes.{h,cc}"),
                         ["base/bytes.cc is not there"])

    def test_links(self):
        right = "[a](other.md#one-heading) [b](../README.md)"
        self.assertEqual(self.found(docs.check_links, right), [])
        self.assertEqual(self.found(docs.check_links, "[a](README.md)"),
                         ["link to README.md: not there"])
        self.assertEqual(self.found(docs.check_links, "[a](other.md#two)"),
                         ["link to other.md#two: no such heading"])

    def test_folder_table(self):
        rows = "".join(f"| `{name}/` | text |\n" for name in ("base", "kafka", "docs"))
        self.assertEqual(self.found(docs.check_folder_table, rows, "README.md"), [])
        self.assertEqual(self.found(docs.check_folder_table, rows[:-20], "README.md"),
                         ["docs/ is missing in the table of folders"])

    def test_file_map(self):
        page = "docs/architecture.md"
        self.assertEqual(self.found(docs.check_file_map, "| `base/` |", page), [])
        self.assertEqual(self.found(docs.check_file_map, "base", page),
                         ["base/ is missing in the map of files"])

    def test_classes(self):
        head = "| Word | Class or function | Where |\n|---|---|---|\n"
        right, wrong = (head + f"| a | `{name}` | `base/bytes.h` |" for name in ("Slice", "Rope"))
        self.assertEqual(self.found(docs.check_classes, right), [])
        self.assertEqual(self.found(docs.check_classes, wrong), ["Rope is not in `base/bytes.h`"])

    def test_apis(self):
        head = "| Key | API | Versions | |\n|---|---|---|---|\n"
        right = head + "| 0 | Produce | 3 to 11 | |"
        self.assertEqual(self.found(docs.check_apis, right), [])
        self.assertEqual(self.found(docs.check_apis, head + "| 0 | Produce | 3 to 12 | |"),
                         ["Produce has versions 3 to 11"])
        self.assertEqual(self.found(docs.check_apis, head),
                         ["API 0 Produce is missing in the table"])
        self.assertEqual(self.found(docs.check_apis, right + "\n| 1 | X | 0 |"),
                         ["no schema in api/ has API 1 X"])

    def test_nodes(self):
        layout = self.root / "broker/store/zookeeper_layout.h"
        layout.parent.mkdir(parents=True)
        layout.write_text("//   <root>/live/<node id>  ephemeral\n")
        head = "| Node | What |\n|---|---|\n"
        right = head + "| `live/<node id>` | it runs |\n"
        self.assertEqual(self.found(docs.check_nodes, right), [])
        self.assertEqual(self.found(docs.check_nodes, head),
                         ["the node live/<node id> is missing in the table"])
        self.assertEqual(self.found(docs.check_nodes, right + "| `dead/<node id>` | |\n"),
                         ["broker/store/zookeeper_layout.h draws no node dead/<node id>"])

    def commands(self, text):
        return [finding.text for finding in docs.check_commands(run, docs.Page("a.md", text))]

    def test_commands(self):
        right = ("`isthmus link list --config FILE` `isthmus move --to b`\n"
                 "```\nisthmus move back --to a --force\n```")
        self.assertEqual(self.commands(right), [])
        self.assertEqual(self.commands("`isthmus unlink`"),
                         ["`isthmus unlink`: there is no command unlink"])
        self.assertEqual(self.commands("`isthmus link drop`"),
                         ["`isthmus link drop`: link has no command drop"])
        self.assertEqual(self.commands("```\n$ isthmus move --too b\n```"),
                         ["`isthmus move --too b`: move has no option --too"])

    def test_every_command_is_described(self):
        def missing(text):
            pages = [docs.Page("a", text)]
            return [finding.text for finding in docs.check_all_described(run, pages)]
        self.assertEqual(missing("isthmus link list, isthmus move, isthmus move back"), [])
        self.assertEqual(missing("isthmus link list, isthmus move"),
                         ["isthmus move back is not described"])

    def test_yaml(self):
        def found(text):
            return [finding.text for finding in docs.check_yaml(run, docs.Page("a", text))]
        self.assertEqual(found("```yaml\nright: 1\n```\n"), [])
        self.assertEqual(found("```yaml\nbad: 1\n```\n"), ["isthmus config check: wrong"])


if __name__ == "__main__":
    unittest.main()
