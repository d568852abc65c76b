#!/usr/bin/env python3
"""Compares kafka/schema/ with the message definitions inside Apache Kafka's jars, field by field:
order, names, types, versions, nullability, tags, defaults, flexible versions, API keys.

The jars are those that ./dev fetches into .cache/peers/kafka/libs (or $ISTHMUS_CACHE/kafka/libs).
Exits with 77, "skipped", if they are not there.
"""

import glob
import json
import os
import re
import sys
import zipfile

ROOT = os.path.abspath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "../.."))
SCHEMAS = os.path.join(ROOT, "kafka/schema")
sys.path.insert(0, SCHEMAS)

import schema  # noqa: E402

VERSION = "4.1.1"
JARS = ("kafka-clients", "kafka-group-coordinator")
# Stored keys: the version in front of a key says which kind of record follows. Kafka 4 calls that
# number the apiKey of a message of version 0; to us, as before, it is the key's version.
STORED = {"OffsetCommitKey": 1, "OffsetCommitValue": None, "GroupMetadataKey": 2,
          "GroupMetadataValue": None}
ZERO = ("", "0", "false", None)


def definitions():
    """name -> Kafka's definition; None if a jar is missing."""
    cache = os.environ.get("ISTHMUS_CACHE") or os.path.join(ROOT, ".cache/peers")
    found = {}
    for jar in JARS:
        path = os.path.join(cache, f"kafka/libs/{jar}-{VERSION}.jar")
        if not os.path.exists(path):
            print(f"SKIPPED: {path} is not there; ./dev test fetches it")
            return None
        with zipfile.ZipFile(path) as archive:
            for name in archive.namelist():
                if name.startswith("common/message/") and name.endswith(".json"):
                    text = archive.read(name).decode()
                    text = re.sub(r"^\s*//.*$", "", text, flags=re.M)
                    message = json.loads(re.sub(r",(\s*[\]}])", r"\1", text))
                    found[message["name"]] = message
    return found


def interval(text):
    """'3+', '3-8', '3' or 'none' as (first, last); None if there are no versions."""
    if text in (None, "none"):
        return None
    first, _, last = text.rstrip("+").partition("-")
    return int(first), schema.ANY if text.endswith("+") else int(last or first)


def common(a, b):
    if not a or not b:
        return None
    first, last = max(a[0], b[0]), min(a[1], b[1])
    return (first, last) if first <= last else None


def snake(name):
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


def canonical(default):
    """Defaults that mean the same value: '0x7fffffff' and 2147483647; none, 0, false and ''."""
    text = None if default is None else str(default).lower()
    if text in ZERO:
        return None
    return int(text, 0) if re.fullmatch(r"-?\d+|0x[0-9a-f]+", text) else text


class Comparison:
    def __init__(self):
        self.problems = []
        self.fields = 0

    def same(self, where, what, ours, theirs):
        if ours != theirs:
            self.problems.append(f"{where}: {what} is {ours} here, {theirs} in Kafka")

    def field(self, where, ours, theirs, versions, structs):
        self.fields += 1
        where = f"{where}.{ours.name}"
        array = theirs["type"].startswith("[]")
        kind = theirs["type"].removeprefix("[]")
        self.same(where, "name", ours.name, snake(theirs["name"]))
        self.same(where, "whether it is an array", ours.array, array)
        self.same(where, "type", "int16" if ours.type == "error" else ours.wire(), kind)
        self.same(where, "versions", (ours.lo, ours.hi), versions)
        nullable = common(interval(theirs.get("nullableVersions")), versions)
        ours_null = (ours.nullable_from, ours.hi) if ours.nullable_from is not None else None
        self.same(where, "versions that allow null", ours_null, nullable)
        tagged = common(interval(theirs.get("taggedVersions")), versions)
        self.same(where, "tag", ours.tag, theirs.get("tag") if tagged else None)
        if tagged:
            self.same(where, "tagged versions", versions, tagged)
        self.same(where, "default", canonical(ours.number_of_default()),
                  canonical(theirs.get("default")))
        if ours.struct:
            below = theirs.get("fields") or structs.get(kind, [])
            self.struct(where + ("[]" if array else ""), ours.struct, below, versions, structs)

    def struct(self, where, ours, theirs, versions, structs):
        present = [(f, common(interval(f["versions"]), versions)) for f in theirs]
        present = [(f, v) for f, v in present if v]
        names = [snake(f["name"]) for f, _ in present]
        if [f.name for f in ours.fields] != names:
            self.same(where, "the list of fields", [f.name for f in ours.fields], names)
            return
        for field, (their_field, v) in zip(ours.fields, present):
            self.field(where, field, their_field, v, structs)

    def message(self, ours, theirs, versions):
        valid = interval(theirs["validVersions"])
        self.same(ours.name, "valid versions", common(versions, valid), versions)
        flexible = common(interval(theirs["flexibleVersions"]), versions)
        here = (ours.flexible, versions[1]) if ours.flexible != schema.ANY else None
        self.same(ours.name, "flexible versions", here, flexible)
        structs = {s["name"]: s["fields"] for s in theirs.get("commonStructs", [])}
        self.struct(ours.name, ours, theirs["fields"], versions, structs)


def compare(files, kafka):
    result = Comparison()
    for file in files:
        for message in file.messages:
            if file.api:
                theirs = kafka[message.name]
                result.same(message.name, "API key", file.api.key, theirs["apiKey"])
            elif message.name in STORED:
                theirs = kafka[message.name]
            else:
                continue  # a record of our own
            if STORED.get(message.name) is not None:
                result.same(message.name, "number", message.hi, theirs["apiKey"])
                message.lo = message.hi = 0
                for f in message.fields:
                    f.lo = f.hi = 0
            result.message(message, theirs, (message.lo, message.hi))
    return result


def main():
    kafka = definitions()
    if kafka is None:
        return 77
    paths = sorted(glob.glob(f"{SCHEMAS}/api/*.schema") + glob.glob(f"{SCHEMAS}/record/*.schema"))
    result = compare([schema.parse(p) for p in paths], kafka)
    print("\n".join(result.problems))
    print(f"{result.fields} fields compared, {len(result.problems)} differ")

    # The comparison must be able to fail: one field of each kind of difference.
    for change in ({"name": "x"}, {"type": "int8"}, {"lo": 1}, {"nullable_from": None}, {"tag": 7},
                   {"default": "5"}):
        files = [schema.parse(p) for p in paths if p.endswith("00_produce.schema")]
        vars(files[0].api.request.fields[0]).update(change)
        if not compare(files, kafka).problems:
            print(f"the comparison does not notice {change}")
            return 1
    return 1 if result.problems or result.fields < 300 else 0


if __name__ == "__main__":
    sys.exit(main())
