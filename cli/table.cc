#include "cli/table.h"

#include <fmt/core.h>

#include <algorithm>

#include "base/check.h"
#include "base/printable.h"

namespace isthmus::cli {
namespace {

bool begins(char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }

// Where the code point with this number begins.
size_t position_of(const std::string& text, size_t number) {
  size_t at = 0;
  for (; at < text.size(); ++at) {
    if (begins(text[at]) && number-- == 0) break;
  }
  return at;
}

std::string shortened(std::string text) {
  constexpr size_t last = 30;
  const size_t columns = width(text);
  if (columns <= most_columns) return text;
  const size_t cut_from = position_of(text, most_columns - last - 1);
  const size_t cut_to = position_of(text, columns - last);
  return text.replace(cut_from, cut_to - cut_from, "…");
}

}  // namespace

size_t width(const std::string& text) {
  return static_cast<size_t>(std::ranges::count_if(text, begins));
}

void Table::add(std::vector<std::string> cells) {
  CHECK(cells.size() == columns_.size(), "a cell for each column");
  for (std::string& cell : cells) cell = shortened(printable(cell));
  rows_.push_back(std::move(cells));
}

std::string Table::to_string() const {
  std::vector<std::string> titles;
  for (const Column& column : columns_) titles.push_back(column.title);
  std::vector<size_t> widths;
  for (size_t i = 0; i < columns_.size(); ++i) {
    widths.push_back(width(titles[i]));
    for (const auto& row : rows_) widths[i] = std::max(widths[i], width(row[i]));
  }
  std::string out;
  auto add_line = [&](const std::vector<std::string>& cells) {
    std::string line;
    for (size_t i = 0; i < cells.size(); ++i) {
      const std::string blanks(widths[i] - width(cells[i]), ' ');
      if (i > 0) line += "  ";
      line += columns_[i].right ? blanks + cells[i] : cells[i] + blanks;
    }
    line.erase(line.find_last_not_of(' ') + 1);
    out += line + "\n";
  };
  add_line(titles);
  for (const auto& row : rows_) add_line(row);
  return out;
}

}  // namespace isthmus::cli
