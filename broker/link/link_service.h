// LinkService: the broker's half of an incoming link: a mirror process attaches, makes mirror
// topics, appends batches at their own offsets, brings group offsets, and tells how far it is.
//
// The target's log end is the only position of a mirror. Everything a mirror process sends carries
// the link's epoch, which each attaching process raises: what an older process still sends is
// refused, so two of them never write at once.
//
// In a cluster of several brokers any of them is asked, but for appends, which go to the leaders of
// their partitions: what it does not know itself it asks of its colleagues (site_views.h), and what
// concerns them it passes on to them. One that has yet to hear of the link's epoch waits for it.
//
// Lives on the main loop, but for append(), which runs on its connection's loop and hops. close()
// before destruction.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>

#include "base/log.h"
#include "broker/controller/controller.h"
#include "broker/link/link_plans.h"
#include "broker/link/set_aside.h"
#include "broker/link/site_views.h"
#include "broker/replica/partition_table.h"
#include "kafka/gen/attach_link.h"
#include "kafka/gen/describe_site.h"
#include "kafka/gen/durable_ends.h"
#include "kafka/gen/ensure_mirror_topics.h"
#include "kafka/gen/epoch_history.h"
#include "kafka/gen/forget_link.h"
#include "kafka/gen/mirror_append.h"
#include "kafka/gen/mirror_offsets.h"
#include "kafka/gen/pause_link.h"
#include "kafka/gen/report_mirror.h"
#include "kafka/gen/site_record.h"

namespace isthmus::broker {

class Coordinator;

class LinkService {
 public:
  LinkService(io::Env& env, Controller& controller, PartitionTable& partitions, Coordinator& groups,
              SiteViews& views, Colleagues& colleagues);

  // What is passed on to colleagues ends.
  io::Task<void> close() { return passing_.close(); }

  io::Task<kafka::AttachLinkResponse> attach(kafka::AttachLinkRequest request);
  io::Task<kafka::EnsureMirrorTopicsResponse> ensure_topics(
      kafka::EnsureMirrorTopicsRequest request);
  io::Task<kafka::MirrorOffsetsResponse> offsets(kafka::MirrorOffsetsRequest request);
  io::Task<kafka::ReportMirrorResponse> report(kafka::ReportMirrorRequest request);
  io::Task<kafka::DescribeSiteResponse> describe(kafka::DescribeSiteRequest request);
  io::Task<kafka::SiteRecordResponse> record(kafka::SiteRecordRequest request);
  io::Task<kafka::DurableEndsResponse> ends(kafka::DurableEndsRequest request);
  io::Task<kafka::EpochHistoryResponse> history(kafka::EpochHistoryRequest request);
  io::Task<kafka::ForgetLinkResponse> forget(kafka::ForgetLinkRequest request);
  io::Task<kafka::PauseLinkResponse> pause(kafka::PauseLinkRequest request);

  // Since a mirror process of the link spoke; nothing since our start. One that attached elsewhere
  // in the cluster has spoken when we hear of it.
  std::optional<io::Duration> contact_age(const std::string& link);
  // How long the latest report allows itself until the next contact.
  std::optional<io::Duration> promised(const std::string& link) const;

  // Since our start.
  io::Duration age() const { return env_.main_loop().now() - started_at_; }

  // Appends what one request brings, in two stages as produce does: the first appends in the order
  // of arrival, the second waits until the appended is durable.
  struct Appending {
    kafka::MirrorAppendResponse response;
    struct Awaited {
      PartitionRef partition;
      Offset end = -1;
      uint64_t tenure = 0;
    };
    std::vector<Awaited> to_await;
    std::vector<std::pair<size_t, size_t>> place;  // topic and partition in the response
  };
  io::Task<void> append(kafka::MirrorAppendRequest request, std::shared_ptr<Appending> out);
  io::Task<void> await_durable(std::shared_ptr<Appending> appending);

 private:
  using AppendPartition = kafka::MirrorAppendRequest::MirrorAppendPartition;
  using AppendResult = kafka::MirrorAppendResponse::MirrorAppendPartitionResult;

  using Ensured = kafka::EnsureMirrorTopicsResponse::MirrorTopicResult;

  // Waits a little until the partitions that are open here know that epoch of the link.
  io::Task<void> hear_of(std::string link, int64_t epoch);
  // Whether it is the link's present one.
  io::Task<Result<void>> check_current(std::string link, int64_t epoch);
  bool is_inherited_here(const std::string& name, const std::string& value) const;
  io::Task<Ensured> ensure_topic(std::string link, MirrorTopic topic);
  static void add_positions(const TopicImage& topic, const Image& image,
                            const SiteViews::View& view, Ensured& result);
  void note_contact(const std::string& link, std::optional<io::Duration> promised);
  void pass_on(const kafka::ReportMirrorRequest& report);
  io::Task<void> pass_on_to(NodeId node, kafka::ReportMirrorRequest report);
  using OffsetsTaken = kafka::MirrorOffsetsResponse;
  io::Task<OffsetsTaken> take_offsets(kafka::MirrorOffsetsRequest request);
  io::Task<void> take_offsets_of(NodeId node, kafka::MirrorOffsetsRequest request,
                                 OffsetsTaken& taken);
  NodeId coordinator_of(const Image& image, const std::string& group) const;
  io::Task<Result<void>> end_copies(kafka::EnsureMirrorTopicsRequest request);
  io::Task<kafka::PauseLinkResponse> set_aside(kafka::PauseLinkRequest request);
  void tell_of_set_aside(const std::string& link, const std::vector<SetAside>& aside);
  io::Task<void> append_one(LinkWriter writer, PartitionRef partition, AppendPartition wanted,
                            AppendResult& result, uint64_t& tenure);

  io::Env& env_;
  Logger log_{LogComponent::link};
  Controller& controller_;
  PartitionTable& partitions_;
  Coordinator& groups_;
  SiteViews& views_;
  Colleagues& colleagues_;
  io::Gate passing_;
  std::set<NodeId> passing_to_;  // a report at a time
  const io::Instant started_at_ = env_.main_loop().now();
  // What it said last of topics that it does not bring. In memory: a report comes within seconds.
  struct LeftOut {
    int32_t count = -1;
    std::vector<kafka::ReportMirrorRequest::LeftOutTopic> topics;
  };
  std::map<std::string, LeftOut> left_out_;
  // And of who may do what; empty: it does not have it follow.
  std::map<std::string, std::vector<kafka::ReportMirrorRequest::ReportedAccess>> access_;
  std::string said_;  // the latest complaint about a source that went back in time
  struct Contact {
    io::Instant at;
    std::optional<io::Duration> promised;
    int64_t epoch = 0;  // of the link
  };
  std::map<std::string, Contact> last_contact_;  // of each link's mirror process
};

}  // namespace isthmus::broker
