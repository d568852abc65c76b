#!/usr/bin/env python3
"""Writes C++ from the schemas; the notation is described in schema.py.

  generate.py message FILE OUT    OUT/<name>.h and .cc: structures, encoders, decoders of one file,
                                  or one enum with its names
  generate.py index OUT FILE...   OUT/api_key.h and apis.cc: the enumeration and table of all APIs
  generate.py tests OUT FILE...   OUT/fill.h, fill.cc and messages.inc: random values, for tests

The generated code is plain: one line per field, no templates but those of kafka/wire.h.
"""

import os
import re
import sys

import schema
from schema import ANY, SCALARS

INT_LIMITS = {"int32": -2**31, "int64": -2**63}


def snake(name):
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


def write_if_changed(path, text):
    """Keeps the time stamp of what is the same, so that nothing is compiled for it again."""
    if os.path.exists(path) and open(path, encoding="utf-8").read() == text:
        return
    with open(path, "w", encoding="utf-8") as out:
        out.write(text)


def when(field, scope, lo=None):
    """The condition on `v` under which a field is present; empty if it always is in its scope."""
    parts = []
    if field.lo > (scope.lo if lo is None else lo):
        parts.append(f"v >= {field.lo}")
    if field.hi < scope.hi:
        parts.append(f"v <= {field.hi}")
    return f"if ({' && '.join(parts)}) " if parts else ""


def base_type(field):
    return SCALARS[field.type][0] if field.type in SCALARS else field.type


def cpp_type(field):
    t = base_type(field)
    if field.array:
        t = f"std::vector<{t}>"
    if field.nullable_from is not None and field.type != "records":
        t = f"std::optional<{t}>"
    return t


def cpp_default(field):
    value = field.default
    if value == "null" or field.type == "records":
        return ""
    if field.nullable_from is not None:
        inner = f"std::vector<{base_type(field)}>" if field.array else base_type(field)
        quoted = f'"{value}"' if value else ""
        return f" = {inner}({quoted})"
    if field.array or field.struct or field.type in ("string", "bytes", "uuid"):
        return f' = "{value}"' if value else ""
    if field.enum:
        return f" = {field.type}::{value or field.enum.values[0][0]}"
    if field.type == "error":
        return " = ErrorCode::none"
    if field.type == "bool":
        return f" = {value or 'false'}"
    if value and int(value, 0) == INT_LIMITS.get(field.type):
        return f" = std::numeric_limits<{base_type(field)}>::min()"
    return f" = {value or 0}"


def emit_struct(struct, message, indent):
    pad = "  " * indent
    lines = [f"{pad}  {cpp_type(f)} {f.name}{cpp_default(f)};" for f in struct.fields]
    if not struct.has_records():
        lines.append(f"{pad}  bool operator==(const {struct.name}&) const = default;")
    return lines


def emit_needs(api):
    needs = [f"{{AclOperation::{operation}, ResourceType::{resource}}}"
             for operation, resource in api.needs]
    if not needs:
        return ["  static constexpr std::array<Permission, 0> needs{};"]
    return ([f"  static constexpr std::array<Permission, {len(needs)}> needs{{{{"]
            + [f"      {n}," for n in needs] + ["  }};"])


def emit_message(message):
    out = [f"struct {message.name} {{"]
    if message.api:
        out.append(f"  static constexpr ApiKey api_key = ApiKey::{snake(message.api.name)};")
    out.append(f"  static constexpr int16_t min_version = {message.lo};")
    out.append(f"  static constexpr int16_t max_version = {message.hi};")
    out.append(f"  static constexpr int16_t flexible_from = {message.flexible};"
               + ("  // never" if message.flexible == ANY else ""))
    if message.kind == "request":
        out.append(f"  using Response = {message.api.response.name};")
        out += emit_needs(message.api)
    out.append("")
    for struct in message.structs():
        out += [f"  struct {struct.name} {{"] + emit_struct(struct, message, 1) + ["  };"]
    out += emit_struct(message, message, 0)
    out += ["", "  // REQUIRES: min_version <= version <= max_version.",
            "  void encode(Writer& w, int16_t version) const;",
            f"  static Result<{message.name}> decode(Reader& r, int16_t version);", "};", ""]
    return out


def enums_in(file):
    """The stems of the enums that a file's messages use."""
    scopes = [s for message in file.messages for s in message.structs() + [message]]
    return sorted({f.enum.stem() for scope in scopes for f in scope.fields if f.enum})


