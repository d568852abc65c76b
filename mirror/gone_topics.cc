#include "mirror/gone_topics.h"

namespace isthmus::mirror {

void GoneTopics::add_copy(const std::string& name, const Uuid& id) {
  Copy& copy = copies_[name];
  if (copy.id != id) copy = {id, std::nullopt, false};
}

void GoneTopics::look(const std::map<std::string, Uuid>& there, io::Instant now) {
  for (auto& [name, copy] : copies_) {
    const auto found = there.find(name);
    const bool named = found != there.end();
    const bool is_there = named && (found->second.is_zero() || found->second == copy.id);
    copy.recreated = named && !is_there;
    if (there.empty() || is_there) {
      copy.gone_since.reset();
    } else if (!copy.gone_since) {
      copy.gone_since = now;
    }
  }
}

std::vector<GoneTopics::Topic> GoneTopics::due(io::Instant now) const {
  std::vector<Topic> all;
  for (const auto& [name, copy] : copies_) {
    if (copy.gone_since && now - *copy.gone_since >= delay_)
      all.push_back({name, copy.id, copy.recreated});
  }
  return all;
}

}  // namespace isthmus::mirror
