// Options: one table per configuration file, from which everything about its keys follows: the YAML
// loader, --print-config, docs/configuration.md.
//
//   void describe(Options& o, BrokerSettings& c) {
//     o.add_bytes("log.segment.bytes", c.log_segment_bytes, {1 << 20, INT32_MAX}, "Size at ...");
//   }
//
// A struct carries its defaults; describe() names each field, its bounds and its meaning. A dotted
// key is Kafka's, with Kafka's meaning, unit and default; an undotted one is ours.
//
// Loading never half-succeeds quietly: an unknown key, a wrong type, a value out of bounds, a key
// given twice or one that is missing is one line with file, line, column and what would be right:
//
//   seoul.yaml:7:3: broker.log.segment.byte: unknown key; did you mean log.segment.bytes?
//
// A table refers to the fields of the struct that it describes, which must outlive it. Used at
// start-up and on reload, on one thread. yaml-cpp is known to options.cc alone.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"
#include "io/ip_range.h"
#include "io/stream.h"

namespace isthmus::process {

struct Bounds {  // both inclusive
  int64_t min = std::numeric_limits<int64_t>::min();
  int64_t max = std::numeric_limits<int64_t>::max();
};

class Options {
 public:
  enum class Shape : uint8_t {
    value,            // one scalar
    values,           // scalars: a YAML list, or one text with commas
    section,          // a map with keys of its own
    list,             // a list of such maps
    map,              // such maps by a name that the user chooses
    word_or_section,  // a certain word in the place of a section: `metadata: embedded`
  };
  using Named = std::pair<std::string, Options>;

  struct Row {
    std::string name = {};
    Shape shape = Shape::value;
    std::string type = {};      // for people: "whole number, 1 to 32767"
    std::string text = {};      // what it means, in Markdown
    std::string fallback = {};  // the default, for people; empty = none
    bool needed = false;
    bool names_secret = false;         // the path of a file that nobody else should read
    bool is_private = false;           // not for a stranger's eyes: says where a secret is
    bool lists_things = false;         // section: its keys name things, no misplaced key is theirs
    std::string text_of_section = {};  // word_or_section: what its keys are for

    // value, values, word_or_section. set() takes one scalar (values: appends it); get() gives no
    // text for a field that is not set, and parses back.
    std::function<Result<void>(const std::string&)> set = {};
    std::function<void()> clear = {};
    std::function<std::vector<std::string>()> get = {};
    // section, list, map, word_or_section. extend() gives the table of the field, or of a new
    // element; elements() the tables of what is there; prototype() that of an element as it is
    // before loading.
    std::function<Options(const std::string& name)> extend = {};
    std::function<std::vector<Named>()> elements = {};
    std::function<Options()> prototype = {};

    // The key must be in the file (its default is no answer).
    void required() { needed = true; }
  };

  Row& add(std::string name, bool& field, std::string text);
  Row& add(std::string name, std::string& field, std::string text);
  Row& add(std::string name, int16_t& field, Bounds bounds, std::string text);
  Row& add(std::string name, int32_t& field, Bounds bounds, std::string text);
  Row& add(std::string name, int64_t& field, Bounds bounds, std::string text);
  Row& add(std::string name, std::optional<int64_t>& field, Bounds bounds, std::string text);
  Row& add(std::string name, std::chrono::milliseconds& field, Bounds ms, std::string text);
  Row& add(std::string name, io::Address& field, std::string text);
  Row& add(std::string name, std::optional<io::Address>& field, std::string text);
  Row& add(std::string name, std::vector<io::Address>& field, std::string text);
  Row& add(std::string name, std::vector<io::IpRange>& field, std::string text);
  Row& add(std::string name, std::vector<std::string>& field, std::string text);
  // Sizes take units ("64KiB") or plain bytes; -1, where the bounds allow it, means no limit.
  Row& add_bytes(std::string name, int32_t& field, Bounds bounds, std::string text);
  Row& add_bytes(std::string name, int64_t& field, Bounds bounds, std::string text);
  // A scalar with a notation of its own; get() gives no text while it is not set.
  Row& add_custom(std::string name, std::string type,
                  std::function<Result<void>(const std::string&)> set,
                  std::function<std::string()> get, std::string text);

  template <typename Enum>
  using Choices = std::initializer_list<std::pair<const char*, Enum>>;
  template <typename Enum>
  Row& choice(std::string name, Enum& field, Choices<Enum> choices, std::string text);
  template <typename Enum>
  Row& choices(std::string name, std::vector<Enum>& field, Choices<Enum> choices, std::string text);

  // The tables of T come from describe(Options&, T&) in T's namespace.
  template <typename T>
  Row& section(std::string name, T& field, std::string text);
  // Nothing in the field is the word. `text_of_section` says what the keys are for.
  template <typename T>
  Row& word_or_section(std::string name, std::string word, std::optional<T>& field,
                       std::string text, std::string text_of_section);
  template <typename T>
  Row& list(std::string name, std::vector<T>& field, std::string text);
  template <typename T>
  Row& map(std::string name, std::map<std::string, T>& field, std::string text);

  const std::vector<Row>& rows() const { return rows_; }

 private:
  Row& add_row(Row row);
  Row& add_choice(std::string name, Shape shape, std::vector<std::string> names,
                  std::function<void(size_t)> set, std::function<void()> clear,
                  std::function<std::vector<size_t>()> get, std::string text);
  Row& add_word_or_section(std::string name, std::string word, std::function<void()> take_word,
                           std::function<bool()> is_word, std::string text);
  template <typename T>
  static Options table_of(T& value);

  std::vector<Row> rows_;
};

// A contradiction between keys that are right one by one. `path` names the key to blame, as in
// "listeners[1].bind".
struct Problem {
  std::string path;
  std::string text;
};

// Where in a file each key stood.
class Places {
 public:
  struct Mark {
    int line = 1;  // both from 1
    int column = 1;
  };
  explicit Places(std::string file) : file_(std::move(file)) {}
  void add(const std::string& path, Mark mark) { marks_.insert_or_assign(path, mark); }
  // An error at the key, or at the nearest part of the path that the file has.
  Error at(const Problem& problem) const;

 private:
  std::string file_;
  std::map<std::string, Mark> marks_;
};

// Reads `text` into the fields of the table; `file` is what errors call it. After an error the
// fields are in part overwritten.
Result<Places> load_yaml(const Options& table, std::string_view text, const std::string& file);

// The keys at the top of a file, to tell whose it is. Fails if it is not YAML, or not a map.
Result<std::vector<std::string>> yaml_top_keys(std::string_view text, const std::string& file);

// Every key with its value, defaults included, as YAML that loads to the same fields.
std::string print_yaml(const Options& table);
// The same to be given away: of a key that is_private only that it is set, and of a URL only what
// stands before its query.
std::string print_yaml_to_give(const Options& table);

// A whole file: its table, then the rules across keys. Config has describe() and
// `std::optional<Problem> validate(const Config&)` in its namespace.
template <typename Config>
Result<Config> parse_config(std::string_view text, const std::string& file) {
  Config config;
  Options table;
  describe(table, config);
  Result<Places> places = load_yaml(table, text, file);
  if (!places) return fail(places.error());
  if (std::optional<Problem> problem = validate(config)) return fail(places->at(*problem));
  return config;
}

// Whether two files say the same, defaults included.
template <typename Config>
bool says_the_same(Config a, Config b) {
  Options of_a, of_b;
  describe(of_a, a);
  describe(of_b, b);
  return print_yaml(of_a) == print_yaml(of_b);
}

}  // namespace isthmus::process

#include "process/options_inline.h"  // the templates above
