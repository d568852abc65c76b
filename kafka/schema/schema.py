"""The notation of the schemas: reads a .schema file into Message, Struct and Enum objects.

    # What the API is for.
    api 0 Produce v3-11 flexible v9+ advertise v0+
    needs write topic                                 # operation and resource; or: needs nothing
    request
      acks              int16
      topic_data        [TopicProduceData]            # an array of structures, defined in place
        name            string
        record_errors   [RecordError]  v8+            # present from version 8
      error_message     string?        v8+ = null     # may be null; starts out null
      old_name          string?v2+     v0-3           # null is allowed from version 2
      current_leader    LeaderIdAndEpoch  v10+ tag 0  # a tagged field (KIP-482)
    response
      ...
    record OffsetCommitKey v0-1                       # a stored record instead of an API
      group             string
    enum MirrorState int8                             # in schema/enum/, a file each
      none              0
      initializing      1

Types: bool int8 int16 int32 int64 uint16 uint32 float64 uuid string bytes records, error (an int16
that is an ErrorCode), an enum of schema/enum/, a structure, or [an array]. A message with a value
that its enum does not name does not decode; an `open` one (Kafka's own) keeps the number. A
structure that is named a second time in the same message is not repeated. Without a default a field
starts out zero or empty (not null) or with its enum's first value, which is also its value in
versions that lack it. `advertise v0+`: ApiVersions announces more than is
decoded; the reason stands in the schema. `needs`: what whoever asks must be allowed to do, an
operation of AclOperation and a type of ResourceType; which of several, and on what, is the
handler's to say. No API goes without. A file in private/ has an API that only Isthmus speaks.
"""

import os
import re

ANY = 32767  # the end of an open version range

# wire name -> (C++ type, least bytes on the wire in old versions, in flexible versions)
SCALARS = {
    "bool": ("bool", 1, 1), "int8": ("int8_t", 1, 1), "int16": ("int16_t", 2, 2),
    "int32": ("int32_t", 4, 4), "int64": ("int64_t", 8, 8), "uint16": ("uint16_t", 2, 2),
    "uint32": ("uint32_t", 4, 4), "float64": ("double", 8, 8), "uuid": ("Uuid", 16, 16),
    "error": ("ErrorCode", 2, 2), "string": ("std::string", 2, 1), "bytes": ("Slice", 4, 1),
    "records": ("Rope", 4, 1),
}
ENUM_TYPES = ("int8", "int16")
INTEGERS = ("int8", "int16", "int32", "int64", "uint16", "uint32")


class SchemaError(Exception):
    pass


class Field:
    def __init__(self):
        self.name = self.type = ""
        self.array = False
        self.lo = self.hi = 0            # versions that have the field
        self.nullable_from = None        # None = never null
        self.tag = self.default = None
        self.struct = None               # the Struct, unless the type is a scalar or an enum
        self.enum = None                 # the Enum, if it is one

    def wire(self):
        """The scalar that is on the wire. REQUIRES: not a structure."""
        return self.enum.type if self.enum else self.type

    def number_of_default(self):
        """The default as Kafka's definitions write it: the number of an enum's value."""
        numbers = {name: str(number) for name, number, _ in self.enum.values} if self.enum else {}
        return numbers.get(self.default, self.default)

    def present(self, version):
        return self.lo <= version <= self.hi


class Struct:
    def __init__(self, name, lo, hi, flexible):
        self.name = name
        self.lo, self.hi = lo, hi        # the versions in which it occurs
        self.flexible = flexible         # the message's first flexible version, or ANY
        self.fields = []

    def structs(self):
        """The structures below this one, each once, before those that use it."""
        found = []
        for field in self.fields:
            if field.struct:
                found += [s for s in field.struct.structs() + [field.struct] if s not in found]
        return found

    def has_records(self):
        return any(f.struct.has_records() if f.struct else f.type == "records"
                   for f in self.fields)


class Enum:
    def __init__(self, name, kind, is_open):
        self.name, self.type, self.open = name, kind, is_open
        self.values = []                 # (name, number, comment)

    def stem(self):
        return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", self.name).lower()


class Message(Struct):
    def __init__(self, name, kind, lo, hi, flexible):
        super().__init__(name, lo, hi, flexible)
        self.kind = kind                 # request, response or record
        self.api = None


class Api:
    def __init__(self, key, name, advertised, private):
        self.key, self.name, self.advertised, self.private = key, name, advertised, private
        self.request = self.response = None
        self.needs = None                # (operation, resource type) each; None: it does not say


