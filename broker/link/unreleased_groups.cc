#include "broker/link/unreleased_groups.h"

#include <algorithm>

#include "broker/group/coordinator.h"

namespace isthmus::broker {

namespace {
constexpr auto pause_between_releases = std::chrono::seconds(5);
}  // namespace

std::map<std::string, std::vector<std::string>> unreleased_groups(const Image& image) {
  std::map<std::string, std::vector<std::string>> groups;
  for (const auto& [group, owner] : image.groups) {
    const auto record = image.switchovers.find(owner.link);
    if (record == image.switchovers.end()) continue;
    // A promoted link goes on with topics that are new at its source, and takes groups for them.
    const bool was_taken_since = owner.version > record->second.version;
    const bool is_promoted = record->second.phase == SwitchoverImage::Phase::promoted;
    if (is_promoted && !was_taken_since) groups[owner.link].push_back(group);
  }
  return groups;
}

io::Task<void> UnreleasedGroups::keep_releasing(io::Event& stop) {
  while (!stop.closed()) {
    if (controller_.snapshot() != settled_) co_await release();
    co_await stop.wait_until(loop_.now() + pause_between_releases);
  }
}

io::Task<void> UnreleasedGroups::release() {
  // Where they are still being loaded, the next round will do.
  const bool are_loaded = co_await groups_.loaded(loop_.now() + patience_for_groups);
  if (!are_loaded) co_return;
  const auto image = controller_.snapshot();
  const auto unreleased = unreleased_groups(*image);
  if (unreleased.empty()) {
    settled_ = image;
    co_return;
  }
  for (const auto& [link, groups] : unreleased) {
    const Uuid switchover = image->switchovers.at(link).id;
    const auto answers = co_await groups_.promote(link, groups, switchover);
    const auto done = std::ranges::count(answers, kafka::ErrorCode::none);
    if (done > 0) log_.info("link={} was promoted: {} groups have followed it", link, done);
  }
}

}  // namespace isthmus::broker
