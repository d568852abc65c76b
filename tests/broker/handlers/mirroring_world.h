// A broker at which the private API of mirror processes is served, as the target of the link
// busan-seoul and the source of seoul-busan, which carries the topic "t".
#pragma once

#include "kafka/gen/attach_link.h"
#include "kafka/gen/describe_configs.h"
#include "kafka/gen/describe_site.h"
#include "kafka/gen/ensure_mirror_topics.h"
#include "kafka/gen/fence.h"
#include "kafka/gen/finish_switchover.h"
#include "kafka/gen/hand_over.h"
#include "kafka/gen/mirror_append.h"
#include "kafka/gen/promote.h"
#include "kafka/gen/report_mirror.h"
#include "tests/broker/handlers/broker_world.h"

namespace isthmus::broker {

inline const char* const busan = "AwMDAwMDAwMDAwMDAwMDAw";

class Mirroring : public BrokerWorld {
 protected:
  int64_t attach() {
    kafka::AttachLinkRequest request;
    request.link = "busan-seoul";
    request.source_name = "busan";
    request.source_number = 3;
    request.source_cluster_id = busan;
    auto response = ask_peers(std::move(request));
    EXPECT_EQ(response.error_code, ErrorCode::none) << response.error_message.value_or("");
    return response.link_epoch;
  }
  using Ensured = kafka::EnsureMirrorTopicsResponse::MirrorTopicResult;
  Ensured try_ensure(int64_t epoch, LeaderEpoch source_epoch = 0) {
    topic_.bytes.fill(5);
    kafka::EnsureMirrorTopicsRequest request;
    request.link = "busan-seoul";
    request.link_epoch = epoch;
    auto& topic = request.topics.emplace_back();
    topic.name = "orders";
    topic.topic_id = topic_;
    topic.origin = 3;
    topic.configs = configs_;
    topic.partitions.push_back({0, source_epoch});
    auto response = ask_peers(std::move(request));
    EXPECT_EQ(response.error_code, ErrorCode::none);
    return response.topics.at(0);
  }
  void ensure(int64_t epoch, LeaderEpoch source_epoch = 0) {
    const Ensured answer = try_ensure(epoch, source_epoch);
    ASSERT_EQ(answer.error_code, ErrorCode::none) << answer.error_message.value_or("");
  }
  kafka::MirrorAppendResponse::MirrorAppendPartitionResult append(int64_t link_epoch,
                                                                  Offset expected, Slice batch,
                                                                  LeaderEpoch source_epoch = 0) {
    kafka::MirrorAppendRequest request;
    request.link = "busan-seoul";
    request.link_epoch = link_epoch;
    auto& topic = request.topics.emplace_back();
    topic.topic_id = topic_;
    auto& p = topic.partitions.emplace_back();
    p.expected_offset = expected;
    p.source_leader_epoch = source_epoch;
    p.source_high_watermark = expected;
    p.records = Rope(std::move(batch));
    return ask_peers(std::move(request)).topics.at(0).partitions.at(0);
  }
  // The source says just now that it ends there.
  void report(int64_t link_epoch, Offset source_end) {
    kafka::ReportMirrorRequest request;
    request.link = "busan-seoul";
    request.link_epoch = link_epoch;
    auto& topic = request.topics.emplace_back();
    topic.topic_id = topic_;
    auto& p = topic.partitions.emplace_back();
    p.state = kafka::MirrorState::mirroring;
    p.source_end_offset = source_end;
    p.source_age_ms = 0;
    EXPECT_EQ(ask_peers(std::move(request)).error_code, ErrorCode::none);
  }
  kafka::PromoteResponse promote_drained(const Uuid& id) {
    kafka::PromoteRequest request;
    request.switchover_id = id;
    request.link = "busan-seoul";
    request.failover = request.drained = true;
    return ask_peers(std::move(request));
  }
  kafka::PromoteResponse promote(const Uuid& id, bool failover, Offset end = -1) {
    kafka::PromoteRequest request;
    request.switchover_id = id;
    request.link = "busan-seoul";
    request.failover = failover;
    if (!failover) {
      request.topics.emplace();
      auto& topic = request.topics->emplace_back();
      topic.topic_id = topic_;
      topic.partitions.emplace().push_back({0, end});
    }
    return ask_peers(std::move(request));
  }
  kafka::FenceResponse fence(const Uuid& id, int32_t for_ms, bool lift = false) {
    kafka::FenceRequest request;
    request.switchover_id = id;
    request.link = "seoul-busan";
    request.topics = {"t"};
    request.deadline_ms = for_ms;
    request.lift = lift;
    return ask_peers(std::move(request));
  }
  static kafka::HandOverRequest hand_over_request(const Uuid& id, const Uuid& topic, Offset end) {
    kafka::HandOverRequest request;
    request.switchover_id = id;
    request.link = "seoul-busan";
    request.target_id = busan;
    request.target_number = 3;
    auto& t = request.topics.emplace_back();
    t.topic_id = topic;
    t.partitions.push_back({0, end});
    return request;
  }
  kafka::HandOverResponse hand_over(const Uuid& id, const Uuid& topic, Offset end) {
    return ask_peers(hand_over_request(id, topic, end));
  }
  // Asks, and notes the answer when it comes.
  template <typename Request>
  static io::Task<void> note(client::Connection& over, Request request,
                             std::optional<typename Request::Response>& answer) {
    auto got = co_await over.call(std::move(request), io::Instant::max(), INT16_MAX);
    if (got) answer = std::move(*got);
  }
  template <typename Request>
  void begin(client::Connection& over, Request request,
             std::optional<typename Request::Response>& answer) {
    client()->spawn("request", note(over, std::move(request), answer));
  }
  void begin_produce(client::Connection& over, Producing producer,
                     std::optional<kafka::ProduceResponse>& answer) {
    begin(over, produce_request("t", make_batch({{}}, producer)), answer);
  }
  static io::Task<void> note_sent(client::Connection& over, kafka::ProduceRequest request) {
    const bool sent = co_await raw(over, std::move(request));
    EXPECT_TRUE(sent);
  }
  static const Produced& outcome(const kafka::ProduceResponse& response) {
    return response.responses.at(0).partition_responses.at(0);
  }
  static kafka::FinishSwitchoverRequest done(const Uuid& id) {
    kafka::FinishSwitchoverRequest request;
    request.switchover_id = id;
    request.link = "seoul-busan";
    request.target_id = busan;
    request.target_number = 3;
    request.promoted = true;
    request.reverse_link = "busan-seoul";
    request.new_origin = 3;
    return request;
  }
  static io::Task<void> note_hand_over(client::Connection& over, Uuid id, Uuid topic, bool& done) {
    auto answer = co_await over.call(hand_over_request(id, topic, 2), io::Instant::max());
    done = answer && answer->error_code == ErrorCode::none;
  }
  // Of the switchover of busan-seoul that is written down.
  std::string trouble() {
    const auto site = ask_peers(kafka::DescribeSiteRequest{});
    return site.switchovers.empty() ? "no switchover" : site.switchovers.at(0).trouble;
  }
  static Uuid id(uint8_t number) {
    Uuid id;
    id.bytes.fill(number);
    return id;
  }
  // The value in force of the copy's key, and whether it is its own.
  std::pair<std::string, bool> config_of_copy(const std::string& key) {
    kafka::DescribeConfigsRequest request;
    auto& resource = request.resources.emplace_back();
    resource.resource_type = kafka::ConfigResource::topic;
    resource.resource_name = "orders";
    resource.configuration_keys = {{key}};
    const auto entry = ask(std::move(request)).results.at(0).configs.at(0);
    return {entry.value.value_or("(null)"), entry.config_source == kafka::ConfigSource::topic};
  }
  Uuid topic_;
  std::vector<kafka::EnsureMirrorTopicsRequest::MirrorTopicConfig> configs_;
};

}  // namespace isthmus::broker
