// Fetch: records as ranges of files, from the page cache to the socket without a copy.
//
// A follower reads up to the end of the log, and says with its offset what it has durably
// (broker/replica/replica.h). It asks on a listener for brokers, under its number and start
// (KIP-903), and names only what has changed since it asked last (fetch_session.h). Clients name
// all of their partitions each time: no session is kept for them (session id 0 is legal).
//
// Where a selector of replicas is configured (KIP-392), a consumer that says where it is, and is
// not where the leader is, is told which replica is nearer and has what it asks for; and a follower
// answers consumers.
//
// A client that owes its quota something already is given nothing: an answer without partitions,
// which Kafka's clients know (KIP-219). What is given may be more than is left, and is paid for by
// waiting: a batch is whole, and larger than many a quota.
#include <algorithm>
#include <map>
#include <tuple>

#include "broker/handlers/fetch_session.h"
#include "broker/handlers/handlers.h"
#include "broker/handlers/known_brokers.h"
#include "broker/handlers/leader_hints.h"
#include "broker/replica/verdicts.h"
#include "broker/replica/waiters.h"
#include "kafka/gen/fetch.h"
#include "server/budget.h"
#include "server/throttle.h"

namespace isthmus::broker {

namespace {

using kafka::ErrorCode;
using PartitionData = kafka::FetchResponse::PartitionData;

constexpr int64_t max_response_bytes = 55 << 20;  // Kafka's fetch.max.bytes

// No poll waits longer, whatever it asks for: an answer without records is always right, and a
// client that has vanished without a word is forgotten in the end.
constexpr auto longest_wait = std::chrono::minutes(1);
// Nor longer than this where too many wait already: requests that are let in as others end must
// not stand still.
constexpr auto crowded_wait = io::milliseconds(100);
// Whose clients know that a follower may answer (KIP-392).
constexpr int16_t first_from_followers = 11;
// Of partitions, between which others go on.
constexpr size_t slice = 200;
// A poll looks at all its partitions when one of them has something new. Where they are many it
// does so only so often that it takes a part of the loop, not all of it.
constexpr auto pause_per_partition = std::chrono::microseconds(10);
constexpr auto longest_pause = io::milliseconds(500);
// How often a poll that waits looks whether its connection still wants the answer.
constexpr auto look_around = std::chrono::seconds(1);

// What is kept of a partition while a poll waits.
struct Item {
  PartitionRef partition;
  ReadSpec spec;
  size_t topic = 0;  // among those of the answer
  PartitionIndex index = 0;
  Uuid topic_id = {};
  bool is_watched = false;  // its news are told already
  bool has_more = false;    // there was no room for its records
  bool by_follower = false;
};

struct Work {
  kafka::RequestHeader header;
  kafka::FetchResponse response;
  std::vector<Item> items;
  std::vector<PartitionData> answers;  // of `items`, since the last read
  int64_t max_bytes = 0;
  int64_t min_bytes = 0;
  io::Instant deadline;
  int64_t bytes_left = 0;
  int64_t bytes = 0;
  bool is_over = false;  // it does not wait for records