def emit_header(file):
    out = [f"// Generated from {os.path.basename(file.path)} by kafka/schema/generate.py."]
    out += [f"// {line}".rstrip() for line in file.comment]
    out += ["#pragma once", "", "#include <array>", "#include <limits>", "#include <optional>",
            "#include <string>", "#include <vector>", "", '#include "kafka/gen/api_key.h"']
    out += [f'#include "kafka/gen/{stem}.h"' for stem in enums_in(file)]
    out += ['#include "kafka/permission.h"'] if file.api else []
    out += ['#include "kafka/wire.h"', "",
            "namespace isthmus::kafka {", ""]
    if file.api:
        out += [f"struct {file.api.response.name};", ""]
    for message in file.messages:
        out += emit_message(message)
    return "\n".join(out + ["}  // namespace isthmus::kafka", ""])


def flex(scope):
    """`compact` for every call: a constant where no version or every version is flexible."""
    if scope.flexible == ANY:
        return "false"
    return "true" if scope.flexible <= scope.lo else "flex"


def null_argument(field):
    """`, may_be_null` where null came later than the field itself."""
    late = field.nullable_from is not None and field.nullable_from > field.lo
    return f", v >= {field.nullable_from}" if late else ""


CALLS = {"bool": "boolean", "error": "error_code"}


def read_scalar(field, scope, nullable):
    call = ("nullable_" if nullable else "") + CALLS.get(field.type, field.type)
    if field.type not in ("string", "bytes", "records"):
        return f"r.{call}()"
    return f"r.{call}({flex(scope)}{null_argument(field) if nullable else ''})"


def read_field(field, scope):
    nullable = field.nullable_from is not None and field.type != "records"
    target = f"m.{field.name}"
    if not field.array:
        if field.struct:
            return f"read(r, {target}, v);"
        if field.enum:
            return f"read(r, {target});"
        return f"{target} = {read_scalar(field, scope, nullable)};"
    element = f"e = {read_scalar(field, scope, False)};"
    if field.struct or field.enum:
        element = "read(r, e, v);" if field.struct else "read(r, e);"
    least = (schema.min_size(field.struct) if field.struct
             else SCALARS[field.wire()][2 if scope.flexible != ANY else 1])
    arguments = f"{target}, {flex(scope)}, {least}"
    if nullable:
        return (f"if (auto* a = r.nullable_array({arguments}{null_argument(field)})) "
                f"for (auto& e : *a) {element}")
    return f"for (auto& e : r.array({arguments})) {element}"


def write_scalar(field, scope, value, nullable):
    call = ("nullable_" if nullable else "") + CALLS.get(field.type, field.type)
    if field.type not in ("string", "bytes", "records"):
        return f"w.{call}({value});"
    return f"w.{call}({value}, {flex(scope)}{null_argument(field) if nullable else ''});"


def write_field(field, scope):
    nullable = field.nullable_from is not None and field.type != "records"
    value = f"m.{field.name}"
    if not field.array:
        if field.struct:
            return f"write(w, {value}, v);"
        if field.enum:
            return f"write(w, {value});"
        return write_scalar(field, scope, value, nullable)
    element = write_scalar(field, scope, "e", False)
    if field.struct or field.enum:
        element = "write(w, e, v);" if field.struct else "write(w, e);"
    if nullable:
        return (f"{{ w.nullable_array_size({value}, {flex(scope)}{null_argument(field)}); "
                f"if ({value}) for (const auto& e : *{value}) {element} }}")
    return (f"{{ w.array_size({value}.size(), {flex(scope)}); "
            f"for (const auto& e : {value}) {element} }}")


def not_default(field):
    """Whether a tagged field must be written: at its default it is left out."""
    value = f"m.{field.name}"
    if field.struct and not field.array:
        return f"!({value} == decltype({value}){{}})"
    if field.nullable_from is not None:
        if field.default == "null":
            return f"{value}.has_value()"
        return f"(!{value} || !{value}->empty())"
    if field.array or field.type in ("string", "bytes"):
        return f"!{value}.empty()"
    if field.type == "uuid":
        return f"!{value}.is_zero()"
    return f"{value} != decltype({value}){{{cpp_default(field)[3:]}}}"


def emit_read(scope, qualified):
    plain = [f for f in scope.fields if f.tag is None]
    tagged = [f for f in scope.fields if f.tag is not None]
    out = [f"void read(Reader& r, {qualified}& m, [[maybe_unused]] int16_t v) {{"]
    out += flex_line(scope)
    out += [f"  {when(f, scope)}{read_field(f, scope)}" for f in plain]
    if scope.flexible == ANY:
        return out + ["}", ""]
    if not tagged:
        condition = "" if flex(scope) == "true" else "if (flex) "
        return out + [f"  {condition}r.skip_tagged_fields();", "}", ""]
    out += [f"  for (TagReader tags(r, {flex(scope)}); tags.next();) {{",
            "    switch (tags.id()) {"]
    for f in tagged:
        condition = when(f, scope, max(scope.lo, scope.flexible))
        skip = " else tags.skip();" if condition else ""
        out.append(f"      case {f.tag}: {condition}{{ {read_field(f, scope)} }}{skip} break;")
    return out + ["      default: tags.skip();", "    }", "  }", "}", ""]


