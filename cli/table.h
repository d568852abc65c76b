// Table: rows whose columns line up, and numbers as people read them. Plain values; stdout.
//
// A cell may be any name from outside: it is shown printable (base/printable.h), and at most
// most_columns of it, with an ellipsis for what stands between its beginning and its end.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "views/words.h"

namespace isthmus::cli {

using views::count_of;
using views::grouped;
using views::number_or_unknown;
using views::seconds;

struct Column {
  std::string title;
  bool right = false;  // numbers end at the same place
};

constexpr size_t most_columns = 100;

class Table {
 public:
  explicit Table(std::vector<Column> columns) : columns_(std::move(columns)) {}
  // REQUIRES: one cell for each column.
  void add(std::vector<std::string> cells);
  bool empty() const { return rows_.empty(); }
  // Two blanks between columns, none at the ends of lines.
  std::string to_string() const;

 private:
  std::vector<Column> columns_;
  std::vector<std::vector<std::string>> rows_;
};

// How many columns of a terminal the text takes, one for each code point.
size_t width(const std::string& text);

}  // namespace isthmus::cli