class File:
    def __init__(self, path):
        self.path = path
        self.stem = re.sub(r"^\d+_", "", os.path.basename(path).removesuffix(".schema"))
        self.comment = []                # the lines above the first definition
        self.api = None
        self.enum = None
        self.messages = []


def versions(text, lo, hi):
    """'v3+', 'v3-8' or 'v3' within lo..hi."""
    match = re.fullmatch(r"v(\d+)(\+|-(\d+))?", text)
    if not match:
        raise SchemaError(f"'{text}' is not a version range such as v3+ or v3-8")
    first = int(match[1])
    last = hi if match[2] == "+" else int(match[3] or first)
    if not lo <= first <= last <= hi:
        raise SchemaError(f"'{text}' is not within v{lo}-{hi}")
    return first, last


def parse_field(words, lo, hi, enums):
    field = Field()
    field.name, spec, rest = words[0], words[1], words[2:]
    match = re.fullmatch(r"(\[)?(\w+)(\])?(\?(v\d+\+)?)?", spec)
    if not match or bool(match[1]) != bool(match[3]):
        raise SchemaError(f"'{spec}' is not a type")
    if not re.fullmatch(r"[a-z][a-z0-9_]*", field.name):
        raise SchemaError(f"'{field.name}' is not a snake_case name")
    field.array, field.type = bool(match[1]), match[2]
    field.lo, field.hi = lo, hi
    while rest:
        word = rest.pop(0)
        if word == "tag":
            field.tag = int(rest.pop(0))
        elif word == "=":
            field.default = rest.pop(0)
        else:
            field.lo, field.hi = versions(word, lo, hi)
    if match[4]:
        field.nullable_from = versions(match[5], field.lo, field.hi)[0] if match[5] else field.lo
    field.enum = enums.get(field.type)
    if field.enum and match[4]:
        raise SchemaError("an enum cannot be null")
    if field.enum and field.default and field.default not in [v[0] for v in field.enum.values]:
        raise SchemaError(f"'{field.default}' is no value of {field.type}")
    if field.type not in SCALARS and not field.array and match[4]:
        raise SchemaError("a structure cannot be null")
    if field.default == "null" and not match[4]:
        raise SchemaError("null is not a value of this type; say 'type?'")
    if field.default and field.type in INTEGERS and not field.array:
        int(field.default, 0)            # says so itself if it is none
    return field


def parse_head(file, words):
    """An `api` or `record` line."""
    kind = words[0]
    at = 3 if kind == "api" else 2       # where the versions stand; then options in pairs
    lo, hi = versions(words[at], 0, ANY)
    if hi == ANY:
        raise SchemaError("say the last version, as in v0-4")
    options = dict(zip(words[at + 1::2], words[at + 2::2]))
    if len(words) != at + 1 + 2 * len(options) or not options.keys() <= {"flexible", "advertise"}:
        raise SchemaError("after the versions stand 'flexible vN+' and 'advertise vN+' only")
    flexible = options.get("flexible")
    flexible = versions(flexible, lo, hi)[0] if flexible else ANY
    if kind == "record":
        file.messages.append(Message(words[1], kind, lo, hi, flexible))
        return
    private = os.path.basename(os.path.dirname(os.path.abspath(file.path))) == "private"
    advertised = versions(options["advertise"], 0, hi)[0] if "advertise" in options else lo
    file.api = Api(int(words[1]), words[2], advertised, private)
    for part in ("request", "response"):
        message = Message(file.api.name + part.capitalize(), part, lo, hi, flexible)
        message.api = file.api
        setattr(file.api, part, message)
        file.messages.append(message)


def parse_needs(api, words, enums):
    """A `needs` line."""
    if words == ["needs", "nothing"] and api.needs is None:
        api.needs = ()
        return
    if len(words) != 3 or api.needs == ():
        raise SchemaError("say 'needs OPERATION RESOURCE', or once 'needs nothing'")
    for word, name in zip(words[1:], ("AclOperation", "ResourceType")):
        if name in enums and word not in [v[0] for v in enums[name].values]:
            raise SchemaError(f"'{word}' is no value of {name}")
    api.needs = (api.needs or ()) + (tuple(words[1:]),)


def parse_enum(words):
    """An `enum` line."""
    if words[2] not in ENUM_TYPES or words[3:] not in ([], ["open"]):
        raise SchemaError(f"say 'enum Name {' or '.join(ENUM_TYPES)}', and 'open' or nothing")
    return Enum(words[1], words[2], words[3:] == ["open"])


