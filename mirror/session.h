// Session: one mirror process's hold of one link, from attaching to the first error that ends it.
//
//   discover ─► pumps ◄─► fetcher (source)       four times a second: discover, report
//                 └─────► appender (target)      every half second: group offsets
//                                                ten times a second: switchover
//                                                every second: ACLs, users, quotas
//
// A session keeps nothing that the target does not know: when it ends (the target was away, another
// process has taken the link over) the next one asks the target where its logs end and goes on from
// there. What concerns one partition ends that partition's pump, never the session.
//
// Lives on the link's loop; owned by its Link.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "base/log.h"
#include "client/fetcher.h"
#include "io/gate.h"
#include "kafka/gen/attach_link.h"
#include "kafka/selector.h"
#include "mirror/access_sync.h"
#include "mirror/appender.h"
#include "mirror/first_look.h"
#include "mirror/gone_topics.h"
#include "mirror/lags.h"
#include "mirror/left_out.h"
#include "mirror/offset_sync.h"
#include "mirror/running.h"
#include "mirror/switchover/driver.h"
#include "process/mirror_config.h"

namespace isthmus::mirror {

class Session final : public client::FetchSink {
 public:
  Session(std::string name, const process::LinkConfig& config, client::Cluster& source,
          client::Cluster& target, Source& view, ClusterNumber target_number,
          const kafka::AttachLinkResponse& attached);
  ~Session() override;

  // Mirrors until stop() or an error, which it returns.
  io::Task<Error> run();
  void stop(Error why);
  LinkStatus status() const;
  // Milliseconds from the fetch of a batch to the target's answer: half of them are faster than
  // p50, all but one in a hundred than p99.
  int64_t lag_percentile(double share) const { return lags_.percentile(share); }

  void on_fetched(client::Fetched fetched) override;
  bool has_room() const override { return appender_.has_room(); }

 private:
  io::Task<void> discover_again_and_again();
  io::Task<void> sync_offsets_again_and_again();
  io::Task<void> drive_again_and_again();
  io::Task<void> sync_access_again_and_again();
  // All that can go across before the source is fenced.
  io::Task<Result<io::Mutex::Held>> prepare_last_round();
  io::Task<Result<void>> discover();
  // Copies that earlier sessions have made: their topics may be gone since.
  io::Task<void> learn_copies();
  io::Task<Result<void>> end_copies();
  io::Task<Result<void>> start_pumps(std::vector<SourceTopic> topics);
  using Ensured = kafka::EnsureMirrorTopicsResponse;
  void follow(const SourceTopic& topic, const Ensured::MirrorTopicResult& told,
              std::vector<std::optional<Source::Owners>> owners);
  void heed_pause(bool paused);
  Running& pump_of(const SourceTopic& topic, const Ensured::MirrorTopicPosition& at);
  void note_leader(Running& running, const Ensured::MirrorTopicPosition& at);
  bool runs(const SourceTopic& topic, PartitionIndex index) const;
  void begin(Running& running);
  bool begins_at_the_end(const Running& running) const;
  void ask_for_what_is_due();
  using Ends = std::map<TopicPartition, Offset>;
  Ends acknowledged(const std::vector<SourceTopic>& topics) const;
  void drop_if_cut(const TopicPartition& tp, Offset end, const Ends& before);
  bool wanted(const SourceTopic& topic) const;
  bool takes(const std::string& topic) const;
  // The target hears of us again within that.
  io::Task<Result<void>> report(io::Duration next_within);

  void act(Running& running, PumpAction action);
  io::Task<void> ask_bounds(TopicPartition partition);
  void want(Running& running);
  void want_what_waits();
  void on_outcome(const AppendOutcome& outcome);
  void drop_topic(const std::string& topic);
  // `recreated`: the source has another topic of that name, which is for an operator to decide.
  void end_topic(const std::string& topic, const std::string& why, bool recreated);
  io::Task<bool> pause(io::Duration time);

  const std::string name_;
  const process::LinkConfig& config_;
  client::Cluster& source_;
  client::Cluster& target_;
  Source& view_;
  const ClusterNumber target_number_;
  const int64_t link_epoch_;
  Logger log_;
  kafka::Selector topics_;
  io::Gate gate_;
  io::Event stopping_;
  std::optional<Error> why_;
  OffsetSync offsets_;
  std::optional<AccessSync> access_;  // where it follows
  Appender appender_;
  client::Fetcher fetcher_;
  Driver driver_;
  RunningPumps running_;
  std::set<TopicPartition> waiting_;            // for room in the appender
  std::map<std::string, std::string> refused_;  // topics that the target does not take, and why
  LeftOut left_out_;
  FirstLook first_look_;
  GoneTopics gone_;
  bool copies_known_ = false;
  std::set<std::string> mirrored_;  // a topic that runs without is ended, and yet to be reported
  Lags lags_;
  uint64_t bytes_ = 0;
  uint64_t born_ = 0;  // partitions that were ever begun
  bool discovering_ = false;
  bool paused_ = false;  // as the target has said last
};

}  // namespace isthmus::mirror
