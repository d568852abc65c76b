#include "broker/link/exports.h"

#include <algorithm>

#include "base/crypto.h"
#include "broker/link/spare_name.h"

namespace isthmus::broker {

namespace {

void add(Sha256& hash, std::string_view text) {
  hash.update({reinterpret_cast<const uint8_t*>(text.data()), text.size()});
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
  return spare_name(image, topic, "diverged." + std::to_string(epoch));
}

}  // namespace isthmus::broker
