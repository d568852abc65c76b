// Metadata: the brokers, and topics with their leaders. Unknown topics are created where the client
// allows it and the broker's options do, but for a site whose topics are at home elsewhere.
//
// Who may not describe a topic is told nothing of it: it is missing among all topics, and refused
// where it is named, whether there is one or not.
//
// Between a hand-over and the other site's word nobody leads a topic. Who asks then waits a little:
// a router that is told of the new leader meanwhile asks there, and its client never hears of the
// old one again.
#include "broker/handlers/handlers.h"
#include "broker/handlers/known_brokers.h"
#include "broker/handlers/topic_creation.h"
#include "broker/link/switchovers.h"
#include "kafka/gen/metadata.h"

namespace isthmus::broker {

namespace {

using kafka::ErrorCode;

// Of partitions, between which others go on.
constexpr size_t slice = 500;
// A hand-over is answered in less, unless the other site is dead.
constexpr auto move_wait = std::chrono::seconds(1);

using Topic = kafka::MetadataResponse::MetadataResponseTopic;
using Partition = kafka::MetadataResponse::MetadataResponsePartition;
using Request = kafka::MetadataRequest;

constexpr auto to_describe = kafka::need<Request>(AclOperation::describe, ResourceType::topic);
constexpr auto to_create = kafka::need<Request>(AclOperation::create, ResourceType::topic);
constexpr auto to_create_any = kafka::need<Request>(AclOperation::create, ResourceType::cluster);

// Who asks, and for what.
struct Asking {
  const server::ConnectionContext* connection = nullptr;
  NodeId self = -1;  // who answers
  const LiveBrokers* live = nullptr;
  Rights rights;
  bool may_create = false;  // by the request and the options
  bool operations = false;  // tell what is authorized (KIP-430)
};

// As Kafka tells of a partition whose only replica is on a failed disk: no leader, and the replica
// offline. What can be read still keeps its leader: producers are told by it.
void tell_of_outage(const PartitionRef& partition, NodeId self, Partition& out) {
  auto outage = partition.outage();
  if (outage) out.offline_replicas = {self};
  if (partition && (!outage || outage->readable)) return;
  out.leader_id = -1;
  out.error_code = ErrorCode::leader_not_available;
}

Topic describe(const PartitionTable& partitions, const Image& image, const TopicImage& topic,
               const Asking& asking) {
  Topic out;
  if (asking.operations) {
    out.topic_authorized_operations = asking.rights.operations(ResourceType::topic, topic.name);
  }
  out.name = topic.name;
  out.topic_id = topic.id;
  out.is_internal = is_internal(topic.name);
  for (size_t i = 0; i < topic.partitions.size(); ++i) {
    auto& partition = out.partitions.emplace_back();
    partition.partition_index = static_cast<PartitionIndex>(i);
    const PartitionImage& known = topic.partitions[i];
    partition.leader_id = known.leader;
    if (known.leader < 0) partition.error_code = ErrorCode::leader_not_available;
    partition.leader_epoch = epoch_in_force(known, image);
    partition.replica_nodes = known.replicas;
    partition.isr_nodes = known.isr;
    // Clients ask again at once; what brokers, mirrors and routers ask, they ask again anyhow.
    const bool may_be_gone = !asking.connection->private_api && known.leader != asking.self &&
                             asking.live->is_silent(known.leader, asking.connection->loop->now());
    if (may_be_gone) {
      partition.leader_id = -1;
      partition.error_code = ErrorCode::leader_not_available;
    }
    if (known.leader == asking.self) {
      tell_of_outage(partitions.find(topic.name, partition.partition_index), asking.self,
                     partition);
    }
  }
  return out;
}

Topic refusal(const Request::MetadataRequestTopic& wanted, ErrorCode code) {
  Topic out;
  out.error_code = code;
  out.name = wanted.name;
  out.topic_id = wanted.topic_id;
  return out;
}

// Of a topic that may be described and is not there: what would be authorized is told all the same.
Topic absence(const Request::MetadataRequestTopic& wanted, ErrorCode code, const Asking& asking) {
  Topic out = refusal(wanted, code);
  if (asking.operations) {
    out.topic_authorized_operations =
        asking.rights.operations(ResourceType::topic, wanted.name.value_or(""));
  }
  return out;
}

// On the main loop.
io::Task<Result<void>> create_now(Context& context, NewTopic wish) {
  const auto turn = context.switchovers.topic_changes().turn({});
  auto done = co_await create_topic(context, std::move(wish), turn);
  co_return done;
}

void note_created(const Context& context, const server::ConnectionContext& connection,
                  const std::string& name) {
  if (!context.audit.enabled()) return;
  kafka::RequestHeader header;
  header.api_key = static_cast<int16_t>(Request::api_key);
  header.client_id = connection.client_id;
  note_outcome(context, connection, header, {.type = "topic", .names = {name}, .detail = "create"},
               ErrorCode::none);
}

io::Task<ErrorCode> auto_create(Context& context, const server::ConnectionContext& connection,
                                const std::string& name) {
  NewTopic wish;
  wish.name = name;
  wish.partitions = context.config.broker.num_partitions;
  // In a switchover the client asks again: the topics beside this one are not kept from it.
  auto done = co_await io::call_on(context.env.main_loop(), create_now(context, std::move(wish)));
  if (done) {
    note_created(context, connection, name);
    co_return ErrorCode::none;
  }
  ErrorCode code = error_code(done.error());
  if (code == ErrorCode::not_controller) co_return ErrorCode::leader_not_available;
  co_return code == ErrorCode::topic_already_exists ? ErrorCode::none : code;
}

io::Task<Topic> one_topic(Context& context, Request::MetadataRequestTopic wanted,
                          const Asking& asking) {
  auto image = context.image.load();
  bool by_id = !wanted.topic_id.is_zero();
  const std::string name = wanted.name.value_or("");
  const TopicImage* found = by_id ? image->find(wanted.topic_id) : image->find(name);
  if (by_id && found == nullptr) co_return refusal(wanted, ErrorCode::unknown_topic_id);
  if (!asking.rights.may(to_describe, by_id ? found->name : name)) {
    co_return refusal(wanted, ErrorCode::topic_authorization_failed);
  }
  if (found != nullptr) co_return describe(context.partitions, *image, *found, asking);
  if (!check_topic_name(name)) {
    co_return absence(wanted, ErrorCode::invalid_topic_exception, asking);
  }
  if (!asking.may_create || is_internal(name) || is_standby(*image)) {
    co_return absence(wanted, ErrorCode::unknown_topic_or_partition, asking);
  }
  if (!asking.rights.may_on_cluster(to_create_any) && !asking.rights.may(to_create, name)) {
    co_return refusal(wanted, ErrorCode::topic_authorization_failed);
  }
  ErrorCode code = co_await auto_create(context, *asking.connection, name);
  if (code != ErrorCode::none) co_return absence(wanted, code, asking);
  auto now = context.image.load();
  const TopicImage* created = now->find(name);
  if (created == nullptr) co_return absence(wanted, ErrorCode::leader_not_available, asking);
  co_return describe(context.partitions, *now, *created, asking);
}

bool is_handed_over(const TopicImage& topic) {
  const auto* nobody = topic.writer.nobody();
  return nobody != nullptr && !nobody->stepped_down;
}

bool asks_for_moving(const Image& image, const Request& message) {
  const auto handed_over = [](const auto& entry) {
    return entry.second.phase == SwitchoverImage::Phase::handed_over;
  };
  if (std::ranges::none_of(image.switchovers, handed_over)) return false;
  if (!message.topics || message.topics->empty()) return true;
  return std::ranges::any_of(*message.topics, [&](const auto& asked) {
    const bool by_id = !asked.topic_id.is_zero();
    const TopicImage* topic =
        by_id ? image.find(asked.topic_id) : image.find(asked.name.value_or(""));
    return topic != nullptr && is_handed_over(*topic);
  });
}

// On the main loop.
io::Task<void> end_of_move(Context& context, const Request& message) {
  io::Event& settled = context.controller.settled();
  const io::Instant deadline = context.env.main_loop().now() + move_wait;
  while (asks_for_moving(*context.controller.snapshot(), message) && !settled.closed() &&
         context.env.main_loop().now() < deadline) {
    co_await settled.wait_until(deadline);
  }
}

// Before version 1 an empty list means all topics; since then a null one does.
bool wants_all(const Request& message, int16_t version) {
  return !message.topics || (version == 0 && message.topics->empty());
}

// The first of what a site says of itself; the topics follow.
kafka::MetadataResponse describe_cluster(const Context& context, const Image& image,
                                         const std::string& listener) {
  kafka::MetadataResponse response;
  for (const auto& [node, address, rack] : known_brokers(context, image, listener)) {
    auto& broker = response.brokers.emplace_back();
    broker.node_id = node;
    broker.host = address.host;
    broker.port = address.port;
    if (!rack.empty()) broker.rack = rack;
  }
  response.cluster_id = image.cluster_id.to_string();
  response.controller_id = controller_of(context, image);
  return response;
}

io::Task<kafka::MetadataResponse> gather(Context& context, Request message,
                                         std::shared_ptr<server::ConnectionContext> connection,
                                         int16_t version) {
  Asking asking{.connection = connection.get(),
                .self = context.config.broker.node_id,
                .live = &context.live,
                .rights = context.rights_of(*connection),
                .operations = message.include_topic_authorized_operations};
  if (asks_for_moving(*context.image.load(), message)) {
    co_await io::call_on(context.env.main_loop(), end_of_move(context, message));
  }
  auto image = context.image.load();
  auto response = describe_cluster(context, *image, connection->listener);
  if (message.include_cluster_authorized_operations) {
    response.cluster_authorized_operations = asking.rights.operations_on_cluster();
  }
  if (wants_all(message, version)) {
    size_t partitions = 0;
    for (const auto& [name, topic] : image->topics) {
      partitions += topic->partitions.size();
      if (partitions > slice) {
        partitions = 0;
        co_await io::yield(*io::Loop::current());
      }
      if (!asking.rights.may(to_describe, name)) continue;
      response.topics.push_back(describe(context.partitions, *image, *topic, asking));
    }
  } else {
    // A site whose routes another has taken over would make topics that the router looks for there,
    // and that no link could then join.
    const auto& in_charge = image->routes.takeovers.in_charge_of(image->cluster_name);
    const bool moved_away = in_charge != image->cluster_name;
    asking.may_create = context.config.broker.auto_create_topics && !moved_away &&
                        (version < 4 || message.allow_auto_topic_creation);
    for (auto& wanted : *message.topics) {
      auto topic = co_await one_topic(context, std::move(wanted), asking);
      response.topics.push_back(std::move(topic));
    }
  }
  co_return response;
}

}  // namespace

io::Task<server::Reply> metadata(Context& context, server::Request request) {
  return answer<Request, gather>(context, std::move(request));
}

}  // namespace isthmus::broker
