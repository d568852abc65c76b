// Disaster: a site is lost, the other is promoted without it, and the lost one comes back; with the
// requests that operators and drivers send, some of them again and late.
//
// Lost does not mean dead. A site that is cut off, or stands still, goes on believing that it
// writes: clients that still reach it have their records acknowledged, until it meets the other.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "kafka/gen/become_mirror.h"
#include "kafka/gen/epoch_history.h"
#include "tests/sim/pair.h"

namespace isthmus::sim {

// What isthmus link reverse asks of the site that was lost, for one topic.
kafka::BecomeMirrorRequest way_back_over(
    const std::string& link, const std::string& left_link,
    const kafka::DescribeSiteResponse& source,
    const kafka::EpochHistoryResponse::EpochHistoryTopic& history);

class Disaster {
 public:
  Disaster(Stage& stage, Pair& pair) : stage_(stage), pair_(pair) {}

  // The line goes first, sometimes, so that the follower lags; then the site dies, for good or
  // until it is brought back.
  void lose_writer();
  // The site lives, but nothing that could tell it of a promotion reaches it. reunite() ends that.
  void isolate_writer();
  void reunite();
  // Makes the follower the writer; where clients that follow the operator go from then on.
  void promote();
  // The lost site has heard of the promotion: from then on it acknowledges nothing.
  void await_stepped_down();
  // isthmus link reverse, given again until it succeeds, while the site that is asked dies now and
  // then in the middle of it.
  void bring_back();
  void check_nothing_unreported();
  // The promoted site is gone for good, and the lost one, which may have met it before, goes on
  // with what it has: isthmus switchover take-back --force. What was acknowledged over there is
  // lost.
  void take_back();
  void check_no_offset_twice();
  // Once clients write at the lost site again: what was asked during the disaster arrives now.
  void repeat_late();

 private:
  template <typename Request>
  Result<typename Request::Response> ask(Site& site, const Request& request);
  void order_to_step_down();
  std::optional<kafka::BecomeMirrorRequest> way_back();
  void die_while_asked(Site& site);
  void live_again(Site& site);
  std::map<TopicPartition, LogContents> exports();

  Stage& stage_;
  Pair& pair_;
  Site* lost_ = nullptr;  // has the exports
  std::vector<std::function<void()>> said_;
};

}  // namespace isthmus::sim
