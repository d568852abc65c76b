// A site of one scripted broker, or more, over real TCP: they tell its topics and who has taken
// over whose routes; a test scripts the rest with `broker.on`.
#pragma once

#include "kafka/gen/metadata.h"
#include "kafka/gen/site_record.h"
#include "tests/client/fake_broker.h"

namespace isthmus::router {

class SiteBroker : public client::FakeBroker {
 public:
  using FakeBroker::FakeBroker;

  void closed(server::ConnectionContext&) override { ++closed_connections; }

  int closed_connections = 0;
};

class FakeSite {
 public:
  FakeSite(io::RealWorld& world, std::string site_name, NodeId node)
      : name(std::move(site_name)), broker(world, node) {
    told.name = name;
    metadata.cluster_id = name;
    metadata.controller_id = node;
    take_in(broker);
  }

  // One more, which tells the same. Before the site starts.
  SiteBroker& add_broker(io::RealWorld& world, NodeId node) {
    others.push_back(std::make_unique<SiteBroker>(world, node));
    take_in(*others.back());
    return *others.back();
  }

  void start() {
    broker.start();
    for (auto& other : others) other->start();
  }
  io::Task<void> stop() {
    co_await broker.stop();
    for (auto& other : others) co_await other->stop();
  }

  void add_topic(const std::string& topic) {
    auto& added = metadata.topics.emplace_back();
    added.name = topic;
    added.topic_id.bytes[0] = static_cast<uint8_t>(topic[0]);
    added.partitions.push_back(
        {kafka::ErrorCode::none, 0, broker.id, 5, {broker.id}, {broker.id}, {}});
  }

  // Its record of routes says that tokyo is in charge of seoul's.
  void learn_of_takeover() {
    told.route_version = 1;
    told.routes = {{"seoul", "tokyo"}};
  }

  const std::string name;
  SiteBroker broker;
  std::vector<std::unique_ptr<SiteBroker>> others;
  kafka::MetadataResponse metadata;
  kafka::SiteRecordResponse told;          // at once, whatever the asker knows
  std::vector<std::string> asked_by_name;  // topics that metadata was asked for
  bool may_create = false;                 // of the latest metadata request with names

 private:
  void take_in(SiteBroker& each) {
    metadata.brokers.push_back({each.id, each.address.host, each.address.port, std::nullopt});
    each.on<kafka::SiteRecordRequest>([this](const auto&) {
      told.version = told.route_version;
      return std::optional(told);
    });
    each.on<kafka::MetadataRequest>([this](const auto& request) { return describe(request); });
  }
  std::optional<kafka::MetadataResponse> describe(const kafka::MetadataRequest& request) {
    if (!request.topics) return metadata;
    kafka::MetadataResponse response = metadata;
    response.topics.clear();
    may_create = request.allow_auto_topic_creation;
    for (const auto& asked : *request.topics) {
      asked_by_name.push_back(asked.name.value_or("an id"));
      response.topics.push_back(find(asked));
    }
    return response;
  }
  kafka::MetadataResponse::MetadataResponseTopic find(
      const kafka::MetadataRequest::MetadataRequestTopic& asked) const {
    for (const auto& topic : metadata.topics) {
      if (asked.name ? topic.name == asked.name : topic.topic_id == asked.topic_id) return topic;
    }
    kafka::MetadataResponse::MetadataResponseTopic unknown;
    unknown.name = asked.name;
    unknown.topic_id = asked.topic_id;
    unknown.error_code = asked.name ? kafka::ErrorCode::unknown_topic_or_partition
                                    : kafka::ErrorCode::unknown_topic_id;
    return unknown;
  }
};

}  // namespace isthmus::router
