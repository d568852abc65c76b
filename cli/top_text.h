// Texts in the columns of a terminal: made printable, cut, wrapped, lined up; and a row of numbers
// as a line of blocks. Names may be anything (base/printable.h); characters of East Asia take two
// columns, combining ones none.
//
// Pure; any thread.
#pragma once

#include <cstddef>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace isthmus::cli {

// What the terminal can show.
struct TopLook {
  size_t width = 80;
  bool unicode = true;  // else ASCII: other characters as \u{NNNN}
};

// One line without controls, of characters that the terminal has.
std::string shown_text(std::string_view text, const TopLook& look);

// The functions below take what shown_text() has made.
size_t columns_of(std::string_view text);
// At most `columns`, with a mark where something was cut off.
std::string cut_text(const std::string& text, size_t columns, const TopLook& look);
// Lines of at most look.width: the first begins with `lead`, the others with as many blanks. Breaks
// between words, and a word that is longer than a line inside it.
std::vector<std::string> wrapped_text(const std::string& lead, std::string_view text,
                                      const TopLook& look);

// Rows of cells, as lines of at most look.width: what is too wide is taken from the columns that
// are `free` (names from outside), and only then cut off at the end.
struct GridColumn {
  bool right = false;  // numbers end at the same place
  bool free = false;
};
std::vector<std::string> grid_lines(const std::vector<GridColumn>& columns,
                                    std::vector<std::vector<std::string>> rows,
                                    const TopLook& look);

// The last hour, of samples of which the last is of now, in so many columns: in each the worst,
// nothing where nothing is known. What is below `least` looks like next to nothing.
std::string spark_line(const nlohmann::json& samples, std::optional<int64_t> every_ms,
                       int64_t least, size_t columns, const TopLook& look);

}  // namespace isthmus::cli
