// What commands write, and the only place of cli/ that writes: results to stdout, complaints to
// stderr. Whatever a line was made of, it is one printable line (base/printable.h), and JSON is
// what base/json.h makes of it.
#pragma once

#include <fmt/core.h>

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

#include "cli/table.h"

namespace isthmus::cli {

// A text that is made before it is shown, so that tests see it whole.
class Lines {
 public:
  // One line. The format has no newline in it.
  template <typename... T>
  void say(fmt::format_string<T...> format, const T&... args) {
    add_line(fmt::vformat(format, fmt::make_format_args(args...)));
  }
  // Nothing for a table without rows.
  void add(const Table& table);
  const std::string& text() const { return text_; }

 private:
  void add_line(const std::string& line);

  std::string text_;
};

void show(const Lines& lines);
void show(const Table& table);  // its titles, where there are no rows
void show(const nlohmann::json& document);
// Lines as they are, as of a reference that goes into a file.
void show_document(const std::string& text);

template <typename... T>
void say(fmt::format_string<T...> format, const T&... args) {
  Lines line;
  line.say(format, args...);
  show(line);
}

// One line on stderr, "isthmus: ...".
void complain(const std::string& text);
// Several, as they are.
void complain_lines(std::string_view text);

}  // namespace isthmus::cli
