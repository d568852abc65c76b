#include "mirror/gone_topics.h"

namespace isthmus::mirror {

void GoneTopics::add_copy(const std::string& name, const Uuid& id) {
  Copy& copy = copies_[name];
  if (copy.id != id) copy = {id, std::nullopt};
}

void GoneTopics::look(const std::set<std::string>& names, io::Instant now) {
  for (auto& [name, copy] : copies_) {
    if (names.empty() || names.contains(name)) {
      copy.gone_since.reset();
    } else if (!copy.gone_since) {
      copy.gone_since = now;
    }
  }
}

std::vector<GoneTopics::Topic> GoneTopics::due(io::Instant now) const {
  std::vector<Topic> all;
  for (const auto& [name, copy] : copies_) {
    if (copy.gone_since && now - *copy.gone_since >= delay_) all.push_back({name, copy.id});
  }
  return all;
}

}  // namespace isthmus::mirror
