#include "broker/group/group_loader.h"

namespace isthmus::broker {

namespace {

// Groups that are made in one go: a millisecond or so.
constexpr size_t groups_per_slice = 100;

}  // namespace

Result<void> GroupLoader::visit(const JournalRecord& record) {
  auto key = decode_key(record.key);
  if (!key) return fail(key.error());
  if (const auto* offset = std::get_if<OffsetKey>(&*key)) {
    auto& offsets = groups_[offset->group].offsets;
    const auto at = std::pair(offset->partition, offset->from_link);
    if (!record.value) {
      offsets.erase(at);
      return {};
    }
    auto committed = decode_offset(*record.value);
    if (!committed) return fail(committed.error());
    offsets[at] = std::move(*committed);
  } else if (const auto* group = std::get_if<GroupKey>(&*key)) {
    auto& stored = groups_[group->group].stored;
    stored.reset();
    if (!record.value) return {};
    auto value = decode_group(*record.value);
    if (!value) return fail(value.error());
    stored = std::move(*value);
  } else if (const auto* moved = std::get_if<MovedGroupKey>(&*key)) {
    auto& brought = groups_[moved->group].moved;
    brought.reset();
    if (!record.value) return {};
    auto value = decode_moved(*record.value);
    if (!value) return fail(value.error());
    brought = std::move(*value);
  }
  return {};
}

std::vector<HostedPtr> GroupLoader::make() {
  std::vector<HostedPtr> made;
  while (!groups_.empty() && made.size() < groups_per_slice) {
    auto node = groups_.extract(groups_.begin());
    Loaded& from = node.mapped();
    if (!from.stored && !from.moved && from.offsets.empty()) continue;
    made.push_back(make(node.key(), from));
  }
  return made;
}

HostedGroupPtr GroupLoader::make(const std::string& id, Loaded& from) {
  Group group = from.stored ? Group(id, home_.config, *from.stored, now_on(home_.loop))
                            : Group(id, home_.config);
  auto hosted = std::make_shared<HostedGroup>(home_, term_, std::move(group));
  // In the order of the keys a link's offset comes after a client's, and counts instead of it.
  for (auto& [at, committed] : from.offsets) {
    hosted->offsets.apply(at.first, std::move(committed), at.second, hosted->offsets.begin());
  }
  hosted->moved = std::move(from.moved);
  return hosted;
}

}  // namespace isthmus::broker
