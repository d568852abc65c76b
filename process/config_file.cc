#include "process/config_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <memory>

#include "process/broker_config.h"
#include "process/mirror_config.h"
#include "process/options.h"
#include "process/router_config.h"

namespace isthmus::process {
namespace {

// The key that only this role's file has, and must have.
struct Mark {
  Product product;
  const char* key;
};
constexpr Mark marks[] = {
    {Product::broker, "broker"},
    {Product::mirror, "links"},
    {Product::router, "virtual_cluster"},
};

using Print = std::string (*)(const Options& table);

template <typename Config>
Result<std::string> print(std::string_view text, const std::string& file, Print form) {
  Result<Config> config = parse_config<Config>(text, file);
  if (!config) return fail(config.error());
  Options table;
  describe(table, *config);
  return form(table);
}

Result<std::string> print(Product product, std::string_view text, const std::string& file,
                          Print form) {
  switch (product) {
    case Product::broker: return print<BrokerConfig>(text, file, form);
    case Product::mirror: return print<MirrorConfig>(text, file, form);
    case Product::router: return print<RouterConfig>(text, file, form);
  }
  return fail("no such role");
}

struct CloseFile {
  void operator()(std::FILE* file) const { std::fclose(file); }
};
using OpenFile = std::unique_ptr<std::FILE, CloseFile>;

template <typename Config>
Result<LoggingConfig> logging_in(std::string_view text, const std::string& file) {
  Result<Config> config = parse_config<Config>(text, file);
  if (!config) return fail(config.error());
  return config->log;
}

std::string heading_path(const Options::Row& row, const std::string& path) {
  std::string name = path.empty() ? row.name : path + "." + row.name;
  if (row.shape == Options::Shape::list) name += "[]";
  if (row.shape == Options::Shape::map) name += ".NAME";
  return name;
}

void document_table(std::string& out, const Options& table, const std::string& path) {
  const bool has_values =
      std::ranges::any_of(table.rows(), [](const Options::Row& row) { return row.get != nullptr; });
  if (has_values) out += "\n| Key | Value | Default | Meaning |\n|---|---|---|---|\n";
  for (const Options::Row& row : table.rows()) {
    if (!row.get) continue;
    const std::string fallback = row.needed             ? "required"
                                 : row.fallback.empty() ? ""
                                                        : "`" + row.fallback + "`";
    out += fmt::format("| `{}` | {} | {} | {} |\n", row.name, row.type, fallback, row.text);
  }
  for (const Options::Row& row : table.rows()) {
    if (!row.prototype) continue;
    const std::string below = heading_path(row, path);
    const std::string& text = row.text_of_section.empty() ? row.text : row.text_of_section;
    out += fmt::format("\n### {}\n\n{}{}\n", below, text, row.needed ? " Required." : "");
    document_table(out, row.prototype(), below);
  }
}

template <typename Config>
void document(std::string& out, const char* heading, const char* text) {
  Config config;
  Options table;
  describe(table, config);
  out += fmt::format("\n## {}\n\n{}\n", heading, text);
  document_table(out, table, "");
}

}  // namespace

std::string_view to_string(Product product) {
  switch (product) {
    case Product::broker: return "broker";
    case Product::mirror: return "mirror";
    case Product::router: return "router";
  }
  return "";
}

Result<std::string> read_config_file(const std::string& path) {
  OpenFile file(std::fopen(path.c_str(), "rb"));
  if (file == nullptr) return fail(Error::io(errno, path));
  std::string text;
  char buffer[4096];
  while (size_t n = std::fread(buffer, 1, sizeof buffer, file.get())) text.append(buffer, n);
  if (std::ferror(file.get())) return fail(Error::io(errno, path));
  return text;
}

Result<Product> product_of(std::string_view text, const std::string& file) {
  Result<std::vector<std::string>> keys = yaml_top_keys(text, file);
  if (!keys) return fail(keys.error());
  for (const Mark& mark : marks)
    if (std::ranges::find(*keys, mark.key) != keys->end()) return mark.product;
  return fail(
      fmt::format("{}:1:1: has neither broker (a broker's file), links (a mirror's) nor "
                  "virtual_cluster (a router's)",
                  file));
}

Result<std::string> read_last_lines(const std::string& path, size_t lines, size_t at_most) {
  OpenFile file(std::fopen(path.c_str(), "rb"));
  if (file == nullptr || std::fseek(file.get(), 0, SEEK_END) != 0) {
    return fail(Error::io(errno, path));
  }
  const long size = std::ftell(file.get());
  if (size < 0) return fail(Error::io(errno, path));
  std::string text(std::min(static_cast<size_t>(size), at_most), '\0');
  const long begin = size - static_cast<long>(text.size());
  if (std::fseek(file.get(), begin, SEEK_SET) != 0) return fail(Error::io(errno, path));
  text.resize(std::fread(text.data(), 1, text.size(), file.get()));
  if (std::ferror(file.get())) return fail(Error::io(errno, path));
  if (begin > 0) text.erase(0, std::min(text.find('\n'), text.size() - 1) + 1);
  size_t from = text.ends_with('\n') ? text.size() - 1 : text.size();
  for (size_t i = 0; i < lines && from > 0; ++i) {
    const size_t end = text.rfind('\n', from - 1);
    if (end == std::string::npos) return text;
    from = end;
  }
  return from == 0 ? text : text.substr(from + 1);
}

Result<std::string> print_config(Product product, std::string_view text, const std::string& file) {
  return print(product, text, file, print_yaml);
}

Result<std::string> print_config_to_give(Product product, std::string_view text,
                                         const std::string& file) {
  return print(product, text, file, print_yaml_to_give);
}

Result<LoggingConfig> read_logging(Product product, std::string_view text,
                                   const std::string& file) {
  switch (product) {
    case Product::broker: return logging_in<BrokerConfig>(text, file);
    case Product::mirror: return logging_in<MirrorConfig>(text, file);
    case Product::router: return logging_in<RouterConfig>(text, file);
  }
  return fail("no such role");
}

std::string config_reference() {
  std::string out =
      "# Configuration\n\n"
      "Generated by `isthmus config reference` from the tables that load the files; a test "
      "compares "
      "the two.\n\n"
      "A key with dots is Kafka's, with Kafka's meaning, unit and default unless said otherwise; "
      "one "
      "without is ours. Sizes take `64KiB`, `1GiB`, `100MB` or plain bytes; durations always a "
      "unit: `250ms`, `5s`, `10m`, `24h`, `7d`. A list is a YAML list, or one text with commas. An "
      "unknown key, a wrong type, a value out of bounds or a contradiction is one line with file, "
      "line and column, and nothing starts. `isthmus config check FILE` looks without starting.\n";
  document<BrokerConfig>(out, "Broker",
                         "`isthmus broker --config FILE`; example: "
                         "[config/seoul.yaml](../config/seoul.yaml).");
  document<MirrorConfig>(out, "Mirror",
                         "`isthmus mirror --config FILE`; example: "
                         "[config/mirror.yaml](../config/mirror.yaml).");
  document<RouterConfig>(out, "Router",
                         "`isthmus router --config FILE`; example: "
                         "[config/router.yaml](../config/router.yaml).");
  return out;
}

}  // namespace isthmus::process