def parse_value(enum, words, line):
    """A line below an `enum` line."""
    name, number = words[0], int(words[1])
    if len(words) != 2 or not re.fullmatch(r"[a-z][a-z0-9_]*", name):
        raise SchemaError("a value is a snake_case name and a number")
    if any(name == v[0] or number == v[1] for v in enum.values):
        raise SchemaError(f"{enum.name} has '{name}' or {number} already")
    enum.values.append((name, number, line.partition("#")[2].strip()))


class Parser:
    """Reads line after line; the indentation says which structure a field belongs to."""

    def __init__(self, path, enums):
        self.file = File(path)
        self.enums = enums
        self.message = None
        self.open = []                   # (indent, struct, lo, hi) of the structures around
        self.known = {}                  # the message's structures by name

    def line(self, line):
        text = line.split("#")[0].rstrip()
        if not text:
            if line.startswith("#") and not self.file.messages and not self.file.enum:
                self.file.comment.append(line[1:].strip())
            return
        words, indent = text.split(), len(text) - len(text.lstrip())
        if indent > 0:
            if self.file.enum:
                parse_value(self.file.enum, words, line)
                return
            if not self.message:
                raise SchemaError("a field before 'request', 'response' or 'record'")
            self.field(words, indent)
            return
        if words[0] == "enum" and not self.file.messages and not self.file.enum:
            self.file.enum = parse_enum(words)
        elif words[0] in ("api", "record") and not self.file.enum:
            parse_head(self.file, words)
            self.begin(self.file.messages[-1] if words[0] == "record" else None)
        elif words[0] == "needs" and self.file.api and not self.message:
            parse_needs(self.file.api, words, self.enums)
        elif words[0] in ("request", "response") and self.file.api:
            if self.file.api.needs is None:
                raise SchemaError("say before it what the API needs: 'needs read topic'")
            self.begin(getattr(self.file.api, words[0]))
        else:
            raise SchemaError("not 'api', 'record', 'enum', 'request' or 'response'")

    def begin(self, message):
        self.message, self.known = message, {}
        self.open = [(0, message, message.lo, message.hi)] if message else []

    def field(self, words, indent):
        while indent <= self.open[-1][0]:
            self.open.pop()
        _, parent, lo, hi = self.open[-1]
        field = parse_field(words, lo, hi, self.enums)
        if any(f.name == field.name for f in parent.fields):
            raise SchemaError(f"{parent.name} has two fields '{field.name}'")
        parent.fields.append(field)
        if field.type in SCALARS or field.enum:
            return
        new = Struct(field.type, field.lo, field.hi, self.message.flexible)
        field.struct = self.known.setdefault(field.type, new)
        field.struct.lo = min(field.struct.lo, field.lo)
        field.struct.hi = max(field.struct.hi, field.hi)
        self.open.append((indent, field.struct, field.lo, field.hi))


def known_enums(path):
    """The enums beside a schema's folder, by name."""
    folder = os.path.join(os.path.dirname(os.path.abspath(path)), os.pardir, "enum")
    files = sorted(os.listdir(folder)) if os.path.isdir(folder) else []
    enums = [parse(os.path.join(folder, name)).enum for name in files if name.endswith(".schema")]
    return {enum.name: enum for enum in enums if enum}


def parse(path):
    """Reads one file. What is wrong with it ends the program, with one line that says where."""
    is_enum = os.path.basename(os.path.dirname(os.path.abspath(path))) == "enum"
    parser = Parser(path, {} if is_enum else known_enums(path))
    with open(path, encoding="utf-8") as text:
        for number, line in enumerate(text, 1):
            try:
                parser.line(line)
            except IndexError:
                raise SystemExit(f"{path}:{number}: incomplete line: {line.strip()}") from None
            except (SchemaError, ValueError) as error:
                raise SystemExit(f"{path}:{number}: {error}: {line.strip()}") from None
    if is_enum and not (parser.file.enum and parser.file.enum.values):
        raise SystemExit(f"{path}: no enum with values")
    for message in parser.file.messages:
        for struct in message.structs():
            if not struct.fields:
                raise SystemExit(f"{path}: {struct.name} has no fields: not a type, or misspelt")
    return parser.file


def min_size(struct):
    """The least bytes that an element of this structure takes, over all its versions."""
    def in_version(struct, version):
        flexible = version >= struct.flexible
        size = 1 if flexible else 0        # the count of tagged fields
        for f in struct.fields:
            if not f.present(version) or f.tag is not None:
                continue
            if f.array:
                size += 1 if flexible else 4
            elif f.struct:
                size += in_version(f.struct, version)
            else:
                size += SCALARS[f.wire()][2 if flexible else 1]
        return size
    return max(1, min(in_version(struct, v) for v in range(struct.lo, struct.hi + 1)))
