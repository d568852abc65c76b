// What each side of a switchover writes down: pure functions from the image to the records.
//
//   source:  (fence, in memory) ──► handed_over ──► done        the target has promoted
//                                        └────────► taken_back  the target has abandoned
//            stepped_down ──► done                   a failover went past this source; then the way
//            back
//   target:  wished ──► promoted
//               └─────► abandoned                  this id is never promoted afterwards
//
// The guards are those of the model in docs/model/switchover.py, which shows what breaks without
// each: the hand-over names the ends that were drained to, and the cluster that has them; that one
// promotes only on a hand-over, at those ends, and never an id that it has abandoned; it answers
// "abandoned" only where it has not promoted; what was handed over opens again only on its word,
// which is no other cluster's (peers.h), or the operator's.
//
// Every promotion makes a new version of the routes that it takes over, and its topics remember it:
// so a late message about an earlier promotion is known as one, whatever happened in between.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/error.h"
#include "broker/image/image.h"
#include "broker/image/records.h"
#include "kafka/gen/become_mirror.h"

namespace isthmus::broker {

// At the target: remembers that the operator wants `id` driven. Another one under way, or promoted
// and not yet moved back, is an error that names it.
Result<Plan> plan_wish(const Image& image, const std::string& link, const Uuid& id);

struct HandOver {
  std::string link;
  Uuid id;
  std::vector<Uuid> topics;
  ClusterIdentity target;  // that has all of them
  // What the leaders hold, by topic and partition.
  struct Held {
    Offset end_offset = -1;
    LeaderEpoch leader_epoch = -1;
  };
  std::map<Uuid, std::vector<Held>> held = {};
  // Under which fence each broker of the site has been since the ends were told, and who
  // coordinates the groups, by partition of their topic. Without fences it is an older driver's,
  // which only a site of one broker can go by.
  std::map<NodeId, int64_t> fences = {};
  std::map<PartitionIndex, LeaderEpoch> coordinated = {};
  // Topics that clients write here, which stay as they are. One that is neither here nor handed
  // over was made since, at a broker that had yet to hear of the fence.
  std::set<std::string> others = {};
};
// At the source. Refused unless all that is named is led as it was when it was held, by an epoch
// that nobody has replaced, and no broker serves that has not fenced. REQUIRES: the leaders hold
// what is named, at the ends that are named, and open it by no clock.
Result<Plan> plan_hand_over(const Image& image, const HandOver& order);

struct Promotion {
  std::string link;
  Uuid id;
  bool failover = false;
  bool whole_link = false;  // a failover of all that this site has, by the operator's word
  int64_t now_ms = 0;
  std::string route_from;  // cluster whose routes are taken over; empty = none
  // For each topic, where each partition's next record goes; -1 = where its log ends.
  std::map<Uuid, std::vector<Offset>> topics;
  std::map<std::string, std::vector<PromotedPartition>> found;  // for who repeats the request
  kafka::Takeovers routes;                                      // that the source knows of
  // In force where the ends were looked at: a leader that came since may have been given more; or,
  // by an operator's unclean election, have less than was handed over.
  std::map<std::pair<Uuid, PartitionIndex>, LeaderEpoch> epochs = {};
  // Of the driver that has brought the last round of groups, or 0. Under a later one another driver
  // may have brought its own since, read under another fence.
  int64_t link_epoch = 0;
};
// At the target: the topics open a new generation of epochs and are ours from now on.
Result<Plan> plan_promote(const Image& image, const Promotion& promotion);

// At the target: gives `id` up for good. An error where it has been promoted.
Result<Plan> plan_abandon(const Image& image, const std::string& link, const Uuid& id);

struct Ending {
  std::string link;
  Uuid id;
  ClusterIdentity target;  // whose answer it is
  std::string reverse_link;
  ClusterNumber new_origin = 0;
  std::vector<std::string> groups;  // that now belong to the reverse link
  int64_t route_version = 0;        // that the promotion made
  kafka::Takeovers routes;
};
// At the source, after the target's answer.
Result<Plan> plan_done(const Image& image, const Ending& ending);
// On the answer of `target`. `forced`: the operator's word instead, who has made sure that the
// target is gone for good. It may have been promoted, and clients have seen what it wrote: so a
// generation above its own is opened, and its offsets are left out, as in a failover. Also for a
// source that has stepped down; and for one that was failed over, came back and never heard of it,
// so that it has closed nothing.
struct TakeBack {
  std::string link;
  Uuid id;
  bool forced = false;
  int64_t now_ms = 0;
  ClusterIdentity target{};
  // For each topic, where each partition's next record goes.
  std::map<Uuid, std::vector<Offset>> topics = {};
  // As in a promotion.
  std::map<std::pair<Uuid, PartitionIndex>, LeaderEpoch> epochs = {};
};
Result<Plan> plan_take_back(const Image& image, const TakeBack& order);
// Whom such an order concerns: what is closed for `id`; where nothing is, all that clients write
// here. Nothing where it was carried out already.
std::vector<Uuid> topics_taken_back(const Image& image, const TakeBack& order);

struct StepDown {
  std::string link;
  Uuid id;                  // of the failover
  ClusterIdentity target;   // whose word it is
  std::string target_name;  // that has taken over the routes of this site
  std::vector<Uuid> topics;
  int64_t route_version = 0;  // that the promotion made
  kafka::Takeovers routes;
};
// At the source of a failover, when it hears of it: nobody writes the topics until the way back.
// Topics that were promoted here since stay open; if all are, it is only noted. So is a promotion
// that left the routes of this site where they are: its clients go on here.
Result<Plan> plan_step_down(const Image& image, const StepDown& order);

// At the old source of a failover: topics that were writable become mirrors of `link`.
// Their epochs are raised to the new source's. Refused where a topic was promoted here since: such
// a request is late. What this site had closed and the new source does not write opens again.
Result<void> check_not_promoted_since(const Image& image,
                                      const kafka::BecomeMirrorRequest& request);
Result<Plan> plan_become_mirror(const Image& image, const Ending& ending,
                                const kafka::BecomeMirrorRequest& request);

// What is heard of routes elsewhere is taken over, entry by entry, where it is later.
void merge_routes(Plan& plan, const Image& image, const kafka::Takeovers& routes);

}  // namespace isthmus::broker
