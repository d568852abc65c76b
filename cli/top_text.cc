#include "cli/top_text.h"

#include <fmt/core.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <nlohmann/json.hpp>

#include "base/check.h"
#include "base/printable.h"
#include "cli/told.h"

namespace isthmus::cli {
namespace {

using Cells = std::vector<std::string>;

struct CodeRange {
  char32_t first, last;
};

bool is_among(const auto& ranges, char32_t c) {
  return std::ranges::any_of(ranges, [c](CodeRange r) { return c >= r.first && c <= r.last; });
}

size_t columns_of(char32_t c) {
  constexpr std::array none = {CodeRange{0x0300, 0x036f}, CodeRange{0x1ab0, 0x1aff},
                               CodeRange{0x1dc0, 0x1dff}, CodeRange{0x20d0, 0x20ff},
                               CodeRange{0xfe00, 0xfe0f}, CodeRange{0xfe20, 0xfe2f}};
  constexpr std::array two = {
      CodeRange{0x1100, 0x115f}, CodeRange{0x2e80, 0xa4cf},   CodeRange{0xac00, 0xd7a3},
      CodeRange{0xf900, 0xfaff}, CodeRange{0xfe30, 0xfe6f},   CodeRange{0xff00, 0xff60},
      CodeRange{0xffe0, 0xffe6}, CodeRange{0x1f300, 0x1faff}, CodeRange{0x20000, 0x3fffd}};
  if (c < 0x0300) return 1;
  return is_among(none, c) ? 0 : is_among(two, c) ? 2 : 1;
}

// How many bytes of the text take at most so many columns.
size_t bytes_within(std::string_view text, size_t columns) {
  size_t at = 0;
  while (at < text.size()) {
    const CodePoint c = first_code_point(text.substr(at));
    const size_t taken = columns_of(c.value);
    if (taken > columns) break;
    columns -= taken;
    at += c.size;
  }
  return at;
}

std::string in_ascii(char32_t c) {
  switch (c) {
    case U'…': return "...";
    case U'–':
    case U'−': return "-";
    case U'→': return "->";
    case U'≤': return "<=";
    case U'’': return "'";
    default: return fmt::format("\\u{{{:x}}}", static_cast<uint32_t>(c));
  }
}

// Takes from the widest free column, until the whole fits or nothing is left to take.
void shrink(std::vector<size_t>& widths, const std::vector<GridColumn>& columns, size_t width,
            size_t gap) {
  constexpr size_t least = 8;
  auto total = [&] {
    size_t sum = gap * (widths.size() - 1);
    for (const size_t each : widths) sum += each;
    return sum;
  };
  while (total() > width) {
    size_t* widest = nullptr;
    for (size_t i = 0; i < widths.size(); ++i) {
      if (columns[i].free && (widest == nullptr || widths[i] > *widest)) widest = &widths[i];
    }
    if (widest == nullptr || *widest <= least) return;
    --*widest;
  }
}

}  // namespace

std::string shown_text(std::string_view text, const TopLook& look) {
  const std::string shown = printable(text);
  if (look.unicode) return shown;
  std::string out;
  for (std::string_view rest = shown; !rest.empty();) {
    const CodePoint c = first_code_point(rest);
    if (c.value < 0x80) {
      out += static_cast<char>(c.value);
    } else {
      out += in_ascii(c.value);
    }
    rest.remove_prefix(c.size);
  }
  return out;
}

size_t columns_of(std::string_view text) {
  size_t columns = 0;
  while (!text.empty()) {
    const CodePoint c = first_code_point(text);
    columns += columns_of(c.value);
    text.remove_prefix(c.size);
  }
  return columns;
}

std::string cut_text(const std::string& text, size_t columns, const TopLook& look) {
  if (columns_of(std::string_view(text)) <= columns) return text;
  const std::string mark = look.unicode ? "…" : "~";
  if (columns == 0) return "";
  return text.substr(0, bytes_within(text, columns - 1)) + mark;
}

std::vector<std::string> wrapped_text(const std::string& lead, std::string_view text,
                                      const TopLook& look) {
  constexpr size_t least_room = 10;
  const size_t indent = columns_of(std::string_view(lead));
  const size_t room = std::max(look.width, indent + least_room) - indent;
  std::vector<std::string> lines;
  std::string begin = lead;
  do {
    size_t end = bytes_within(text, room);
    if (end < text.size() && end > 0) {
      const size_t blank = text.substr(0, end + 1).rfind(' ');
      if (blank != std::string_view::npos && blank > 0) end = blank;
    }
    lines.push_back(cut_text(begin + std::string(text.substr(0, end)), look.width, look));
    text.remove_prefix(end);
    text.remove_prefix(std::min(text.find_first_not_of(' '), text.size()));
    begin.assign(indent, ' ');
  } while (!text.empty());
  return lines;
}

std::vector<std::string> grid_lines(const std::vector<GridColumn>& columns, std::vector<Cells> rows,
                                    const TopLook& look) {
  constexpr size_t gap = 2;
  std::vector<size_t> widths(columns.size());
  for (Cells& row : rows) {
    CHECK(row.size() == columns.size(), "a cell for each column");
    for (size_t i = 0; i < row.size(); ++i) {
      widths[i] = std::max(widths[i], columns_of(std::string_view(row[i])));
    }
  }
  shrink(widths, columns, look.width, gap);
  std::vector<std::string> lines;
  for (const Cells& row : rows) {
    std::string line;
    for (size_t i = 0; i < row.size(); ++i) {
      const std::string cell = cut_text(row[i], widths[i], look);
      const std::string blanks(widths[i] - columns_of(std::string_view(cell)), ' ');
      if (i > 0) line.append(gap, ' ');
      line += columns[i].right ? blanks + cell : cell + blanks;
    }
    line.erase(line.find_last_not_of(' ') + 1);
    lines.push_back(cut_text(line, look.width, look));
  }
  return lines;
}

std::string spark_line(const nlohmann::json& samples, std::optional<int64_t> every_ms,
                       int64_t least, size_t columns, const TopLook& look) {
  constexpr double hour_ms = 3'600'000;
  constexpr std::array blocks = {"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
  constexpr std::string_view ascii = "_.:-=+*#";
  if (every_ms.value_or(0) <= 0 || !samples.is_array() || columns == 0) return "";
  std::vector<std::optional<int64_t>> worst(columns);
  for (size_t i = 0; i < samples.size(); ++i) {
    const auto value = number_of(samples[i]);
    const double age = static_cast<double>(samples.size() - 1 - i) * static_cast<double>(*every_ms);
    if (!value || age >= hour_ms) continue;
    const auto back = static_cast<size_t>(age * static_cast<double>(columns) / hour_ms);
    auto& bar = worst[columns - 1 - std::min(back, columns - 1)];
    bar = std::max(bar.value_or(0), *value);
  }
  int64_t top = std::max<int64_t>(1, least);
  for (const auto& bar : worst) top = std::max(top, bar.value_or(0));
  std::string line;
  for (const auto& bar : worst) {
    const double part = bar ? static_cast<double>(*bar) / static_cast<double>(top) : 0;
    const auto level = static_cast<size_t>(part * 7 + 0.5);
    if (!bar) {
      line += ' ';
    } else if (look.unicode) {
      line += blocks[level];
    } else {
      line += ascii[level];
    }
  }
  return line;
}

}  // namespace isthmus::cli
