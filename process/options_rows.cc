// The kinds of values that a key can have: how each is read from a scalar, shown, and bounded.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "process/options.h"
#include "process/units.h"

namespace isthmus::process {
namespace {

using Setter = std::function<Result<void>(const std::string&)>;
using Getter = std::function<std::vector<std::string>()>;
using Parser = Result<int64_t> (*)(std::string_view);
using Formatter = std::string (*)(int64_t);

Result<int64_t> parse_number(std::string_view text) {
  int64_t number = 0;
  auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || rest != text.data() + text.size())
    return fail(fmt::format("\"{}\" is not a whole number", text));
  return number;
}
std::string format_number(int64_t number) { return std::to_string(number); }

Result<int64_t> parse_size(std::string_view text) {
  if (text == "-1") return -1;  // Kafka's "no limit"
  return parse_bytes(text);
}
// Kafka's own tools show sizes as bytes, so they are printed as bytes.
std::string format_size(int64_t bytes) { return std::to_string(bytes); }

Result<int64_t> parse_ms(std::string_view text) {
  Result<std::chrono::milliseconds> duration = parse_duration(text);
  if (!duration) return fail(duration.error());
  return duration->count();
}
std::string format_ms(int64_t ms) { return format_duration(std::chrono::milliseconds(ms)); }

std::string in_words(Bounds bounds, Formatter format) {
  const bool low = bounds.min != std::numeric_limits<int64_t>::min();
  const bool high = bounds.max != std::numeric_limits<int64_t>::max();
  if (!low && !high) return "any";
  if (low && high) return fmt::format("{} to {}", format(bounds.min), format(bounds.max));
  if (low) return fmt::format("at least {}", format(bounds.min));
  return fmt::format("at most {}", format(bounds.max));
}

struct NumberKind {
  const char* type;
  Parser parse;
  Formatter format;
};
constexpr NumberKind number_kind{"whole number", parse_number, format_number};
constexpr NumberKind size_kind{"size", parse_size, format_size};
constexpr NumberKind duration_kind{"duration", parse_ms, format_ms};

template <typename Field>
Bounds narrowed(Bounds bounds) {
  bounds.min = std::max<int64_t>(bounds.min, std::numeric_limits<Field>::min());
  bounds.max = std::min<int64_t>(bounds.max, std::numeric_limits<Field>::max());
  return bounds;
}

// Assign: void(int64_t).
template <typename Assign>
Setter number_setter(NumberKind kind, Bounds bounds, Assign assign) {
  return [=](const std::string& text) -> Result<void> {
    Result<int64_t> number = kind.parse(text);
    if (!number && kind.parse != parse_number) return fail(number.error());  // has an example
    if (!number)
      return fail(
          fmt::format("{}; {} is right", number.error().text, in_words(bounds, kind.format)));
    if (*number < bounds.min || *number > bounds.max)
      return fail(
          fmt::format("{} is out of bounds; {} is right", text, in_words(bounds, kind.format)));
    assign(*number);
    return {};
  };
}

template <typename Assign>
Options::Row number_row(std::string name, NumberKind kind, Bounds bounds, std::string text,
                        Assign assign, Getter get) {
  Options::Row row{.name = std::move(name), .type = kind.type, .text = std::move(text)};
  if (std::string words = in_words(bounds, kind.format); words != "any") row.type += ", " + words;
  row.set = number_setter(kind, bounds, assign);
  row.get = std::move(get);
  return row;
}

template <typename Field>
Options::Row integer_row(std::string name, Field& field, NumberKind kind, Bounds bounds,
                         std::string text) {
  return number_row(
      std::move(name), kind, narrowed<Field>(bounds), std::move(text),
      [&field](int64_t number) { field = static_cast<Field>(number); },
      [&field, kind] { return std::vector<std::string>{kind.format(field)}; });
}

template <typename Field>  // io::Address, or an optional one
Result<void> set_address(Field& field, const std::string& text) {
  Result<io::Address> address = io::Address::parse(text);
  if (!address)
    return fail(fmt::format("\"{}\" is not an address; write host:port, as 127.0.0.1:9092", text));
  field = *address;
  return {};
}

Result<void> set_bool(bool& field, const std::string& text) {
  if (text != "true" && text != "false")
    return fail(fmt::format("\"{}\" is neither true nor false", text));
  field = text == "true";
  return {};
}

Result<void> set_text(std::string& field, const std::string& text) {
  if (text.empty()) return fail("is empty; write a value or leave the key out");
  field = text;
  return {};
}

}  // namespace