def emit_write(scope, qualified):
    plain = [f for f in scope.fields if f.tag is None]
    tagged = sorted((f for f in scope.fields if f.tag is not None), key=lambda f: f.tag)
    out = [f"void write(Writer& w, const {qualified}& m, [[maybe_unused]] int16_t v) {{"]
    out += flex_line(scope)
    out += [f"  {when(f, scope)}{write_field(f, scope)}" for f in plain]
    if scope.flexible == ANY:
        return out + ["}", ""]
    condition = "" if flex(scope) == "true" else "if (flex) "
    if not tagged:
        return out + [f"  {condition}w.unsigned_varint(0);", "}", ""]
    if condition:
        out.append("  if (!flex) return;")
    out += ["  Writer& out = w;", "  TagWriter tags;", "  {", "    Writer& w = tags.field();"]
    for f in tagged:
        present = when(f, scope, max(scope.lo, scope.flexible))
        test = f"{present[4:-2]} && {not_default(f)}" if present else not_default(f)
        out.append(f"    if ({test}) {{ {write_field(f, scope)} tags.end({f.tag}); }}")
    return out + ["  }", "  tags.write_to(out);", "}", ""]


def flex_line(scope):
    if flex(scope) != "flex":
        return []
    return [f"  [[maybe_unused]] const bool flex = v >= {scope.flexible};"]


def emit_source(file):
    out = [f"// Generated from {os.path.basename(file.path)} by kafka/schema/generate.py.",
           f'#include "kafka/gen/{file.stem}.h"', "", '#include "base/check.h"', "",
           "namespace isthmus::kafka {", ""]
    for message in file.messages:
        out += ["namespace {", ""]
        for struct in message.structs() + [message]:
            qualified = message.name if struct is message else f"{message.name}::{struct.name}"
            out += emit_read(struct, qualified) + emit_write(struct, qualified)
        name = message.name
        out += ["}  // namespace", "", f"void {name}::encode(Writer& w, int16_t version) const {{",
                f'  CHECK(version >= min_version && version <= max_version, "{name}");',
                "  write(w, *this, version);", "}", "",
                f"Result<{name}> {name}::decode(Reader& r, int16_t version) {{",
                "  if (version < min_version || version > max_version) "
                f'return fail(version_error("{name}", version));',
                f"  {name} m;", "  read(r, m, version);",
                f'  if (!r.ok()) return fail(decode_error(r, "{name}", version));',
                "  return m;", "}", ""]
    return "\n".join(out + ["}  // namespace isthmus::kafka", ""])


def emit_enum_header(file):
    enum, kind = file.enum, SCALARS[file.enum.type][0]
    out = [f"// Generated from {os.path.basename(file.path)} by kafka/schema/generate.py."]
    out += [f"// {line}".rstrip() for line in file.comment]
    out += ["#pragma once", "", "#include <array>", "#include <cstdint>", "#include <string_view>",
            "", "namespace isthmus::kafka {", "", "class Reader;", "class Writer;", "",
            f"enum class {enum.name} : {kind} {{"]
    out += [f"  {name} = {number}," + (f"  // {comment}" if comment else "")
            for name, number, comment in enum.values]
    values = ", ".join(f"{enum.name}::{name}" for name, _, _ in enum.values)
    stays = "A number without a name is kept" if enum.open else "A number without a name fails `r`"
    out += ["};", f"constexpr auto values_of({enum.name}) {{",
            f"  return std::to_array({{{values}}});", "}",
            '// The name in words, as commands show it; "?" for a number that has none.',
            f"std::string_view to_string({enum.name} value);", f"// {stays}.",
            f"void read(Reader& r, {enum.name}& value);",
            f"void write(Writer& w, {enum.name} value);", "", "}  // namespace isthmus::kafka", ""]
    return "\n".join(out)


def emit_enum_source(file):
    enum, kind = file.enum, SCALARS[file.enum.type][0]
    out = [f"// Generated from {os.path.basename(file.path)} by kafka/schema/generate.py.",
           f'#include "kafka/gen/{file.stem}.h"', "", '#include "kafka/wire.h"', "",
           "namespace isthmus::kafka {", "",
           f"std::string_view to_string({enum.name} value) {{", "  switch (value) {"]
    out += [f'    case {enum.name}::{name}: return "{name.replace("_", " ")}";'
            for name, _, _ in enum.values]
    out += ["  }", '  return "?";', "}", "", f"void read(Reader& r, {enum.name}& value) {{",
            f"  const {kind} number = r.{enum.type}();",
            f"  value = static_cast<{enum.name}>(number);"]
    if not enum.open:
        out += ["  for (auto known : values_of(value)) {", "    if (known == value) return;", "  }",
                f'  r.fail("no value of {enum.name}");',
                f"  value = {enum.name}::{enum.values[0][0]};"]
    out += ["}", "", f"void write(Writer& w, {enum.name} value) {{",
            f"  w.{enum.type}(static_cast<{kind}>(value));", "}", "",
            "}  // namespace isthmus::kafka", ""]
    return "\n".join(out)


