#include "router/routes.h"

#include <algorithm>

namespace isthmus::router {

namespace {

const std::string& find_or(const std::map<std::string, std::string>& map, const std::string& key,
                           const std::string& otherwise) {
  const auto found = map.find(key);
  return found == map.end() ? otherwise : found->second;
}

}  // namespace

Routes::Routes(const std::vector<process::Route>& initial) {
  reload(initial);
  changes_ = 0;
}

void Routes::reload(const std::vector<process::Route>& initial) {
  topics_.clear();
  groups_.clear();
  compressions_.clear();
  for (const auto& route : initial) {
    if (!route.topic.empty()) {
      topics_[route.topic] = route.cluster;
      compressions_[route.topic] = route.compression.settings();
    }
    if (!route.group.empty()) groups_[route.group] = route.cluster;
    if (!route.fallback.empty()) {
      default_ = route.fallback;
      default_compression_ = route.compression.settings();
    }
  }
  ++changes_;
}

bool Routes::merge(const kafka::Takeovers& told) {
  if (!takeovers_.merge(told)) return false;
  ++changes_;
  return true;
}

const std::string& Routes::initial_home_of_topic(const std::string& name) const {
  return find_or(topics_, name, default_);
}
const std::string& Routes::initial_home_of_group(const std::string& name) const {
  return find_or(groups_, name, default_);
}
const std::string& Routes::home_of_topic(const std::string& name) const {
  return in_charge_of(initial_home_of_topic(name));
}
const std::string& Routes::home_of_group(const std::string& name) const {
  return in_charge_of(initial_home_of_group(name));
}

kafka::CompressionSettings Routes::compression_of_topic(const std::string& name) const {
  const auto found = compressions_.find(name);
  return found == compressions_.end() ? default_compression_ : found->second;
}

bool Routes::compress_anything() const {
  const auto compresses = [](const kafka::CompressionSettings& settings) {
    return settings.type != kafka::Compression::none;
  };
  return compresses(default_compression_) ||
         std::ranges::any_of(compressions_, compresses, [](const auto& of) { return of.second; });
}

bool Routes::everything_is_at(const std::string& cluster) const {
  const auto is_there = [&](const auto& route) { return in_charge_of(route.second) == cluster; };
  return default_home() == cluster && std::ranges::all_of(topics_, is_there) &&
         std::ranges::all_of(groups_, is_there);
}

bool Routes::is_home_of_something(const std::string& cluster) const {
  const auto is_there = [&](const auto& route) { return in_charge_of(route.second) == cluster; };
  return default_home() == cluster || std::ranges::any_of(topics_, is_there) ||
         std::ranges::any_of(groups_, is_there);
}

}  // namespace isthmus::router
