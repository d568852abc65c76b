#include "tests/sim/change_of_sites.h"

#include "kafka/gen/finish_switchover.h"
#include "kafka/gen/hand_over.h"
#include "kafka/gen/promote.h"
#include "kafka/gen/switchover_wish.h"
#include "kafka/link_ends.h"
#include "tests/sim/faults.h"

namespace isthmus::sim {

using kafka::ErrorCode;
using Writer = SiteState::Writer;
using std::chrono::milliseconds;
using std::chrono::seconds;

Uuid ChangeOfSites::new_id() {
  Uuid id;
  for (uint8_t& byte : id.bytes) byte = static_cast<uint8_t>(stage_.random().next());
  return id;
}

template <typename Request>
bool ChangeOfSites::say(Site& to, Request request) {
  said_.push_back([this, &to, request] { stage_.asker().ask(to.peers(), request); });
  auto answer = stage_.asker().ask(to.peers(), std::move(request));
  return answer && answer->error_code == ErrorCode::none;
}

void ChangeOfSites::repeat_something() {
  if (said_.empty()) return;
  const auto again = said_[stage_.random().below(said_.size())];
  again();
}

bool ChangeOfSites::wish() {
  id_ = new_id();
  return wish_again();
}

bool ChangeOfSites::wish_again() {
  kafka::SwitchoverWishRequest request;
  request.link = pair_.link();
  request.switchover_id = id_;
  return say(pair_.follower(), request);
}

void ChangeOfSites::give_up() {
  kafka::SwitchoverWishRequest request;
  request.link = pair_.link();
  request.switchover_id = id_;
  request.abandon = true;
  say(pair_.follower(), request);
}

std::optional<ChangeOfSites::Ends> ChangeOfSites::fence(int32_t deadline_ms) {
  kafka::FenceRequest request;
  request.switchover_id = id_;
  request.link = pair_.link();
  request.deadline_ms = deadline_ms;
  request.topics = {"orders"};
  auto answer = stage_.asker().ask(pair_.writer().peers(), request);
  if (!answer || answer->error_code != ErrorCode::none) return std::nullopt;
  Site& to = pair_.writer();
  said_.push_back([this, &to, request] { stage_.asker().ask(to.peers(), request); });
  return *answer;
}

bool ChangeOfSites::await_drained(const Ends& ends) {
  for (int i = 0; i < 30 && stage_.content(); ++i) {
    auto site = stage_.asker().describe(pair_.follower());
    if (!site) return false;
    for (const auto& topic : site->topics) {
      if (topic.name != "orders" || ends.topics.empty()) continue;
      bool same = topic.partitions.size() == ends.topics[0].partitions.size();
      for (size_t p = 0; same && p < topic.partitions.size(); ++p) {
        same = topic.partitions[p].end_offset == ends.topics[0].partitions[p].end_offset;
      }
      if (same) return true;
    }
    stage_.world().run_for(milliseconds(100));
  }
  return false;
}

bool ChangeOfSites::hand_over(const Ends& ends) {
  kafka::HandOverRequest request;
  request.switchover_id = id_;
  request.link = pair_.link();
  request.target_id = identity(pair_.follower()).id;
  request.target_number = identity(pair_.follower()).number;
  for (const auto& topic : ends.topics) {
    auto& out = request.topics.emplace_back();
    out.topic_id = topic.topic_id;
    for (const auto& p : topic.partitions) out.partitions.push_back({p.index, p.end_offset});
  }
  return say(pair_.writer(), request);
}

bool ChangeOfSites::promote(const Ends& ends) {
  kafka::PromoteRequest request;
  request.switchover_id = id_;
  request.link = pair_.link();
  request.route_from = pair_.writer().name();
  request.source_id = identity(pair_.writer()).id;
  request.source_number = identity(pair_.writer()).number;
  request.target_id = identity(pair_.follower()).id;
  request.target_number = identity(pair_.follower()).number;
  request.topics.emplace();
  for (const auto& topic : ends.topics) {
    auto& out = request.topics->emplace_back();
    out.topic_id = topic.topic_id;
    out.partitions.emplace();
    for (const auto& p : topic.partitions) out.partitions->push_back({p.index, p.end_offset});
  }
  return say(pair_.follower(), request);
}

// Once: a site is a cluster for ever.
const kafka::ClusterIdentity& ChangeOfSites::identity(Site& site) {
  auto& known = identities_[&site];
  if (known.known()) return known;
  if (auto told = stage_.asker().describe(site)) known = kafka::identity_of(*told);
  return known;
}

void ChangeOfSites::finish(bool promoted, const kafka::ClusterIdentity& speaker) {
  kafka::FinishSwitchoverRequest request;
  request.switchover_id = id_;
  request.link = pair_.link();
  request.target_id = speaker.id;
  request.target_number = speaker.number;
  request.promoted = promoted;
  request.reverse_link = pair_.reverse_link();
  request.new_origin = pair_.follower().number();
  say(pair_.writer(), request);
}

void ChangeOfSites::die_perhaps() {
  if (stage_.one_in(4)) kill_and_restart(stage_, pair_.any());
  if (stage_.one_in(3)) repeat_something();
  if (stage_.one_in(2)) stage_.run_between(milliseconds(0), seconds(1));
  // Beyond any deadline: the fence has ended, clients have written.
  if (stage_.one_in(6)) stage_.run_between(seconds(1), seconds(6));
  check_one_writer();
}

void ChangeOfSites::drive_by_hand() {
  for (Site* site : pair_.sites()) (void)identity(*site);
  // Durable at the target before anything happens at the source: whoever comes later must know.
  if (!wish()) return give_up();
  auto ends = fence(static_cast<int32_t>(stage_.random().between(500, 5000)));
  if (stage_.one_in(2)) die_perhaps();
  if (!ends || !await_drained(*ends)) return give_up();
  // The mirror's own driver competes with this one, or is dead.
  if (stage_.one_in(2)) pair_.kill_mirror();
  die_perhaps();
  if (stage_.one_in(5)) give_up();
  if (!hand_over(*ends)) return give_up();
  die_perhaps();
  if (stage_.one_in(5)) give_up();
  if (!promote(*ends)) return;
  die_perhaps();
  if (stage_.one_in(2)) finish(true, identity(pair_.follower()));
}

bool ChangeOfSites::drive_to_the_middle(bool promotes) {
  for (Site* site : pair_.sites()) (void)identity(*site);
  if (!wish()) return false;
  auto ends = fence(5'000);
  if (!ends || !await_drained(*ends)) return false;
  pair_.kill_mirror();
  if (!hand_over(*ends)) return false;
  return !promotes || promote(*ends);
}

void ChangeOfSites::believe_stranger(Site& stranger) {
  kafka::SwitchoverWishRequest request;
  request.link = pair_.link();
  request.switchover_id = id_;
  request.abandon = true;
  if (say(stranger, request)) finish(false, identity(stranger));
}

SiteState ChangeOfSites::view(Site& site) { return state_in(stage_.asker().glance(site)); }

void ChangeOfSites::check_one_writer() {
  Site& first = pair_.writer();
  // What is writable before and after the other was asked was so in between: a whole round of
  // hand-overs takes longer.
  const SiteState before = view(first);
  const SiteState other = view(pair_.follower());
  const SiteState after = view(first);
  if (before.writer == Writer::clients && other.writer == Writer::clients &&
      after.writer == Writer::clients) {
    stage_.judge().broken("two sites are never writable", "both are, for clients");
  }
}

void ChangeOfSites::await_end() {
  for (int i = 0; i < 120 && stage_.content(); ++i) {
    stage_.world().run_for(seconds(1));
    const SiteState writer = view(pair_.writer());
    const SiteState follower = view(pair_.follower());
    const bool rest = writer.at_rest && follower.at_rest;
    if (rest && writer.writer == Writer::clients && follower.writer == Writer::link) return;
    if (rest && writer.writer == Writer::link && follower.writer == Writer::clients) {
      return pair_.swap();
    }
  }
  if (stage_.content()) {
    stage_.judge().broken(
        "a switchover ends, forward or back",
        "writer " + std::to_string(static_cast<int>(view(pair_.writer()).writer)) + ", follower " +
            std::to_string(static_cast<int>(view(pair_.follower()).writer)));
  }
}

void ChangeOfSites::fence_in_vain() {
  stage_.destination().sites = {pair_.writer().clients()};
  stage_.resume_producers();
  stage_.world().run_for(seconds(3));  // by then all have found it
  const uint64_t before = stage_.refusals();
  id_ = new_id();
  if (!fence(1'500)) return;
  stage_.world().run_for(seconds(3));
  if (stage_.content() && stage_.refusals() > before) {
    stage_.judge().broken("a fence that lifts is seen by no producer",
                          std::to_string(stage_.refusals() - before) + " requests were refused");
  }
}

void ChangeOfSites::succeed() {
  for (int i = 0; i < 5 && stage_.content(); ++i) {
    const Site* before = &pair_.writer();
    wish();
    await_end();
    if (&pair_.writer() != before) return;
  }
  if (stage_.content()) stage_.judge().broken("a calm switchover succeeds", pair_.link());
}

}  // namespace isthmus::sim
