#include "process/options.h"

#include <fmt/format.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <numeric>
#include <sstream>

namespace isthmus::process {
namespace {

// No honest file comes near; a list beyond it is an error, not a cut.
constexpr size_t max_elements = 1000;
constexpr size_t max_file_bytes = 1 << 20;

Places::Mark mark_of(const YAML::Mark& mark) {
  return mark.is_null() ? Places::Mark{} : Places::Mark{mark.line + 1, mark.column + 1};
}

Error error_at(const std::string& file, Places::Mark mark, const std::string& what) {
  return Error::message(fmt::format("{}:{}:{}: {}", file, mark.line, mark.column, what));
}

std::string joined(const std::string& path, const std::string& name) {
  return path.empty() ? name : path + "." + name;
}

// How many single-letter edits lie between two names; swapping two neighbours is one.
size_t distance(std::string_view a, std::string_view b) {
  std::vector<size_t> before_last(b.size() + 1), last(b.size() + 1), now(b.size() + 1);
  std::iota(last.begin(), last.end(), size_t{0});
  for (size_t i = 1; i <= a.size(); ++i) {
    now[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t change = last[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      now[j] = std::min({last[j] + 1, now[j - 1] + 1, change});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
        now[j] = std::min(now[j], before_last[j - 2] + 1);
    }
    before_last.swap(last);
    last.swap(now);
  }
  return last[b.size()];
}

// The path of a section, somewhere below `table`, that has the key; empty if none has.
std::string home_of(const Options& table, const std::string& name, const std::string& path) {
  for (const Options::Row& row : table.rows()) {
    if (!row.prototype || row.lists_things) continue;
    const std::string below = joined(path, row.name);
    const Options inner = row.prototype();
    if (std::ranges::find(inner.rows(), name, &Options::Row::name) != inner.rows().end())
      return below;
    if (std::string home = home_of(inner, name, below); !home.empty()) return home;
  }
  return {};
}

std::string wrong_kind(const Options::Row& row) {
  return fmt::format("wrong kind of value; it takes: {}", row.type);
}

class Loader {
 public:
  Loader(const Options& root, std::string file)
      : root_(root), file_(file), places_(std::move(file)) {}

  Result<void> load(const YAML::Node& document) {
    return load_map(document, root_, "", mark_of(document.Mark()));
  }
  Places take_places() { return std::move(places_); }

 private:
  Result<void> load_map(const YAML::Node& node, const Options& table, const std::string& path,
                        Places::Mark mark);
  Result<void> load_row(const YAML::Node& node, const Options::Row& row, const std::string& path,
                        Places::Mark mark);
  Result<void> load_values(const YAML::Node& node, const Options::Row& row, const std::string& path,
                           Places::Mark mark);
  Result<void> load_list(const YAML::Node& node, const Options::Row& row, const std::string& path,
                         Places::Mark mark);
  Result<void> load_named(const YAML::Node& node, const Options::Row& row, const std::string& path,
                          Places::Mark mark);
  Result<void> load_scalar(const std::string& scalar, const Options::Row& row,
                           const std::string& path, Places::Mark mark);
  // Of the elements of values, a list or a map.
  Result<void> check_count(size_t count, const Options::Row& row, const std::string& path,
                           Places::Mark mark) const;
  // Names of a map's keys with their places; an error if one is no scalar or stands twice.
  Result<std::map<std::string, Places::Mark>> keys_of(const YAML::Node& node,
                                                      const std::string& path);
  Error unknown_key(const std::string& name, const Options& table, const std::string& path,
                    Places::Mark mark) const;
  Error error(Places::Mark mark, const std::string& path, const std::string& what) const {
    return error_at(file_, mark, path.empty() ? what : path + ": " + what);
  }

  const Options& root_;
  std::string file_;
  Places places_;
};

Result<std::map<std::string, Places::Mark>> Loader::keys_of(const YAML::Node& node,
                                                            const std::string& path) {
  std::map<std::string, Places::Mark> keys;
  for (const auto& entry : node) {
    const Places::Mark mark = mark_of(entry.first.Mark());
    if (!entry.first.IsScalar()) return fail(error(mark, path, "a key must be a single word"));
    const std::string& name = entry.first.Scalar();
    auto [first, added] = keys.emplace(name, mark);
    if (!added)
      return fail(
          error(mark, joined(path, name),
                fmt::format("given twice; it already stands in line {}", first->second.line)));
    places_.add(joined(path, name), mark);
  }
  return keys;
}

Error Loader::unknown_key(const std::string& name, const Options& table, const std::string& path,
                          Places::Mark mark) const {
  const Options::Row* nearest = nullptr;
  size_t nearest_distance = std::max<size_t>(1, name.size() / 3) + 1;
  for (const Options::Row& row : table.rows()) {
    const size_t edits = distance(name, row.name);
    if (edits >= nearest_distance) continue;
    nearest = &row;
    nearest_distance = edits;
  }
  const std::string what = joined(path, name);
  if (nearest != nullptr)
    return error(mark, what, fmt::format("unknown key; did you mean {}?", nearest->name));
  if (std::string home = home_of(root_, name, ""); !home.empty())
    return error(mark, what, fmt::format("unknown key here; it belongs under {}", home));
  std::vector<std::string> names;
  for (const Options::Row& row : table.rows()) names.push_back(row.name);
  constexpr size_t few = 20;
  if (names.size() > few) return error(mark, what, "unknown key; see docs/configuration.md");
  return error(mark, what, fmt::format("unknown key; known here: {}", fmt::join(names, ", ")));
}

Result<void> Loader::load_map(const YAML::Node& node, const Options& table, const std::string& path,
                              Places::Mark mark) {
  const bool empty = !node.IsDefined() || node.IsNull();
  if (!empty && !node.IsMap()) return fail(error(mark, path, "must be a map of keys and values"));
  std::map<std::string, Places::Mark> keys;
  if (!empty) {
    auto found = keys_of(node, path);
    if (!found) return fail(found.error());
    keys = std::move(*found);
  }
  for (const auto& [name, at] : keys) {
    if (std::ranges::find(table.rows(), name, &Options::Row::name) == table.rows().end())
      return fail(unknown_key(name, table, path, at));
  }
  // What is there first: a wrong line says more than the absence of another.
  for (const Options::Row& row : table.rows()) {
    auto key = keys.find(row.name);
    if (key == keys.end()) continue;
    Result<void> loaded = load_row(node[row.name], row, joined(path, row.name), key->second);
    if (!loaded) return loaded;
  }
  for (const Options::Row& row : table.rows()) {
    if (keys.contains(row.name)) continue;
    const std::string below = joined(path, row.name);
    if (row.needed) return fail(error(mark, below, fmt::format("missing; it takes: {}", row.type)));
    if (row.shape != Options::Shape::section) continue;
    Result<void> loaded = load_map(YAML::Node(), row.extend(""), below, mark);
    if (!loaded) return loaded;  // something in the section is required
  }
  return {};
}

Result<void> Loader::load_row(const YAML::Node& node, const Options::Row& row,
                              const std::string& path, Places::Mark key) {
  const Places::Mark mark = node.Mark().is_null() ? key : mark_of(node.Mark());
  switch (row.shape) {
    case Options::Shape::value:
      if (!node.IsScalar()) return fail(error(node.IsNull() ? key : mark, path, wrong_kind(row)));
      return load_scalar(node.Scalar(), row, path, mark);
    case Options::Shape::values: return load_values(node, row, path, mark);
    case Options::Shape::section: return load_map(node, row.extend(""), path, mark);
    case Options::Shape::list: return load_list(node, row, path, mark);
    case Options::Shape::map: return load_named(node, row, path, mark);
    case Options::Shape::word_or_section:
      if (node.IsMap()) return load_map(node, row.extend(""), path, mark);
      if (!node.IsScalar()) return fail(error(node.IsNull() ? key : mark, path, wrong_kind(row)));
      return load_scalar(node.Scalar(), row, path, mark);
  }
  return {};
}

Result<void> Loader::load_scalar(const std::string& scalar, const Options::Row& row,
                                 const std::string& path, Places::Mark mark) {
  Result<void> set = row.set(scalar);
  if (!set) return fail(error(mark, path, set.error().text));
  return {};
}

Result<void> Loader::check_count(size_t count, const Options::Row& row, const std::string& path,
                                 Places::Mark mark) const {
  if (count > max_elements)
    return fail(error(mark, path, fmt::format("has more than {} elements", max_elements)));
  if (count == 0 && row.needed) return fail(error(mark, path, "is empty; name at least one"));
  return {};
}

Result<void> Loader::load_values(const YAML::Node& node, const Options::Row& row,
                                 const std::string& path, Places::Mark mark) {
  std::vector<std::pair<std::string, Places::Mark>> scalars;
  if (node.IsScalar()) {
    const std::string& text = node.Scalar();
    for (size_t from = 0; from < text.size() && scalars.size() <= max_elements;) {
      const size_t comma = std::min(text.find(',', from), text.size());
      std::string part = text.substr(from, comma - from);
      part.erase(0, part.find_first_not_of(' '));
      part.erase(part.find_last_not_of(' ') + 1);
      scalars.emplace_back(std::move(part), mark);
      from = comma + 1;
    }
  } else if (node.IsSequence() && node.size() <= max_elements) {
    for (const YAML::Node& element : node) {
      const Places::Mark at = mark_of(element.Mark());
      if (!element.IsScalar()) return fail(error(at, path, wrong_kind(row)));
      scalars.emplace_back(element.Scalar(), at);
    }
  } else if (!node.IsSequence()) {
    return fail(error(mark, path, wrong_kind(row)));
  }
  Result<void> counted = check_count(std::max(scalars.size(), node.size()), row, path, mark);
  if (!counted) return counted;
  row.clear();
  for (const auto& [scalar, at] : scalars) {
    Result<void> set = load_scalar(scalar, row, path, at);
    if (!set) return set;
  }
  return {};
}

Result<void> Loader::load_list(const YAML::Node& node, const Options::Row& row,
                               const std::string& path, Places::Mark mark) {
  if (!node.IsSequence()) return fail(error(mark, path, "must be a list, each element a map"));
  Result<void> counted = check_count(node.size(), row, path, mark);
  if (!counted) return counted;
  row.clear();
  for (size_t i = 0; i < node.size(); ++i) {
    const std::string element_path = fmt::format("{}[{}]", path, i);
    const Places::Mark at = mark_of(node[i].Mark());
    places_.add(element_path, at);
    Result<void> loaded = load_map(node[i], row.extend(""), element_path, at);
    if (!loaded) return loaded;
  }
  return {};
}

Result<void> Loader::load_named(const YAML::Node& node, const Options::Row& row,
                                const std::string& path, Places::Mark mark) {
  if (!node.IsMap()) return fail(error(mark, path, "must be a map: under each name its keys"));
  Result<void> counted = check_count(node.size(), row, path, mark);
  if (!counted) return counted;
  Result<std::map<std::string, Places::Mark>> keys = keys_of(node, path);
  if (!keys) return fail(keys.error());
  row.clear();
  for (const auto& [name, at] : *keys) {
    Result<void> loaded = load_map(node[name], row.extend(name), joined(path, name), at);
    if (!loaded) return loaded;
  }
  return {};
}

// Looks where the next document of a text begins, and builds nothing of it.
class DocumentFinder : public YAML::EventHandler {
 public:
  explicit DocumentFinder(std::string_view text) : text_(std::string(text)), parser_(text_) {}
  // The mark of its first node; nullopt if there is none.
  std::optional<YAML::Mark> next() {
    root_.reset();
    return parser_.HandleNextDocument(*this) ? root_.value_or(YAML::Mark()) : root_;
  }

 private:
  using Anchor = YAML::anchor_t;
  using Style = YAML::EmitterStyle::value;
  using Text = const std::string&;
  void note(const YAML::Mark& mark) {
    if (!root_) root_ = mark;
  }
  void OnDocumentStart(const YAML::Mark&) override {}
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& mark, Anchor) override { note(mark); }
  void OnAlias(const YAML::Mark& mark, Anchor) override { note(mark); }
  void OnScalar(const YAML::Mark& mark, Text, Anchor, Text) override { note(mark); }
  void OnSequenceStart(const YAML::Mark& mark, Text, Anchor, Style) override { note(mark); }
  void OnSequenceEnd() override {}
  void OnMapStart(const YAML::Mark& mark, Text, Anchor, Style) override { note(mark); }
  void OnMapEnd() override {}

  std::istringstream text_;
  YAML::Parser parser_;
  std::optional<YAML::Mark> root_;
};

// yaml-cpp does not get past a comma where a document begins, and takes it for an empty document,
// again and again: LoadAll() would never end.
Result<void> check_is_one_document(std::string_view text, const std::string& file) {
  DocumentFinder documents(text);
  const auto first = documents.next();
  const auto second = documents.next();
  if (!first || !second) return {};
  const bool stands_still = first->pos == second->pos;
  return fail(error_at(file, mark_of(*second),
                       stands_still ? "not valid YAML: nothing begins like this"
                                    : "a second YAML document; one file holds one"));
}

// The one document of a file, or why there is none. yaml-cpp's exceptions end here.
Result<YAML::Node> parse_document(std::string_view text, const std::string& file) {
  if (text.size() > max_file_bytes)
    return fail(error_at(file, {}, fmt::format("larger than {} bytes", max_file_bytes)));
  try {
    if (auto is_one = check_is_one_document(text, file); !is_one) return fail(is_one.error());
    YAML::Node document = YAML::Load(std::string(text));
    if (!document.IsNull() && !document.IsMap())
      return fail(error_at(file, mark_of(document.Mark()), "must be a map of keys and values"));
    return document;
  } catch (const YAML::Exception& failure) {
    return fail(error_at(file, mark_of(failure.mark), "not valid YAML: " + failure.msg));
  }
}

constexpr const char* given_up = "(removed)";

using Values = std::vector<std::string>;
using Shown = Values (*)(const Options::Row& row);

Values as_they_are(const Options::Row& row) { return row.get(); }

Values to_give(const Options::Row& row) {
  Values values = row.get();
  for (std::string& value : values) {
    const size_t query =
        value.find("://") == std::string::npos ? std::string::npos : value.find('?');
    if (row.is_private && !value.empty()) {
      value = given_up;
    } else if (query != std::string::npos) {
      value = value.substr(0, query + 1) + given_up;
    }
  }
  return values;
}

void print_rows(YAML::Emitter& out, const Options& table, Shown shown) {
  out << YAML::BeginMap;
  for (const Options::Row& row : table.rows()) {
    switch (row.shape) {
      case Options::Shape::value:
        for (const std::string& text : shown(row))
          out << YAML::Key << row.name << YAML::Value << text;
        break;
      case Options::Shape::values:
        out << YAML::Key << row.name << YAML::Value << YAML::Flow << shown(row);
        break;
      case Options::Shape::section:
        out << YAML::Key << row.name << YAML::Value;
        print_rows(out, row.extend(""), shown);
        break;
      case Options::Shape::word_or_section:
        out << YAML::Key << row.name << YAML::Value;
        for (const std::string& word : shown(row)) out << word;
        for (const auto& [name, section] : row.elements()) print_rows(out, section, shown);
        break;
      case Options::Shape::list:
        out << YAML::Key << row.name << YAML::Value << YAML::BeginSeq;
        for (const auto& [name, element] : row.elements()) print_rows(out, element, shown);
        out << YAML::EndSeq;
        break;
      case Options::Shape::map:
        out << YAML::Key << row.name << YAML::Value << YAML::BeginMap;
        for (const auto& [name, element] : row.elements()) {
          out << YAML::Key << name << YAML::Value;
          print_rows(out, element, shown);
        }
        out << YAML::EndMap;
        break;
    }
  }
  out << YAML::EndMap;
}

}  // namespace

Error Places::at(const Problem& problem) const {
  std::string path = problem.path;
  Mark mark;
  while (!path.empty()) {
    if (auto found = marks_.find(path); found != marks_.end()) {
      mark = found->second;
      break;
    }
    const size_t cut = path.find_last_of(".[");
    path.resize(cut == std::string::npos ? 0 : cut);
  }
  return error_at(file_, mark, problem.path + ": " + problem.text);
}

Result<Places> load_yaml(const Options& table, std::string_view text, const std::string& file) {
  Result<YAML::Node> document = parse_document(text, file);
  if (!document) return fail(document.error());
  Loader loader(table, file);
  Result<void> loaded = loader.load(*document);
  if (!loaded) return fail(loaded.error());
  return loader.take_places();
}

Result<std::vector<std::string>> yaml_top_keys(std::string_view text, const std::string& file) {
  Result<YAML::Node> document = parse_document(text, file);
  if (!document) return fail(document.error());
  std::vector<std::string> keys;
  for (const auto& entry : *document)
    if (entry.first.IsScalar()) keys.push_back(entry.first.Scalar());
  return keys;
}

std::string print_yaml(const Options& table) {
  YAML::Emitter out;
  print_rows(out, table, as_they_are);
  return std::string(out.c_str()) + "\n";
}

std::string print_yaml_to_give(const Options& table) {
  YAML::Emitter out;
  print_rows(out, table, to_give);
  return std::string(out.c_str()) + "\n";
}

}  // namespace isthmus::process
