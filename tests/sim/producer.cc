#include "kafka/batch.h"
#include "kafka/gen/init_producer_id.h"
#include "tests/sim/clients.h"

namespace isthmus::sim {

using kafka::ErrorCode;

namespace {
constexpr auto request_timeout = std::chrono::seconds(4);
constexpr int32_t produce_timeout_ms = 3000;
constexpr int16_t produce_version = 9;
}  // namespace

Producer::Producer(io::Env& env, Judge& judge, Ledger& ledger, const Destination& where,
                   ProducerOptions options)
    : caller_(env),
      judge_(judge),
      ledger_(ledger),
      where_(where),
      options_(std::move(options)),
      random_(options_.seed),
      changed_(env.main_loop()) {
  ledger_.add_producer(options_.id, options_.idempotent);
}

void Producer::stop() {
  stopping_ = true;
  changed_.notify_all();
}

void Producer::go_on() {
  stopping_ = false;
  changed_.notify_all();
}

io::Task<void> Producer::run() {
  io::Loop& loop = caller_.loop();
  for (;;) {
    site_ = where_.sites[turn_ % where_.sites.size()];
    auto connection = co_await caller_.connection(site_, loop.now() + request_timeout);
    if (connection) {
      const bool known = co_await introduce(*connection);
      if (known) co_await converse(*connection);
      // Before hanging up, which would end what is under way with a reason of our own.
      note_trouble();
    } else {
      trouble_ = connection.error().text;
    }
    caller_.hang_up(site_);
    ++turn_;
    co_await io::sleep(loop, random_.between(io::milliseconds(5), io::milliseconds(200)));
  }
}

void Producer::note_trouble() {
  if (unacknowledged_.empty()) return;
  const auto& answer = unacknowledged_.front()->answer;
  if (answer && !*answer) trouble_ = answer->error().text;
}

io::Task<bool> Producer::introduce(Caller::ConnectionPtr connection) {
  if (!options_.idempotent || producer_id_ >= 0) co_return true;
  kafka::InitProducerIdRequest request;
  request.transactional_id = std::nullopt;
  auto answer = co_await connection->call(request, caller_.loop().now() + request_timeout);
  trouble_ = answer ? std::string(kafka::error_name(answer->error_code)) : answer.error().text;
  if (!answer || answer->error_code != ErrorCode::none) co_return false;
  producer_id_ = answer->producer_id;
  ledger_.given(producer_id_);
  co_return true;
}

io::Task<void> Producer::converse(Caller::ConnectionPtr connection) {
  io::Loop& loop = caller_.loop();
  for (const auto& batch : unacknowledged_) batch->answer.reset();
  size_t sent = 0;
  while (!connection->closed()) {
    if (!take_answers(sent)) co_return;
    while (sent < unacknowledged_.size()) {
      BatchPtr next = unacknowledged_[sent++];
      if (options_.corrupt_one_in > 0 && random_.below(options_.corrupt_one_in) == 0) {
        co_await send_corrupt(connection, next);
      }
      send(connection, std::move(next));
    }
    const bool may_make = !stopping_ && sent < options_.in_flight;
    if (may_make && loop.now() >= next_batch_) {
      make_batch();
      continue;
    }
    // On a connection that has just ended the answer came before we could wait for it.
    if (!unacknowledged_.empty() && unacknowledged_.front()->answer) continue;
    co_await changed_.wait_until(may_make ? next_batch_ : io::Instant::max());
  }
}

void Producer::make_batch() {
  auto batch = std::make_shared<Batch>();
  batch->first = next_number_;
  batch->count = static_cast<int32_t>(random_.between(1, 4));
  kafka::BatchBuilder::Options how;
  if (options_.idempotent) {
    how.producer_id = producer_id_;
    how.producer_epoch = 0;
    how.base_sequence = static_cast<int32_t>(batch->first);
  }
  kafka::BatchBuilder builder(how);
  for (int32_t i = 0; i < batch->count; ++i) {
    const RecordName name{options_.id, next_number_++};
    const std::string value = value_of(name);
    const int64_t now_ms = caller_.loop().wall_ms();
    builder.add(now_ms, std::nullopt, as_bytes(value));
    ledger_.sending(options_.partition, name, now_ms);
  }
  batch->bytes = std::move(builder).finish();
  unacknowledged_.push_back(std::move(batch));
  next_batch_ = caller_.loop().now() + random_.between(io::Duration::zero(), options_.pause_max);
}

client::RawRequest Producer::request_of(const Slice& batch, int16_t version) const {
  kafka::ProduceRequest request;
  request.acks = -1;
  request.timeout_ms = produce_timeout_ms;
  auto& topic = request.topic_data.emplace_back();
  topic.name = options_.partition.topic;
  topic.partition_data.push_back({options_.partition.partition, Rope(batch)});
  kafka::Writer writer;
  request.encode(writer, version);
  return {static_cast<int16_t>(kafka::ApiKey::produce), version, std::nullopt,
          std::move(writer).finish()};
}

void Producer::send(Caller::ConnectionPtr connection, BatchPtr batch) {
  auto answer = connection->call_raw(request_of(batch->bytes, produce_version),
                                     caller_.loop().now() + request_timeout);
  const int attempt = ++batch->attempt;
  batch->sent = caller_.loop().now();
  caller_.gate().spawn("answer", await_answer(std::move(answer), batch, attempt, produce_version));
}

io::Task<void> Producer::await_answer(io::Task<Result<Slice>> answer, BatchPtr batch, int attempt,
                                      int16_t version) {
  auto bytes = co_await answer;
  if (batch->attempt != attempt) co_return;
  if (!bytes) {
    batch->answer = fail(bytes.error());
  } else if (auto response =
                 client::decode_response<kafka::ProduceResponse>(std::move(*bytes), version)) {
    batch->answer = response->responses.at(0).partition_responses.at(0);
  } else {
    batch->answer = fail(response.error());
  }
  changed_.notify_all();
}

// What a bad line makes of a batch. Nothing of it may be taken.
io::Task<void> Producer::send_corrupt(Caller::ConnectionPtr connection, BatchPtr batch) {
  std::vector<uint8_t> bytes(batch->bytes.data(), batch->bytes.data() + batch->bytes.size());
  const size_t at = random_.between(kafka::batch_header_size, bytes.size() - 1);
  bytes[at] ^= static_cast<uint8_t>(1u << random_.below(8));
  auto answer =
      co_await connection->call_raw(request_of(Slice::take(std::move(bytes)), produce_version),
                                    caller_.loop().now() + request_timeout);
  if (!answer) co_return;
  auto response =
      client::decode_response<kafka::ProduceResponse>(std::move(*answer), produce_version);
  if (!response) co_return;
  if (response->responses.at(0).partition_responses.at(0).error_code == ErrorCode::none) {
    judge_.broken("corrupt batches are refused", options_.partition.to_string() + " took one");
  }
}

// The batch at the front was sent first on its connection, and all before it are acknowledged: its
// sequence is the one that the log expects, unless the log has forgotten something.
bool Producer::is_refused_for_good(ErrorCode code) const {
  return code == ErrorCode::out_of_order_sequence_number ||
         code == ErrorCode::unknown_producer_id || code == ErrorCode::invalid_producer_epoch;
}

bool Producer::take_answers(size_t& sent) {
  while (!unacknowledged_.empty() && unacknowledged_.front()->answer) {
    const BatchPtr batch = unacknowledged_.front();
    const Result<Answer>& answer = *batch->answer;
    if (!answer) {
      trouble_ = answer.error().text;
      return false;
    }
    const ErrorCode code = answer->error_code;
    if (is_refused_for_good(code) && options_.idempotent) {
      judge_.broken("idempotent producers go on",
                    options_.partition.to_string() + " refused " +
                        RecordName{options_.id, batch->first}.to_string() + " at " +
                        site_.to_string() + ": " + std::string(kafka::error_name(code)) + " " +
                        answer->error_message.value_or(""));
    }
    const bool repeated = code == ErrorCode::duplicate_sequence_number;
    if (code != ErrorCode::none && !repeated) {
      ++refusals_;
      trouble_ = std::string(kafka::error_name(code)) + " " + answer->error_message.value_or("");
      return false;
    }
    ledger_.taken_at(site_, options_.partition, batch->sent);
    for (int32_t i = 0; i < batch->count && !repeated; ++i) {
      ledger_.acknowledged(options_.partition, answer->base_offset + i,
                           {options_.id, batch->first + i});
    }
    acknowledged_ += batch->count;
    unacknowledged_.pop_front();
    --sent;
  }
  return true;
}

}  // namespace isthmus::sim
