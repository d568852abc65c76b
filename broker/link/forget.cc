#include "broker/link/forget.h"

#include <algorithm>

#include "broker/link/access_plans.h"
#include "broker/link/peers.h"
#include "kafka/errors.h"

namespace isthmus::broker {

using kafka::ErrorCode;
using Phase = SwitchoverImage::Phase;

namespace {

std::unexpected<Error> first(const std::string& why) {
  return refuse(ErrorCode::invalid_request, why);
}

// What still belongs to the link, or waits for its other end.
Result<void> check_nothing_is_left(const Image& image, const std::string& link) {
  for (const auto& [name, topic] : image.topics) {
    if (!topic->writer.is_link(link)) continue;
    return first(name + " is still a mirror of " + link +
                 ": make its topics writable first, with isthmus failover, or delete them");
  }
  for (const auto& [group, owner] : image.groups) {
    if (owner.link != link) continue;
    return first("group " + group + " is still that of " + link +
                 ": end that with isthmus link promote " + link + " --group " + group);
  }
  for (const std::string& name : {link, reverse_of(link)}) {
    auto record = image.switchovers.find(name);
    if (record == image.switchovers.end()) continue;
    const Phase phase = record->second.phase;
    if (phase == Phase::handed_over || phase == Phase::stepped_down) {
      return first("nobody writes what was moved over " + name +
                   ": open it first, with isthmus switchover take-back --force");
    }
    if (phase == Phase::wished) {
      return first("switchover " + record->second.id.to_string() + " of " + name +
                   " is under way: wait until it is given up");
    }
  }
  return {};
}

// Its ids stay given up: a late message of the old pair must not happen to the new one.
void forget_switchovers(Plan& plan, const Image& image, const std::string& name) {
  auto found = image.switchovers.find(name);
  if (found == image.switchovers.end()) return;
  SwitchoverImage record = found->second;
  const bool is_new = std::ranges::find(record.abandoned, record.id) == record.abandoned.end();
  if (is_new && !record.id.is_zero()) record.abandoned.push_back(record.id);
  record.phase = Phase::none;
  record.peer = {};
  record.failover = false;
  record.promoted.clear();
  plan.put(record);
}

}  // namespace

Result<Plan> plan_forget(const Image& image, const std::string& link,
                         const ClusterIdentity& meant) {
  const std::string reverse = reverse_of(link);
  if (reverse.empty()) return first("'" + link + "' is no link: its name is <source>-<target>");
  LinkImage gone;
  gone.name = link;
  if (auto found = image.links.find(link); found != image.links.end()) gone = found->second;
  const bool done_already = std::ranges::find(gone.forgotten, meant) != gone.forgotten.end();
  Plan plan;
  if (done_already) return plan;
  const ClusterIdentity known = other_end(image, link);
  if (!known.known()) return first("no cluster is known here at the other end of " + link);
  if (known != meant) {
    return first("the other end of " + link + " is " + to_string(known) + ", not " +
                 to_string(meant));
  }
  auto free = check_nothing_is_left(image, link);
  if (!free) return fail(free.error());
  gone.source_number = 0;
  gone.source_cluster_id.clear();
  gone.reachable.clear();
  gone.source_starts = 0;
  gone.source_started_at = 0;
  gone.paused = false;
  gone.forgotten.push_back(known);
  gone.epoch += 1;  // fences the mirror process that is attached
  plan.put(gone);
  forget_switchovers(plan, image, link);
  forget_switchovers(plan, image, reverse);
  free_access(plan, image, link);
  return plan;
}

}  // namespace isthmus::broker