Options::Row& Options::add_row(Row row) {
  if (row.get && row.fallback.empty()) row.fallback = fmt::format("{}", fmt::join(row.get(), ", "));
  return rows_.emplace_back(std::move(row));
}

Options::Row& Options::add(std::string name, bool& field, std::string text) {
  return add_custom(
      std::move(name), "true or false",
      [&field](const std::string& value) { return set_bool(field, value); },
      [&field] { return std::string(field ? "true" : "false"); }, std::move(text));
}

Options::Row& Options::add(std::string name, std::string& field, std::string text) {
  Row row{.name = std::move(name), .type = "text", .text = std::move(text)};
  row.set = [&field](const std::string& value) { return set_text(field, value); };
  row.get = [&field] {
    return field.empty() ? std::vector<std::string>{} : std::vector<std::string>{field};
  };
  return add_row(std::move(row));
}

Options::Row& Options::add(std::string name, int16_t& field, Bounds bounds, std::string text) {
  return add_row(integer_row(std::move(name), field, number_kind, bounds, std::move(text)));
}
Options::Row& Options::add(std::string name, int32_t& field, Bounds bounds, std::string text) {
  return add_row(integer_row(std::move(name), field, number_kind, bounds, std::move(text)));
}
Options::Row& Options::add(std::string name, int64_t& field, Bounds bounds, std::string text) {
  return add_row(integer_row(std::move(name), field, number_kind, bounds, std::move(text)));
}
Options::Row& Options::add_bytes(std::string name, int32_t& field, Bounds bounds,
                                 std::string text) {
  return add_row(integer_row(std::move(name), field, size_kind, bounds, std::move(text)));
}
Options::Row& Options::add_bytes(std::string name, int64_t& field, Bounds bounds,
                                 std::string text) {
  return add_row(integer_row(std::move(name), field, size_kind, bounds, std::move(text)));
}

Options::Row& Options::add(std::string name, std::optional<int64_t>& field, Bounds bounds,
                           std::string text) {
  return add_row(number_row(
      std::move(name), number_kind, bounds, std::move(text),
      [&field](int64_t number) { field = number; },
      [&field] {
        return field ? std::vector<std::string>{format_number(*field)} : std::vector<std::string>{};
      }));
}

Options::Row& Options::add(std::string name, std::chrono::milliseconds& field, Bounds ms,
                           std::string text) {
  return add_row(number_row(
      std::move(name), duration_kind, ms, std::move(text),
      [&field](int64_t number) { field = std::chrono::milliseconds(number); },
      [&field] { return std::vector<std::string>{format_duration(field)}; }));
}

Options::Row& Options::add(std::string name, io::Address& field, std::string text) {
  Row row{.name = std::move(name), .type = "host:port", .text = std::move(text)};
  row.set = [&field](const std::string& value) { return set_address(field, value); };
  row.get = [&field] {
    return field.host.empty() ? std::vector<std::string>{}
                              : std::vector<std::string>{field.to_string()};
  };
  return add_row(std::move(row));
}

Options::Row& Options::add(std::string name, std::optional<io::Address>& field, std::string text) {
  Row row{.name = std::move(name), .type = "host:port", .text = std::move(text)};
  row.set = [&field](const std::string& value) { return set_address(field, value); };
  row.get = [&field] {
    return field ? std::vector<std::string>{field->to_string()} : std::vector<std::string>{};
  };
  return add_row(std::move(row));
}