def emit_index(files):
    apis = sorted((f.api for f in files if f.api), key=lambda a: a.key)
    for one, next_one in zip(apis, apis[1:]):
        if one.key == next_one.key:
            raise SystemExit(f"{one.name} and {next_one.name} have the same key {one.key}")
    header = ["// Generated from kafka/schema/ by generate.py: the keys of all APIs.",
              "#pragma once", "", "#include <cstdint>", "", "namespace isthmus::kafka {", "",
              "enum class ApiKey : int16_t {"]
    header += [f"  {snake(a.name)} = {a.key}," for a in apis]
    header += ["};", "", "}  // namespace isthmus::kafka", ""]
    table = ["// Generated from kafka/schema/ by generate.py: the table behind kafka/api.h.",
             '#include "kafka/api.h"', "", "namespace isthmus::kafka {", "",
             "extern const ApiInfo api_table[];", "extern const size_t api_table_size;", "",
             "namespace {", ""]
    for a in apis:
        needs = ", ".join(f"{{AclOperation::{o}, ResourceType::{r}}}" for o, r in a.needs)
        value = f"{{{{{needs}}}}}" if needs else "{}"
        table.append(f"constexpr std::array<Permission, {len(a.needs)}> needs_{a.key}{value};")
    table += ["", "}  // namespace", "", "const ApiInfo api_table[] = {"]
    for a in apis:
        m = a.request
        table.append(f'    {{ApiKey::{snake(a.name)}, "{a.name}", {m.lo}, {m.hi}, {m.flexible}, '
                     f"{'true' if a.private else 'false'}, {a.advertised}, needs_{a.key}}},")
    table += ["};", f"const size_t api_table_size = {len(apis)};", "",
              "}  // namespace isthmus::kafka", ""]
    return "\n".join(header), "\n".join(table)


def emit_tests(files):
    messages = [(f, m) for f in files for m in f.messages]
    header = ["// Generated by kafka/schema/generate.py: random values for every message.",
              "#pragma once", ""]
    header += [f'#include "kafka/gen/{f.stem}.h"' for f in files]
    header += ['#include "tests/kafka/fill.h"', "", "namespace isthmus::kafka {", ""]
    source = ['#include "kafka/gen/fill.h"', "", "namespace isthmus::kafka {", ""]
    for _, message in messages:
        header.append(f"void fill(Fill& f, {message.name}& m, int16_t v);")
        for struct in message.structs() + [message]:
            inner = struct is not message
            qualified = f"{message.name}::{struct.name}" if inner else message.name
            source.append(f"{'static ' if inner else ''}void fill(Fill& f, {qualified}& m, "
                          "[[maybe_unused]] int16_t v) {")
            for field in struct.fields:
                late = f", v >= {field.nullable_from}" if field.nullable_from is not None else ""
                late = "" if field.type == "records" else late
                target = f"m.{field.name}"
                if field.struct and field.array:
                    each = f"for (auto& e : f.array({target}{late})) fill(f, e, v);"
                elif field.struct:
                    each = f"fill(f, {target}, v);"
                elif field.array:
                    each = f"for (auto& e : f.array({target}{late})) f.set(e);"
                else:
                    each = f"f.set({target}{late});"
                source.append(f"  {when(field, struct)}{each}")
            source += ["}", ""]
    header += ["", "}  // namespace isthmus::kafka", ""]
    source += ["}  // namespace isthmus::kafka", ""]
    names = [f"KAFKA_MESSAGE({m.name})" for _, m in messages]
    return "\n".join(header), "\n".join(source), "\n".join(names + [""])


def main(arguments):
    command, arguments = arguments[0], arguments[1:]
    if command == "message":
        file, out = schema.parse(arguments[0]), arguments[1]
        header, source = ((emit_enum_header, emit_enum_source) if file.enum
                          else (emit_header, emit_source))
        texts = {f"{file.stem}.h": header(file), f"{file.stem}.cc": source(file)}
    else:
        out, files = arguments[0], [schema.parse(path) for path in arguments[1:]]
        if command == "index":
            texts = dict(zip(("api_key.h", "apis.cc"), emit_index(files)))
        else:
            texts = dict(zip(("fill.h", "fill.cc", "messages.inc"), emit_tests(files)))
    os.makedirs(out, exist_ok=True)
    for name, text in texts.items():
        write_if_changed(os.path.join(out, name), text)


if __name__ == "__main__":
    main(sys.argv[1:])
