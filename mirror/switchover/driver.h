// Driver: does what the machine says. The back and forth of a switchover lives here and nowhere
// else: routers and commands only write wishes and read records.
//
//   find topics, group offsets ─► fence source ─► wait until the target has it all, last round of
//   groups ─► hand over at those ends ─► promote at those ends ─► tell the source
//
// Clients stand still from the fence to the end. Over a long line that is a matter of ways there
// and back: one each for the fence, the groups, and the hand-over, half of one for the end. What
// can be learned before is, and what the answers of these have told is not asked again. The log
// says how long each step took.
//
// The hand-over names the fences under which records and groups were read, so that nothing else was
// in force in between (docs/model/switchover_cluster.py). Whoever promotes what another driver has
// handed over reads the groups once more: its own round may have been of another fence.
//
// Before the hand-over every failure falls back to the source: the fence is lifted (or lifts
// itself) and the wish is given up, durably, so that it can never be promoted later.
//
// Lives on the link's loop; owned by the link's Session, whose pumps keep running meanwhile.
#pragma once

#include <functional>
#include <string>

#include "base/log.h"
#include "client/cluster.h"
#include "io/mutex.h"
#include "kafka/gen/describe_site.h"
#include "kafka/gen/fence.h"
#include "kafka/gen/hand_over.h"
#include "kafka/gen/promote.h"
#include "kafka/topic_writer.h"
#include "mirror/standstill.h"
#include "mirror/switchover/machine.h"

namespace isthmus::mirror {

class Driver {
 public:
  struct Hooks {
    // Finds and creates topics that are new at the source.
    std::function<io::Task<Result<void>>()> discover;
    // A round of groups before the fence; none but the last begins while what it returns lives.
    std::function<io::Task<Result<io::Mutex::Held>>()> prepare_groups;
    // The last round of this switchover: fails unless the offsets and the members of every group
    // are at the target, as they were in that standstill.
    std::function<io::Task<Result<void>>(Standstill standstill)> sync_groups;
    // Mirrored by now; and: to be mirrored, by its name.
    std::function<bool(const std::string& topic)> takes_topic;
    std::function<bool(const std::string& topic)> selects_topic;
    // A partition that cannot go on, and why.
    std::function<std::optional<std::string>()> first_stuck;
  };
  // `link_epoch`: under which this process has the link.
  Driver(client::Cluster& source, client::Cluster& target, std::string link,
         std::string reverse_link, io::Duration fence, Hooks hooks, int64_t link_epoch);

  // Looks at both ends and does at most one step. Called again and again; errors are passing.
  io::Task<Result<void>> look_and_step();

 private:
  using Site = kafka::DescribeSiteResponse;
  // Who the source is; what is fenced there, by which fences, and where that ends.
  struct Fenced {
    Site source;
    kafka::FenceResponse answer;
  };
  io::Task<Result<void>> fence_and_hand_over(SideRecord target);
  io::Task<Result<bool>> is_still_wished(Uuid id);
  io::Task<Result<void>> fence_everything(const Uuid& id, Fenced& fenced);
  io::Task<Result<void>> fence(const Uuid& id, Site source, Fenced& fenced);
  io::Task<Result<void>> bring_the_rest(const Uuid& id, const Fenced& fenced, io::Instant deadline);
  io::Task<void> bring_records(const Fenced& fenced, io::Instant deadline, Result<void>& done);
  io::Task<void> bring_groups(Standstill standstill, Result<void>& done);
  io::Task<Result<void>> drain(const Fenced& fenced, io::Instant deadline);
  io::Task<Result<void>> hand_over(const SideRecord& target, const Fenced& fenced);
  io::Task<void> fall_back(Uuid id, std::string why);
  io::Task<Result<void>> promote_as_recorded(Uuid id);
  io::Task<Result<void>> promote_with_groups(Uuid id);
  io::Task<Result<kafka::HandOverResponse>> read_hand_over(Uuid id);
  io::Task<Result<void>> read_as_described(const Uuid& id, kafka::PromoteRequest& request);
  io::Task<Result<void>> promote(kafka::PromoteRequest request);
  kafka::PromoteRequest promotion(const Uuid& id, const Site& source,
                                  const kafka::ClusterIdentity& target) const;
  io::Task<void> release_groups(SideRecord target);
  io::Task<Result<void>> abandon(Uuid id);
  // `promoted`: as what the target has promoted it; zero: it has given it up.
  io::Task<Result<void>> finish(Uuid id, Uuid promoted);
  io::Task<Result<void>> step_down(Uuid id);
  io::Task<Result<Site>> describe(client::Cluster& cluster, bool topics);
  io::Task<Result<Site>> describe_promoted(Uuid id, bool topics);
  SideRecord record_in(const Site& site) const;
  Error stranger(const SideRecord& source, const SideRecord& target);
  Error said_once(std::string text);
  io::Instant soon() const;
  void begin_steps();
  void step_done(std::string_view step);

  client::Cluster& source_;
  client::Cluster& target_;
  const std::string link_;
  const std::string reverse_link_;
  const io::Duration fence_;
  Hooks hooks_;
  const int64_t link_epoch_;
  Logger log_;
  bool rest_failed_ = false;
  std::string steps_;       // of the switchover under way: how long each took
  io::Instant step_began_;  // that one of now
  std::string said_;        // the latest complaint of what the operator has to mend
};

}  // namespace isthmus::mirror
