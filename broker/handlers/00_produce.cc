// Produce: hand the batches to their partitions in the order of arrival (first stage), answer when
// the records are as safe as the producer asked (second stage). Batches are checked on the
// connection's loop and handed over on the partitions' loops, with one hop for each loop; there
// they are written together with what else arrives in that turn.
//
// What meets a fence waits for its end in the first stage: the connection gives out no further
// request meanwhile, so its order holds, and one request of each client is kept here at most.
//
// Its bytes count for a quota as they arrive: the connection reads no further request until they
// are paid for, and this one is answered meanwhile (KIP-219).
//
// What takes long to check goes to the workers. Meanwhile the connection gives out no further
// request, so its order holds, and no other connection waits: each has one batch there at most, and
// they take their turns.
#include <map>
#include <utility>

#include "broker/controller/topic_plans.h"
#include "broker/handlers/handlers.h"
#include "broker/handlers/leader_hints.h"
#include "broker/replica/append_group.h"
#include "broker/replica/fence_wait.h"
#include "kafka/gen/produce.h"
#include "kafka/validate.h"
#include "server/budget.h"
#include "server/throttle.h"

namespace isthmus::broker {

namespace {

using kafka::ErrorCode;
using PartitionResponse = kafka::ProduceResponse::PartitionProduceResponse;
using Type = ResourceType;

// Of appends, between which others go on.
constexpr size_t slice = 50;

// One partition's share of a request, from its batch to its answer.
struct Item {
  PartitionRef partition;
  Slice batch;
  kafka::BatchHeader header;
  PartitionResponse answer;
  std::shared_ptr<PendingAppend> pending;

  bool failed() const { return answer.error_code != ErrorCode::none; }
  void refuse(ErrorCode code, std::string why) {
    answer.error_code = code;
    answer.error_message = std::move(why);
  }
  void refuse(const Error& error) { refuse(error_code(error), error.text); }
  void refuse(kafka::Verdict verdict) {
    refuse(verdict.error, std::move(verdict.text));
    for (auto& fault : verdict.faults) {
      answer.record_errors.push_back({fault.index, std::move(fault.text)});
    }
  }
};

struct Work {
  kafka::RequestHeader header;
  std::shared_ptr<server::ConnectionContext> connection;
  AuditSubject subject;
  int16_t acks = 0;
  io::Instant deadline;
  ClientWriter writer;
  std::vector<std::string> topics;  // their names, in order
  std::vector<size_t> topic_of;     // of each item
  std::vector<Item> items;
};

// What one request may have its connection's loop do for the check of its records: some
// milliseconds, however many batches it brings.
struct LoopShare {
  size_t unpacked = size_t{1} << 20;
  size_t records = 200'000;

