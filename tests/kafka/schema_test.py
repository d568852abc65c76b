#!/usr/bin/env python3
"""What the schema reader refuses, and that it says where."""

import os
import sys
import tempfile
import unittest

ROOT = os.path.abspath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "../.."))
sys.path.insert(0, os.path.join(ROOT, "kafka/schema"))

import generate  # noqa: E402
import schema  # noqa: E402

API = "api 7 Thing v0-4 flexible v2+\n"
HEAD = API + "needs read topic\n\nrequest\n"


def parse(text, folder="api"):
    with tempfile.TemporaryDirectory() as root:
        os.mkdir(os.path.join(root, folder))
        path = os.path.join(root, folder, "07_thing.schema")
        with open(path, "w", encoding="utf-8") as out:
            out.write(text)
        return schema.parse(path)


STATE = "# How far.\nenum State int8\n  none  0\n  ready_now  3  # soon\n"


def parse_with(enum, fields, head=HEAD):
    """A message beside one enum."""
    with tempfile.TemporaryDirectory() as root:
        for folder, name, text in (("enum", "state", enum), ("api", "07_thing", head + fields)):
            os.mkdir(os.path.join(root, folder))
            path = os.path.join(root, folder, name + ".schema")
            with open(path, "w", encoding="utf-8") as out:
                out.write(text)
        return schema.parse(path)


class SchemaTest(unittest.TestCase):
    def refuses(self, fields, why):
        with self.assertRaises(SystemExit) as caught:
            parse(HEAD + fields + "\nresponse\n")
        self.assertRegex(str(caught.exception), why)

    def test_reads_fields(self):
        file = parse("# One line.\n" + HEAD + "  topics  [Topic]?v1+  v1+ tag 3 = null  # note\n"
                     "    name  string  v2-3\n  last  int32\nresponse\n")
        topics, last = file.api.request.fields
        self.assertEqual((topics.type, topics.array, topics.lo, topics.hi), ("Topic", True, 1, 4))
        self.assertEqual((topics.nullable_from, topics.tag, topics.default), (1, 3, "null"))
        self.assertEqual((topics.struct.fields[0].lo, topics.struct.fields[0].hi), (2, 3))
        self.assertEqual(last.name, "last")
        self.assertEqual(file.comment, ["One line."])
        self.assertEqual((file.stem, file.api.private), ("thing", False))

    def test_reads_what_an_api_needs(self):
        file = parse(API + "needs read topic  # of each\nneeds alter cluster\nrequest\nresponse\n")
        self.assertEqual(file.api.needs, (("read", "topic"), ("alter", "cluster")))
        self.assertEqual(parse(API + "needs nothing\nrequest\nresponse\n").api.needs, ())

    def test_refuses_an_api_that_does_not_say_what_it_needs(self):
        operations = "# What.\nenum AclOperation int8\n  read  3\n"
        for text, why in ((API + "request\n", "say before it what the API needs"),
                          (API + "needs read\nrequest\n", "say 'needs OPERATION RESOURCE'"),
                          (API + "needs read topic\nneeds nothing\n", "say 'needs OPERATION"),
                          (API + "needs nothing\nneeds read topic\n", "say 'needs OPERATION"),
                          (HEAD + "needs read topic\n", "not 'api', 'record'"),
                          ("record A v0\nneeds read topic\n", "not 'api', 'record'")):
            with self.assertRaises(SystemExit) as caught:
                parse(text)
            self.assertIn(why, str(caught.exception))
        with self.assertRaises(SystemExit) as caught:
            parse_with(operations, "response\n", API + "needs reed topic\nrequest\n")
        self.assertIn("'reed' is no value of AclOperation", str(caught.exception))

    def test_folder_makes_an_api_private(self):
        self.assertTrue(parse(HEAD + "response\n", "private").api.private)

    def test_element_sizes_are_a_lower_bound_in_every_version(self):
        file = parse(HEAD + "  a  [A]\n    s  string\n    n  int64  v1+\nresponse\n")
        self.assertEqual(schema.min_size(file.api.request.fields[0].struct), 2)
        file = parse(HEAD + "  a  [A]  v2+\n    s  string\n    n  int64\nresponse\n")
        self.assertEqual(schema.min_size(file.api.request.fields[0].struct), 1 + 8 + 1)

    def test_reads_enums(self):
        file = parse_with(STATE, "  s  State  = ready_now\n  all  [State]\nresponse\n")
        state, states = file.api.request.fields
        self.assertEqual(state.enum.values, [("none", 0, ""), ("ready_now", 3, "soon")])
        self.assertEqual((state.wire(), state.number_of_default()), ("int8", "3"))
        self.assertTrue(states.array and states.enum.name == "State" and not states.struct)
        self.assertEqual(generate.enums_in(file), ["state"])

    def test_refuses_enums(self):
        for enum, fields, why in (
                ("enum State int8\n", "", "no enum with values"),
                ("enum State int64\n  a  0\n", "", "say 'enum Name int8"),
                ("enum State int8 opn\n  a  0\n", "", "say 'enum Name int8"),
                ("enum State int8\n  a  0\n  b  0\n", "", "'b' or 0 already"),
                ("enum State int8\n  A  0\n", "", "snake_case name and a number"),
                (STATE, "  s  State?\n", "cannot be null"),
                (STATE, "  s  State  = gone\n", "'gone' is no value")):
            with self.assertRaises(SystemExit) as caught:
                parse_with(enum, fields + "response\n")
            self.assertIn(why, str(caught.exception))

    def test_refuses(self):
        self.refuses("  a  strng\n", "strng has no fields")
        self.refuses("  a  [string\n", r":5: '\[string' is not a type")
        self.refuses("  Name  string\n", "not a snake_case name")
        self.refuses("  a  string  v5+\n", "'v5.' is not within v0-4")
        self.refuses("  a  string  3+\n", "not a version range")
        self.refuses("  a  int32  = null\n", "null is not a value")
        self.refuses("  a  string\n  a  int8\n", "two fields 'a'")
        self.refuses("  a  A?\n    b  int8\n", "cannot be null")
        self.refuses("  a\n", ":5: incomplete line")
        self.refuses("  a  int8  = x\n", "'x'")
        self.refuses("a  int8\n", "not 'api', 'record'")

    def test_refuses_heads(self):
        for text, why in (("  a  int8\n", "a field before"), ("request\n", "not 'api'"),
                          ("api 1 A v0 flexibel v0+\n", "'flexible vN"),
                          ("record A\n", "incomplete line"), ("record A v0+\n", "last version")):
            with self.assertRaises(SystemExit) as caught:
                parse(text)
            self.assertIn(why, str(caught.exception))

    def test_two_apis_cannot_share_a_key(self):
        file = parse(HEAD + "response\n")
        with self.assertRaisesRegex(SystemExit, "same key 7"):
            generate.emit_index([file, file])


if __name__ == "__main__":
    unittest.main()
