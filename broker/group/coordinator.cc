#include "broker/group/coordinator.h"

#include "base/crypto.h"
#include "broker/group/group_loader.h"

namespace isthmus::broker {

using kafka::ErrorCode;

namespace {

CoordinatorRuntime::Options options_of(const GroupConfig& config) {
  return {.name = "groups",
          .topic = "__consumer_offsets",
          .partitions = config.partitions,
          .expire_every = io::milliseconds(config.retention_check_ms),
          .loading = "loading groups"};
}

}  // namespace

Coordinator::Coordinator(io::Loop& loop, io::Random& random, GroupConfig config, Seams seams)
    : loop_(loop),
      random_(random),
      config_(config),
      seams_(seams),
      memory_(int64_t{config.max_group_bytes} * config.largest_groups),
      home_{loop, runtime_, config_, memory_},
      runtime_(loop, seams.journal, *this, options_of(config)) {}

bool Coordinator::serves(const std::string& group) const {
  return runtime_.check(group) == ErrorCode::none;
}

std::unique_ptr<Loader> Coordinator::loader(TermPtr term) {
  return std::make_unique<GroupLoader>(home_, std::move(term));
}

void Coordinator::served(const std::vector<HostedPtr>& all) {
  std::vector<HostedGroupPtr> groups;
  for (const HostedPtr& each : all) {
    groups.push_back(std::static_pointer_cast<HostedGroup>(each));
    // As the register says now: it may have changed while they were loaded.
    groups.back()->link = seams_.ownership.owner_of(each->key());
    groups.back()->count_bytes();
  }
  runtime_.spawn("forget topics", forget(std::move(groups), {}));
}

std::string Coordinator::fresh_id() {
  uint8_t bytes[16];
  random_.fill(bytes);
  return hex(bytes);
}

ErrorCode Coordinator::check(const std::string& group, GroupName name) const {
  if (name == GroupName::required && group.empty()) return ErrorCode::invalid_group_id;
  return runtime_.check(group);
}

ErrorCode Coordinator::check_client(const std::string& group, GroupName name) const {
  if (const ErrorCode error = check(group, name); error != ErrorCode::none) return error;
  const HostedGroupPtr hosted = find(group);
  const bool owned =
      hosted ? hosted->link.has_value() : seams_.ownership.owner_of(group).has_value();
  if (owned) return ErrorCode::not_coordinator;
  if (hosted && hosted->removing) return ErrorCode::coordinator_not_available;
  return ErrorCode::none;
}

io::Task<ErrorCode> Coordinator::admit_client(std::string group, GroupName name) {
  if (const ErrorCode error = check_client(group, name); error != ErrorCode::none) co_return error;
  const ErrorCode passed = co_await runtime_.pass(group);
  if (passed != ErrorCode::none) co_return passed;
  co_return check_client(group, name);
}

HostedGroupPtr Coordinator::find(const std::string& group) const {
  return std::static_pointer_cast<HostedGroup>(runtime_.find(group));
}

HostedGroupPtr Coordinator::host(const std::string& id) {
  if (HostedGroupPtr hosted = find(id)) return hosted;
  auto hosted = std::make_shared<HostedGroup>(home_, runtime_.term_of(id), Group(id, config_));
  hosted->link = seams_.ownership.owner_of(id);
  runtime_.add(hosted);
  return hosted;
}

std::vector<HostedGroupPtr> Coordinator::all() const {
  std::vector<HostedGroupPtr> groups;
  for (const HostedPtr& each : runtime_.all()) {
    groups.push_back(std::static_pointer_cast<HostedGroup>(each));
  }
  return groups;
}

}  // namespace isthmus::broker