  size_t size() const {
    return items.size() * (sizeof(Item) + sizeof(std::weak_ptr<FetchWait>)) +
           response.responses.size() * sizeof(kafka::FetchResponse::FetchableTopicResponse);
  }
};

void fill(PartitionData& answer, const Item& item, ReadResult result) {
  answer.error_code = result.error;
  answer.high_watermark = result.high_watermark;
  answer.last_stable_offset = result.last_stable_offset;
  answer.log_start_offset = result.start_offset;
  answer.records = std::move(result.records);
  answer.preferred_read_replica = result.preferred;
  if (item.spec.read_committed) {
    auto& aborted = answer.aborted_transactions.emplace();
    for (const auto& a : result.aborted) aborted.push_back({a.producer_id, a.first_offset});
  }
  if (result.diverging) {
    answer.diverging_epoch.epoch = result.diverging->epoch;
    answer.diverging_epoch.end_offset = result.diverging->end_offset;
  }
}

// Reads what lies on this loop. The first batch of a response is given whole, however large.
io::Task<void> read_all(io::Loop& loop, Work& work, std::vector<size_t> items,
                        std::shared_ptr<FetchWait> wait) {
  const std::shared_ptr<FetchWait> nobody;
  size_t count = 0;
  for (size_t i : items) {
    if (++count % slice == 0) co_await io::yield(loop);
    Item& item = work.items[i];
    ReadSpec spec = item.spec;
    spec.max_bytes = std::min<uint64_t>(spec.max_bytes, std::max<int64_t>(0, work.bytes_left));
    spec.at_least_one_batch = work.bytes == 0;
    ReadResult result = item.partition.read(spec, item.is_watched ? nobody : wait);
    item.has_more = result.has_more;
    item.by_follower = result.by_follower;
    auto size = static_cast<int64_t>(result.records.size());
    work.bytes += size;
    work.bytes_left -= size;
    work.is_over |= result.error != ErrorCode::none || result.diverging || result.preferred >= 0;
    fill(work.answers[i], item, std::move(result));
  }
}

io::Task<void> read_everywhere(Work& work, std::shared_ptr<FetchWait> wait) {
  work.bytes = 0;
  work.bytes_left = work.max_bytes;
  work.answers.resize(work.items.size());
  std::map<io::Loop*, std::vector<size_t>> by_loop;
  for (size_t i = 0; i < work.items.size(); ++i) {
    const Item& item = work.items[i];
    work.answers[i].partition_index = item.index;
    if (item.partition) {
      by_loop[&item.partition.loop()].push_back(i);
      continue;
    }
    work.answers[i].error_code = item.partition.absence();
    work.answers[i].high_watermark = -1;
    work.is_over = true;
  }
  for (auto& [loop, items] : by_loop) {
    co_await io::call_on(*loop, read_all(*loop, work, std::move(items), wait));
  }
}

// Before version 15 a follower does not say of which start it is, and none of this cluster asks so.
constexpr int16_t first_with_starts = 15;

std::optional<ReadingFollower> follower_of(const kafka::FetchRequest& message, int16_t version) {
  ReadingFollower follower{message.replica_id, -1};
  if (version >= first_with_starts) {
    const auto& state = message.replica_state;
    follower = {state.replica_id, static_cast<int32_t>(state.replica_epoch)};
  }
  return follower.node >= 0 ? std::optional(follower) : std::nullopt;
}

// A mirror has the same right. At a listener that is for mirrors and not for brokers it passes for
// none of them.
bool is_broker(const Context& context, const server::ConnectionContext& connection) {
  constexpr auto needed =
      kafka::need<kafka::FetchRequest>(AclOperation::cluster_action, ResourceType::cluster);
  const bool may = connection.private_api && context.rights_of(connection).may_on_cluster(needed);
  if (!may) return false;
  const auto& peers = context.listener(connection.listener).peers;
  return std::ranges::find(peers, process::Peer::brokers) != peers.end();
}

// A session of who may have one, if the request begins it.
std::shared_ptr<FetchSession> begin_session(const Context& context,
                                            const kafka::FetchRequest& message,
                                            const server::Request& request) {
  const int16_t version = request.header.api_version;
  const bool may = version >= first_with_starts && follower_of(message, version) &&
                   is_broker(context, *request.connection);
  if (message.session_epoch != FetchSession::begins || !may) return nullptr;
  const int32_t id = fetch_session_id(context.config.cluster.number, request.connection->id);
  return std::make_shared<FetchSession>(id, message,
                                        std::make_shared<FetchWait>(*request.connection->loop));
}

// The session that the request begins or goes on with, or none. Who is refused begins anew.
Result<std::shared_ptr<FetchSession>> session_of(const Context& context,
                                                 const kafka::FetchRequest& message,
                                                 const server::Request& request) {
  auto& kept = request.connection->kept;
  if (message.session_epoch <= FetchSession::begins) {
    auto session = begin_session(context, message, request);
    kept = session;
    return session;
  }
  auto session = std::dynamic_pointer_cast<FetchSession>(kept);
  const bool may = session && follower_of(message, request.header.api_version) &&
                   is_broker(context, *request.connection);
  const ErrorCode error = may ? session->take(message) : ErrorCode::fetch_session_id_not_found;
  if (error != ErrorCode::none) return refuse(error, "of a fetch session");
  return session;
}

// Brokers where the reader is, if this one is not there. Only consumers say where they are.
std::shared_ptr<const std::vector<NodeId>> nearer_than_this(const Context& context,
                                                            const Image& image,
                                                            const std::string& listener,
                                                            const std::string& rack) {
  const auto& broker = context.config.broker;
  if (broker.replica_selector != process::ReplicaSelector::rack_aware) return nullptr;
  if (rack.empty() || rack == broker.rack) return nullptr;
  auto nearer = std::make_shared<std::vector<NodeId>>();
  for (const auto& known : known_brokers(context, image, listener)) {
    if (known.rack == rack) nearer->push_back(known.node);
  }
  return nearer->empty() ? nullptr : nearer;
}

ReadSpec spec_of(const kafka::FetchRequest::FetchPartition& partition) {
  ReadSpec spec;
  spec.offset = partition.fetch_offset;
  spec.current_leader_epoch = partition.current_leader_epoch;
  spec.last_fetched_epoch = partition.last_fetched_epoch;
  spec.max_bytes = static_cast<uint64_t>(std::max(0, partition.partition_max_bytes));
  return spec;
}

// A topic that was made anew since may have the name already.
PartitionRef find_by_id(const Context& context, const Image& image, const Uuid& topic,
                        PartitionIndex index) {
  const TopicImage* found = image.find(topic);
  if (found == nullptr) return PartitionRef(ErrorCode::unknown_topic_id);
  auto partition = context.partitions.find(found->name, index);
  const bool is_another = partition && partition.topic_id() != topic;
  return is_another ? PartitionRef(ErrorCode::unknown_topic_id) : partition;
}

// How much, and how long it waits.
Work limits_of(const Context& context, const kafka::FetchRequest& message,
               const server::Request& request) {
  Work work;
  work.header = request.header;
  work.max_bytes = std::clamp<int64_t>(message.max_bytes, 0, max_response_bytes);
  if (const auto* throttle = request.connection->throttle.get()) {
    const auto most = static_cast<int64_t>(throttle->most_at_once(server::QuotaKind::fetch));
    work.max_bytes = std::min(work.max_bytes, most);
  }
  // More than it takes can never come; as batches are whole, it is full within one of its limit.
  const int64_t full =
      std::max<int64_t>(1, work.max_bytes - context.config.broker.message_max_bytes);
  work.min_bytes = std::min<int64_t>(message.min_bytes, full);
  const io::Duration wait = io::milliseconds(std::max(0, message.max_wait_ms));
  work.deadline = request.connection->loop->now() + std::min<io::Duration>(wait, longest_wait);
  return work;
}

Work take_apart(Context& context, const kafka::FetchRequest& message,
                const server::Request& request) {
  Work work = limits_of(context, message, request);
  constexpr auto needed = kafka::need<kafka::FetchRequest>(AclOperation::read, ResourceType::topic);
  const Rights rights = context.rights_of(*request.connection);
  const auto follower = follower_of(message, work.header.api_version);
  const bool may_follow = follower && is_broker(context, *request.connection);
  auto image = context.image.load();
  bool by_id = work.header.api_version >= 13;
  const auto nearer =
      nearer_than_this(context, *image, request.connection->listener, message.rack_id);
  const bool from_followers =
      work.header.api_version >= first_from_followers &&
      context.config.broker.replica_selector != process::ReplicaSelector::leader;
  for (const auto& topic : message.topics) {
    std::string name = topic.topic;
    if (by_id) {
      const TopicImage* found = image->find(topic.topic_id);
      name = found == nullptr ? std::string() : found->name;
    }
    // An id says nothing to who does not know it.
    const bool is_known = !by_id || !name.empty();
    const bool may = follower ? may_follow : !is_known || rights.may(needed, name);
    auto& answer = work.response.responses.emplace_back();
    answer.topic = topic.topic;
    answer.topic_id = topic.topic_id;
    for (const auto& partition : topic.partitions) {
      Item item;
      item.topic = work.response.responses.size() - 1;
      item.index = partition.partition;
      item.spec = spec_of(partition);
      item.spec.read_committed = message.isolation_level == 1;
      item.spec.follower = follower;
      item.spec.from_follower = from_followers && !follower;
      if (!follower) item.spec.nearer = nearer;
      if (follower) item.spec.follower->log_start = partition.log_start_offset;
      item.partition = by_id ? find_by_id(context, *image, topic.topic_id, partition.partition)
                             : context.partitions.find(name, partition.partition);
      if (!may) item.partition = PartitionRef(ErrorCode::topic_authorization_failed);
      work.items.push_back(std::move(item));
    }
  }
  return work;
}

using TopicAnswer = kafka::FetchResponse::FetchableTopicResponse;
// About the last partition of `topic`.
void hint(Context& context, const server::ConnectionContext& connection, int16_t version,
          TopicAnswer& topic, kafka::FetchResponse& response) {
  const auto image = context.image.load();
  const TopicImage* known = version >= 13 ? image->find(topic.topic_id) : image->find(topic.topic);
  auto& answer = topic.partitions.back();
  hint_at_leader(*image, known, answer.partition_index, context.config.broker.node_id,
                 connection.listener, response, answer);
}

// Until one of the partitions has something new, or nobody waits for the answer any more.
io::Task<void> wait_for_data(std::shared_ptr<FetchWait> wait, io::Instant deadline,
                             std::shared_ptr<server::ConnectionContext> connection,
                             size_t partitions) {
  io::Loop& loop = *connection->loop;
  if (partitions > slice) {
    const auto pause = std::min<io::Duration>(partitions * pause_per_partition, longest_pause);
    co_await io::sleep(loop, std::min<io::Duration>(pause, deadline - loop.now()));
  }
  while (!wait->notified() && !connection->ending && loop.now() < deadline) {
    co_await wait->event().wait_until(std::min(deadline, loop.now() + look_around));
  }
}

// A client that is out of range goes on elsewhere: only who leads may say so. Whom a follower tells
// that asks the leader (KIP-392).
io::Task<void> confirm_ranges(Work& work, io::Instant read_at) {
  for (size_t i = 0; i < work.items.size(); ++i) {
    const Item& item = work.items[i];
    PartitionData& answer = work.answers[i];
    const bool is_for_all = !item.spec.follower && !item.by_follower;
    if (!is_for_all || !is_verdict(answer.error_code)) continue;
    const bool stands = co_await item.partition.leads_still(read_at);
    if (!stands) answer.error_code = ErrorCode::not_leader_or_follower;
  }
}

server::Reply answer_fetch(Context& context, Work work,
                           std::shared_ptr<server::ConnectionContext> connection,
                           server::Charge& charge) {
  io::Loop& loop = *connection->loop;
  bool parked = false;
  for (;;) {
    // Registered before reading: what arrives between the two is not missed.
    auto wait = std::make_shared<FetchWait>(loop);
    bool may_wait = loop.now() < work.deadline && work.min_bytes > 0 && !connection->ending;
    co_await read_everywhere(work, may_wait ? wait : nullptr);
    bool enough = work.is_over || work.bytes >= work.min_bytes || work.items.empty();
    if (!may_wait || enough) break;
    if (!parked) parked = charge.park(work.size());
    if (!parked) work.deadline = std::min(work.deadline, loop.now() + crowded_wait);
    work.answers = {};
    co_await wait_for_data(wait, work.deadline, connection, work.items.size());
    if (wait->over()) work.deadline = loop.now();
  }
  co_await confirm_ranges(work, loop.now());
  server::Throttle* throttle = connection->throttle.get();
  const bool brings = work.bytes > 0;
  if (throttle != nullptr && brings && throttle->refuses(server::QuotaKind::fetch)) {
    // Another connection of the same client has had it meanwhile.
    co_return server::encode_response(work.header, kafka::FetchResponse{});
  }
  if (throttle != nullptr) {
    throttle->use(server::QuotaKind::fetch, static_cast<double>(work.bytes));
  }
  for (size_t i = 0; i < work.items.size(); ++i) {
    auto& topic = work.response.responses[work.items[i].topic];
    topic.partitions.push_back(std::move(work.answers[i]));
    if (is_about_leadership(topic.partitions.back().error_code)) {
      hint(context, *connection, work.header.api_version, topic, work.response);
    }
  }
  co_return audited<kafka::FetchRequest>(context, *connection, work.header, work.response, {});
}

using News = std::map<FetchSession::Key, PartitionData>;

// What has to be read of the session now, or all of it.
void take_due(const Context& context, FetchSession& session, const ReadingFollower& follower,
              io::Instant now, bool all, Work& work) {
  const auto image = context.image.load();
  work.items.clear();
  for (const auto& [key, asked] : session.to_read(now, all)) {
    Item& item = work.items.emplace_back();
    std::tie(item.topic_id, item.index) = key;
    item.spec = spec_of(asked);
    item.spec.follower = follower;
    item.spec.follower->log_start = asked.log_start_offset;
    item.partition = find_by_id(context, *image, item.topic_id, item.index);
    item.is_watched = !session.watch(key, item.partition.identity());
  }
}

void tell(FetchSession& session, Work& work, News& news) {
  for (size_t i = 0; i < work.items.size(); ++i) {
    const FetchSession::Key key{work.items[i].topic_id, work.items[i].index};
    if (session.tell(key, work.answers[i], work.items[i].has_more)) {
      news[key] = std::move(work.answers[i]);
    }
  }
}

void put_together(Context& context, const server::ConnectionContext& connection, News news,
                  Work& work) {
  auto& topics = work.response.responses;
  for (auto& [key, data] : news) {
    if (topics.empty() || topics.back().topic_id != key.first) {
      topics.emplace_back().topic_id = key.first;
    }
    topics.back().partitions.push_back(std::move(data));
    if (is_about_leadership(topics.back().partitions.back().error_code)) {
      hint(context, connection, work.header.api_version, topics.back(), work.response);
    }
  }
}

// As above, of what the session has; any byte is enough for a follower.
server::Reply answer_follower(Context& context, Work work, std::shared_ptr<FetchSession> session,
                              ReadingFollower follower,
                              std::shared_ptr<server::ConnectionContext> connection,
                              server::Charge& charge) {
  io::Loop& loop = *connection->loop;
  News news;
  bool parked = false;
  for (;;) {
    for (const auto& key : session->wait()->take_news()) session->on_news(key);
    const bool is_last = loop.now() >= work.deadline || work.min_bytes <= 0 || connection->ending;
    take_due(context, *session, follower, loop.now(), is_last, work);
    co_await read_everywhere(work, session->wait());
    tell(*session, work, news);
    if (is_last || work.is_over || work.bytes > 0) break;
    if (!parked) parked = charge.park(work.size());
    if (!parked) work.deadline = std::min(work.deadline, loop.now() + crowded_wait);
    co_await wait_for_data(session->wait(), work.deadline, connection, 0);
  }
  work.response.session_id = session->id();
  put_together(context, *connection, std::move(news), work);
  co_return audited<kafka::FetchRequest>(context, *connection, work.header, work.response, {});
}

}  // namespace

io::Task<server::Reply> fetch(Context& context, server::Request request) {
  auto message = server::decode_request<kafka::FetchRequest>(request);
  if (!message) co_return refuse_malformed(request, message.error());
  using Topic = kafka::FetchRequest::FetchTopic;
  if (names_too_many<&Topic::partitions>(message->topics)) {
    co_return refuse_malformed(request, too_many_partitions());
  }
  const auto session = session_of(context, *message, request);
  if (!session) {
    kafka::FetchResponse response;
    response.error_code = error_code(session.error());
    co_return server::reply_with(request.header, response);
  }
  if (const auto& of_follower = *session) {
    if (of_follower->size() > most_partitions) {
      co_return refuse_malformed(request, too_many_partitions());
    }
    co_return answer_follower(context, limits_of(context, *message, request), of_follower,
                              *follower_of(*message, request.header.api_version),
                              request.connection, *request.charge);
  }
  server::Throttle* throttle = request.connection->throttle.get();
  if (throttle != nullptr && throttle->refuses(server::QuotaKind::fetch)) {
    co_return server::reply_with(request.header, kafka::FetchResponse{});
  }
  co_return answer_fetch(context, take_apart(context, *message, request), request.connection,
                         *request.charge);
}

}  // namespace isthmus::broker
