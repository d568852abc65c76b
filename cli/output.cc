#include "cli/output.h"

#include <algorithm>
#include <cstdio>

#include "base/json.h"
#include "base/printable.h"

namespace isthmus::cli {
namespace {

// At once: who watches a switchover through a pipe sees each step when it is done.
void write(std::FILE* file, const std::string& text) {
  std::fwrite(text.data(), 1, text.size(), file);
  std::fflush(file);
}

}  // namespace

void Lines::add_line(const std::string& line) { text_ += printable(line) + "\n"; }

void Lines::add(const Table& table) {
  if (!table.empty()) text_ += table.to_string();
}

void show(const Lines& lines) { write(stdout, lines.text()); }
void show(const Table& table) { write(stdout, table.to_string()); }
void show(const nlohmann::json& document) {
  write(stdout, write_json(document, JsonForm::indented) + "\n");
}
void show_document(const std::string& text) { write(stdout, text); }

void complain(const std::string& text) { write(stderr, "isthmus: " + printable(text) + "\n"); }

void complain_lines(std::string_view text) {
  std::string lines;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    lines += printable(text.substr(0, end)) + "\n";
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  write(stderr, lines);
}

}  // namespace isthmus::cli
