#include "broker/link/exports.h"

#include <algorithm>

#include "base/crypto.h"
#include "kafka/errors.h"
#include "kafka/topic_names.h"

namespace isthmus::broker {

namespace {

constexpr int most_tries = 100;

void add(Sha256& hash, std::string_view text) {
  hash.update({reinterpret_cast<const uint8_t*>(text.data()), text.size()});
}

bool is_taken(const Image& image, const std::string& name) {
  if (image.find(name) != nullptr) return true;
  return std::ranges::any_of(
      image.topics, [&](const auto& entry) { return kafka::do_names_collide(name, entry.first); });
}

}  // namespace

// Another cluster's export of the same topic is another topic: links carry both.
Uuid export_id(const Image& image, const Uuid& topic, LeaderEpoch epoch) {
  Sha256 hash;
  add(hash, "export " + topic.to_string() + " " + std::to_string(epoch) + " " +
                image.cluster_id.to_string());
  const auto digest = hash.finish();
  Uuid id;
  std::copy_n(digest.begin(), id.bytes.size(), id.bytes.begin());
  return id;
}

Result<std::string> export_name(const Image& image, const std::string& topic, LeaderEpoch epoch,
                                const Uuid& id) {
  if (const TopicImage* known = image.find(id)) return known->name;
  for (int i = 1; i <= most_tries; ++i) {
    std::string suffix = ".diverged." + std::to_string(epoch);
    if (i > 1) suffix += "." + std::to_string(i);
    const std::string name = topic.substr(0, kafka::longest_topic_name - suffix.size()) + suffix;
    if (!is_taken(image, name)) return name;
  }
  return kafka::refuse(kafka::ErrorCode::topic_already_exists,
                       topic + ".diverged." + std::to_string(epoch) +
                           ", and all that it could be called instead, are topics of others");
}

}  // namespace isthmus::broker
