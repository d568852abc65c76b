// Table: rows whose columns line up, and numbers as people read them. Plain values; stdout.
//
// A cell may be any name from outside: it is shown printable (base/printable.h), and at most
// most_columns of it, with an ellipsis for what stands between its beginning and its end.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace isthmus::cli {

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

std::string grouped(int64_t number);               // 1,204
std::string seconds(std::optional<int64_t> ms);    // 0.3; "unknown" for nothing
std::string count_of(size_t n, const char* noun);  // "1 topic", "12 topics"
std::string number_or_unknown(std::optional<int64_t> number);

}  // namespace isthmus::cli