Options::Row& Options::add(std::string name, std::vector<io::Address>& field, std::string text) {
  Row row{.name = std::move(name),
          .shape = Shape::values,
          .type = "list of host:port",
          .text = std::move(text)};
  row.set = [&field](const std::string& value) { return set_address(field.emplace_back(), value); };
  row.clear = [&field] { field.clear(); };
  row.get = [&field] {
    std::vector<std::string> texts;
    for (const io::Address& address : field) texts.push_back(address.to_string());
    return texts;
  };
  return add_row(std::move(row));
}

Options::Row& Options::add(std::string name, std::vector<io::IpRange>& field, std::string text) {
  Row row{.name = std::move(name),
          .shape = Shape::values,
          .type = "list of networks",
          .text = std::move(text)};
  row.set = [&field](const std::string& value) -> Result<void> {
    auto range = io::IpRange::parse(value);
    if (!range) return fail(range.error());
    field.push_back(std::move(*range));
    return {};
  };
  row.clear = [&field] { field.clear(); };
  row.get = [&field] {
    std::vector<std::string> texts;
    for (const io::IpRange& range : field) texts.push_back(range.to_string());
    return texts;
  };
  return add_row(std::move(row));
}

Options::Row& Options::add(std::string name, std::vector<std::string>& field, std::string text) {
  Row row{.name = std::move(name),
          .shape = Shape::values,
          .type = "list of texts",
          .text = std::move(text)};
  row.set = [&field](const std::string& value) { return set_text(field.emplace_back(), value); };
  row.clear = [&field] { field.clear(); };
  row.get = [&field] { return field; };
  return add_row(std::move(row));
}

Options::Row& Options::add_custom(std::string name, std::string type, Setter set,
                                  std::function<std::string()> get, std::string text) {
  Row row{.name = std::move(name), .type = std::move(type), .text = std::move(text)};
  row.set = std::move(set);
  row.get = [get = std::move(get)] {
    std::string text = get();
    return text.empty() ? std::vector<std::string>{} : std::vector{std::move(text)};
  };
  return add_row(std::move(row));
}

Options::Row& Options::add_choice(std::string name, Shape shape, std::vector<std::string> names,
                                  std::function<void(size_t)> set, std::function<void()> clear,
                                  std::function<std::vector<size_t>()> get, std::string text) {
  const std::string all = fmt::format("{}", fmt::join(names, ", "));
  Row row{.name = std::move(name), .shape = shape, .text = std::move(text)};
  row.type = (shape == Shape::values ? "list out of " : names.size() == 1 ? "" : "one of ") + all;
  row.set = [names, all, set = std::move(set)](const std::string& value) -> Result<void> {
    auto chosen = std::ranges::find(names, value);
    if (chosen == names.end())
      return fail(fmt::format("\"{}\" is not known; {} is right", value,
                              names.size() == 1 ? all : "one of " + all));
    set(static_cast<size_t>(chosen - names.begin()));
    return {};
  };
  row.clear = std::move(clear);
  row.get = [names, get = std::move(get)] {
    std::vector<std::string> texts;
    for (size_t chosen : get()) texts.push_back(names[chosen]);
    return texts;
  };
  return add_row(std::move(row));
}

Options::Row& Options::add_word_or_section(std::string name, std::string word,
                                           std::function<void()> take_word,
                                           std::function<bool()> is_word, std::string text) {
  Row row{.name = std::move(name),
          .shape = Shape::word_or_section,
          .type = word + ", or a map",
          .text = std::move(text)};
  row.set = [word, take_word = std::move(take_word)](const std::string& value) -> Result<void> {
    if (value != word) {
      return fail(fmt::format("\"{}\" is not known; {} is right, or a map of keys", value, word));
    }
    take_word();
    return {};
  };
  row.get = [word, is_word = std::move(is_word)] {
    return is_word() ? std::vector<std::string>{word} : std::vector<std::string>{};
  };
  return add_row(std::move(row));
}

}  // namespace isthmus::process
