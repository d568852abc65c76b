#include "process/logging.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "base/json.h"

namespace isthmus::process {
namespace {

const Logger logging_log(LogComponent::process, "log");

std::string known_components() {
  std::string names;
  for (const LogComponentText& each : log_component_texts()) {
    names += fmt::format("{}{}", names.empty() ? "" : ", ", each.name);
  }
  return names;
}

}  // namespace

std::string LogChange::to_string() const {
  if (!component) return std::string(isthmus::to_string(level));
  return fmt::format("{}={}", isthmus::to_string(*component), isthmus::to_string(level));
}

Result<LogChange> parse_log_change(std::string_view text) {
  LogChange change;
  const size_t sign = text.find('=');
  const std::string_view level = sign == text.npos ? text : text.substr(sign + 1);
  if (sign != text.npos) {
    const std::string_view component = text.substr(0, sign);
    change.component = find_log_component(component);
    if (!change.component) {
      return fail(
          fmt::format("\"{}\" is no component; there are {}", component, known_components()));
    }
  }
  const auto known = find_log_level(level);
  if (!known) {
    return fail(
        fmt::format("\"{}\" is no level; write trace, debug, info, warn or error, or "
                    "COMPONENT=LEVEL, as mirror=debug",
                    level));
  }
  change.level = *known;
  return change;
}

Logging::Logging(Product product, const LoggingConfig& config, std::optional<LogLevel> level)
    : product_(product), level_(level) {
  take(config);
}

void Logging::take(LoggingConfig config) {
  if (level_) config.level = *level_;
  const std::lock_guard lock(mutex_);
  format_ = config.format;
  of_file_ = config.effective();
  set_log_format(format_);
  set_log_levels(of_file_);
}

void Logging::reload(std::string_view text, const std::string& file) {
  auto config = read_logging(product_, text, file);
  if (config) take(*config);
}

void Logging::set(const LogChange& change) {
  const std::lock_guard lock(mutex_);
  LogLevels levels = log_levels();
  if (change.component) {
    levels[static_cast<size_t>(*change.component)] = change.level;
  } else {
    levels.fill(change.level);
  }
  // Under the levels of before: who asks for silence leaves a trace.
  logging_log.info("{}, {}", change.to_string(), until_reload);
  set_log_levels(levels);
}

LogFormat Logging::format() const {
  const std::lock_guard lock(mutex_);
  return format_;
}

std::string Logging::json() const {
  const std::lock_guard lock(mutex_);
  const LogLevels levels = log_levels();
  nlohmann::json shown{{"format", format_ == LogFormat::json ? "json" : "text"},
                       {"levels", nlohmann::json::object()},
                       {"until_reload", nlohmann::json::array()}};
  for (const LogComponentText& each : log_component_texts()) {
    const auto i = static_cast<size_t>(each.component);
    shown["levels"][each.name] = to_string(levels[i]);
    if (levels[i] != of_file_[i]) shown["until_reload"].push_back(each.name);
  }
  return write_json(shown);
}

}  // namespace isthmus::process