  // Nearly all batches; the small ones may turn out to be large.
  bool may_begin(const kafka::BatchHeader& header) const {
    constexpr size_t small = size_t{64} << 10;
    const bool packed = header.compression() != kafka::Compression::none;
    return std::cmp_less_equal(header.record_count, records) &&
           (!packed || (header.total_size() <= small && unpacked > 0));
  }
  void take(const kafka::BatchHeader& header, size_t walked) {
    records -= static_cast<size_t>(header.record_count);
    if (header.compression() != kafka::Compression::none) unpacked -= std::min(unpacked, walked);
  }
};

// What the producer may do with a topic, and in transactions.
struct May {
  bool write = true, transact = true;
};

// The header and the CRC. What a log demands of the records comes afterwards.
void check(Item& item, const Rope& records, int16_t version, May may) {
  auto bytes = records.flatten();
  if (!bytes) return item.refuse(ErrorCode::invalid_record, "no records");
  auto read = kafka::read_produced_header(*bytes);
  if (!read.verdict.accepted()) return item.refuse(std::move(read.verdict));
  if (read.header.is_transactional() && !may.transact) {
    return item.refuse(ErrorCode::transactional_id_authorization_failed,
                       "not authorized for this transactional id");
  }
  if (read.header.is_transactional()) {
    return item.refuse(ErrorCode::invalid_txn_state, "transactions are not supported yet");
  }
  if (read.header.compression() == kafka::Compression::zstd && version < 7) {
    return item.refuse(ErrorCode::unsupported_compression_type, "zstd needs produce version 7");
  }
  item.batch = *bytes;
  item.header = read.header;
}

io::Task<kafka::Verdict> judge(io::Workers& workers, Item& item, kafka::RecordRules rules,
                               int64_t now_ms, LoopShare& share) {
  if (share.may_begin(item.header)) {
    kafka::RecordRules here = rules;
    here.max_unpacked = std::min(rules.max_unpacked, share.unpacked);
    auto verdict = kafka::validate_records(item.batch, item.header, here, now_ms);
    share.take(item.header, verdict.walked);
    const bool unfinished =
        verdict.error == ErrorCode::message_too_large && here.max_unpacked < rules.max_unpacked;
    if (!unfinished) co_return verdict;
  }
  auto verdict = co_await io::run_on(
      workers, [batch = item.batch, header = item.header, rules = std::move(rules), now_ms] {
        return kafka::validate_records(batch, header, rules, now_ms);
      });
  co_return verdict;
}

// The largest timestamp, as the records say it. A producer may have left it out, or be wrong; Kafka
// sets it too. Retention, rolling and lookups by time go by it.
void set_max_timestamp(Item& item, int64_t timestamp) {
  std::vector<uint8_t> bytes(item.batch.view().begin(), item.batch.view().end());
  kafka::set_max_timestamp(bytes, timestamp);
  item.batch = Slice::take(std::move(bytes));
}

io::Task<void> check_records(io::Workers& workers, Work& work, int64_t now_ms) {
  LoopShare share;
  for (Item& item : work.items) {
    if (item.failed()) continue;
    const auto rules = item.partition.record_rules();
    auto verdict = co_await judge(workers, item, *rules, now_ms, share);
    if (!verdict.accepted()) {
      item.refuse(std::move(verdict));
    } else if (rules->timestamp_type == kafka::TimestampType::create_time &&
               verdict.max_timestamp != item.header.max_timestamp) {
      set_max_timestamp(item, verdict.max_timestamp);
    }
  }
}

io::Task<void> hand_over(io::Loop& loop, Work& work, std::vector<size_t> items) {
  size_t count = 0;
  for (size_t i : items) {
    if (++count % slice == 0) co_await io::yield(loop);
    Item& item = work.items[i];
    item.pending = co_await item.partition.enqueue(work.writer, std::move(item.batch));
  }
}

// Until what met a fence is written, or refused. It leaves the room of those that are worked on:
// the end of the fence comes as a request, too.
io::Task<void> wait_at_fence(server::Charge& charge, size_t bytes, Work& work) {
  bool waits = false;
  for (Item& item : work.items) {
    if (!item.pending || !item.pending->held) continue;
    if (!waits) charge.park(bytes);
    waits = true;
    (void)co_await item.partition.written(item.pending);
  }
}

// Until it is written, and safe if that was asked.
io::Task<void> await_outcome(Item& item, const Work& work) {
  auto done = co_await item.partition.written(std::move(item.pending));
  if (!done) co_return item.refuse(done.error());
  item.answer.base_offset = done->first_offset;
  item.answer.log_append_time_ms = done->log_append_time;
  item.answer.log_start_offset = done->log_start;
  if (work.acks != -1) co_return;
  auto safe = co_await item.partition.committed(done->last_offset + 1, work.deadline, done->tenure);
  if (!safe) item.refuse(safe.error());
}

server::Reply finish(Context& context, std::shared_ptr<Work> work) {
  for (Item& item : work->items) {
    if (item.pending) co_await await_outcome(item, *work);
    // With acks=0 there is no answer that could carry an error. Kafka ends the connection, so that
    // the producer looks for the leader again; so do we.
    if (work->acks == 0 && item.failed()) work->connection->end("produce with acks=0 failed");
  }
  kafka::ProduceResponse response;
  for (const auto& topic : work->topics) response.responses.push_back({.name = topic});
  for (size_t i = 0; i < work->items.size(); ++i) {
    auto& topic = response.responses[work->topic_of[i]];
    topic.partition_responses.push_back(std::move(work->items[i].answer));
    auto& answer = topic.partition_responses.back();
    if (!is_about_leadership(answer.error_code)) continue;
    const auto image = context.image.load();
    hint_at_leader(*image, image->find(topic.name), answer.index, context.config.broker.node_id,
                   work->connection->listener, response, answer);
  }
  note_answer<kafka::ProduceRequest>(context, *work->connection, work->header, response,
                                     work->subject);
  if (work->acks == 0) co_return std::nullopt;
  co_return server::encode_response(work->header, response);
}

Item item_of(Context& context, const std::string& topic,
             const kafka::ProduceRequest::PartitionProduceData& data, int16_t acks, int16_t version,
             May may) {
  Item item;
  item.answer.index = data.index;
  item.answer.base_offset = -1;
  item.answer.log_append_time_ms = -1;
  if (!may.write) {
    item.refuse(ErrorCode::topic_authorization_failed, "not authorized to write this topic");
    return item;
  }
  item.partition = context.partitions.find(topic, data.index);
  if (acks < -1 || acks > 1) {
    item.refuse(ErrorCode::invalid_required_acks, "acks is -1, 0 or 1");
  } else if (is_internal(topic)) {
    item.refuse(ErrorCode::invalid_topic_exception, "only the cluster writes its own topics");
  } else if (!item.partition) {
    item.refuse(item.partition.absence(), "no such partition here");
  } else {
    check(item, data.records, version, may);
  }
  return item;
}

std::shared_ptr<Work> take_apart(Context& context, const server::Request& request,
                                 kafka::ProduceRequest& message) {
  auto work = std::make_shared<Work>();
  work->header = request.header;
  work->connection = request.connection;
  work->acks = message.acks;
  work->subject = subject_of(context, message);
  int32_t timeout_ms = std::max(0, message.timeout_ms);
  const io::Instant now = request.connection->loop->now();
  work->deadline = now + io::milliseconds(timeout_ms);
  work->writer.opened_at = request.connection->opened_at;
  work->writer.acks_all = message.acks == -1;
  const bool may_wait = request.charge->can_park(request.frame.size());
  if (may_wait) work->writer.waits_until = now + fence_wait_of(timeout_ms);
  constexpr auto to_write = kafka::need<kafka::ProduceRequest>(AclOperation::write, Type::topic);
  constexpr auto to_transact =
      kafka::need<kafka::ProduceRequest>(AclOperation::write, Type::transactional_id);
  const Rights rights = context.rights_of(*request.connection);
  May may;
  const auto& transactional_id = message.transactional_id;
  may.transact = !transactional_id || rights.may(to_transact, *transactional_id);
  for (auto& topic : message.topic_data) {
    work->topics.push_back(topic.name);
    may.write = rights.may(to_write, topic.name);
    for (auto& data : topic.partition_data) {
      work->topic_of.push_back(work->topics.size() - 1);
      work->items.push_back(
          item_of(context, topic.name, data, message.acks, request.header.api_version, may));
    }
  }
  return work;
}

}  // namespace

io::Task<server::Reply> produce(Context& context, server::Request request) {
  auto message = server::decode_request<kafka::ProduceRequest>(request);
  if (!message) co_return refuse_malformed(request, message.error());
  using Topic = kafka::ProduceRequest::TopicProduceData;
  if (names_too_many<&Topic::partition_data>(message->topic_data)) {
    co_return refuse_malformed(request, too_many_partitions());
  }
  if (auto* throttle = request.connection->throttle.get()) {
    throttle->use(server::QuotaKind::produce, static_cast<double>(request.frame.size()));
  }
  auto work = take_apart(context, request, *message);
  const int64_t now_ms = request.connection->loop->wall_ms();
  co_await check_records(context.env.workers, *work, now_ms);
  std::map<io::Loop*, std::vector<size_t>> by_loop;
  for (size_t i = 0; i < work->items.size(); ++i) {
    if (!work->items[i].failed()) by_loop[&work->items[i].partition.loop()].push_back(i);
  }
  for (auto& [loop, items] : by_loop) {
    co_await io::call_on(*loop, hand_over(*loop, *work, std::move(items)));
  }
  co_await wait_at_fence(*request.charge, request.frame.size(), *work);
  co_return finish(context, std::move(work));
}

}  // namespace isthmus::broker
