// The one writer of JSON: what a command prints with -o json, and /status. It never throws, its
// output is always valid UTF-8, and every string can be had back exactly:
//
// - A string that is UTF-8 is itself, also with controls in it. What printable.h calls unprintable
//   is written as \u escapes, which every reader of JSON undoes.
// - One that is not begins with U+FFFD; behind it \xNN is a byte and \\ a backslash. (A string that
//   is UTF-8 and begins with U+FFFD is written like that too, so that the mark means one thing.)
//
// A pure function; any thread. Who reads JSON uses nlohmann::json itself.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

namespace isthmus {

enum class JsonForm { one_line, indented };

// Without a newline at the end.
std::string write_json(const nlohmann::json& value, JsonForm form = JsonForm::one_line);

}  // namespace isthmus
