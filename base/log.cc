#include "base/log.h"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/json.h"
#include "base/printable.h"

namespace isthmus {

namespace {

constexpr std::array<LogComponentText, log_components> component_texts{{
    {LogComponent::process, "process",
     "the process: start, stop and reload, loops that were held up, tasks that failed"},
    {LogComponent::admin, "admin", "the admin port, and who was refused there"},
    {LogComponent::tls, "tls", "certificates and keys, as they are read again"},
    {LogComponent::audit, "audit", "the audit's file"},
    {LogComponent::server, "server",
     "listeners and connections of clients; with `debug` the end of each"},
    {LogComponent::login, "login", "log-ins, and the tokens and keys that they need"},
    {LogComponent::broker, "broker", "a broker's start, its place in its cluster, why it ends"},
    {LogComponent::metadata, "metadata", "where a cluster's metadata are kept"},
    {LogComponent::zookeeper, "zookeeper", "a broker's session with ZooKeeper"},
    {LogComponent::controller, "controller",
     "decisions about topics and brokers: elections, fencing, reassignment"},
    {LogComponent::partitions, "partitions",
     "partitions of a broker: their logs, roles and directories"},
    {LogComponent::replication, "replication", "what a broker copies from others of its cluster"},
    {LogComponent::colleagues, "colleagues", "how brokers of a cluster reach each other"},
    {LogComponent::groups, "groups", "consumer groups and their offsets"},
    {LogComponent::link, "link", "a link, as its target sees it"},
    {LogComponent::switchover, "switchover",
     "switchovers and ways back, at sites and in the mirror that drives them"},
    {LogComponent::mirror, "mirror", "the links that a mirror keeps, and their partitions"},
    {LogComponent::router, "router", "a router: routes, ports, and the sites behind it"},
    {LogComponent::client, "client", "clusters that this process is a client of"},
}};

constexpr bool in_order() {
  for (size_t i = 0; i < log_components; ++i) {
    if (component_texts[i].component != LogComponent{static_cast<uint8_t>(i)}) return false;
  }
  return true;
}
static_assert(in_order(), "component_texts is in the order of LogComponent");

std::atomic<LogFormat> chosen_format{LogFormat::text};

spdlog::level::level_enum to_spdlog(LogLevel level) {
  switch (level) {
    case LogLevel::trace: return spdlog::level::trace;
    case LogLevel::debug: return spdlog::level::debug;
    case LogLevel::info: return spdlog::level::info;
    case LogLevel::warn: return spdlog::level::warn;
    case LogLevel::error: return spdlog::level::err;
    case LogLevel::off: return spdlog::level::off;
  }
  return spdlog::level::info;
}

std::shared_ptr<spdlog::logger> make_sink(const char* pattern, spdlog::pattern_time_type time) {
  auto made = std::make_shared<spdlog::logger>("isthmus",
                                               std::make_shared<spdlog::sinks::stderr_sink_mt>());
  made->set_pattern(pattern, time);
  made->set_level(spdlog::level::trace);
  made->flush_on(spdlog::level::trace);
  return made;
}

// Both write whole lines to stderr, under one lock.
spdlog::logger& text_sink() {
  static auto sink =
      make_sink("%Y-%m-%dT%H:%M:%S.%e %^%-5l%$ %v", spdlog::pattern_time_type::local);
  return *sink;
}

spdlog::logger& json_sink() {
  static auto sink =
      make_sink("{\"time\":\"%Y-%m-%dT%H:%M:%S.%eZ\",%v}", spdlog::pattern_time_type::utc);
  return *sink;
}

std::string json_of(std::string_view text) { return write_json(nlohmann::json(text)); }

}  // namespace

std::string_view to_string(LogLevel level) {
  switch (level) {
    case LogLevel::trace: return "trace";
    case LogLevel::debug: return "debug";
    case LogLevel::info: return "info";
    case LogLevel::warn: return "warn";
    case LogLevel::error: return "error";
    case LogLevel::off: return "off";
  }
  return "";
}

std::optional<LogLevel> find_log_level(std::string_view name) {
  for (const LogLevel level : log_levels_by_name) {
    if (to_string(level) == name) return level;
  }
  return std::nullopt;
}

const std::array<LogComponentText, log_components>& log_component_texts() {
  return component_texts;
}

std::string_view to_string(LogComponent component) {
  return component_texts[static_cast<size_t>(component)].name;
}

std::optional<LogComponent> find_log_component(std::string_view name) {
  const auto found = std::ranges::find(component_texts, name, &LogComponentText::name);
  if (found == component_texts.end()) return std::nullopt;
  return found->component;
}

void set_log_levels(const LogLevels& levels) {
  for (size_t i = 0; i < log_components; ++i) {
    log_thresholds[i].level.store(levels[i], std::memory_order_relaxed);
  }
}

void set_log_level(LogLevel level) {
  LogLevels levels;
  levels.fill(level);
  set_log_levels(levels);
}

LogLevels log_levels() {
  LogLevels levels;
  for (size_t i = 0; i < log_components; ++i) {
    levels[i] = log_thresholds[i].level.load(std::memory_order_relaxed);
  }
  return levels;
}

void set_log_format(LogFormat format) { chosen_format.store(format, std::memory_order_relaxed); }

void write_log(LogLevel level, LogComponent component, std::string_view owner,
               fmt::string_view format, fmt::format_args args) {
  const std::string message = fmt::vformat(format, args);
  if (chosen_format.load(std::memory_order_relaxed) == LogFormat::text) {
    const std::string line = fmt::format("{}: {}", owner, message);
    text_sink().log(to_spdlog(level), "{}", printable(line));
    return;
  }
  const std::string members =
      fmt::format(R"("level":"{}","component":"{}","owner":{},"message":{})", to_string(level),
                  to_string(component), json_of(owner), json_of(message));
  json_sink().log(to_spdlog(level), "{}", members);
}

}  // namespace isthmus
