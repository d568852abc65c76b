// Fetch: records as ranges of files, from the page cache to the socket without a copy. Sessions are
// not kept (session id 0 is legal): every request names its partitions.
#include <algorithm>
#include <map>

#include "broker/handlers/handlers.h"
#include "kafka/gen/fetch.h"

namespace isthmus::broker {

namespace {

using kafka::ErrorCode;
using PartitionData = kafka::FetchResponse::PartitionData;

constexpr int64_t max_response_bytes = 55 << 20;  // Kafka's fetch.max.bytes

struct Item {
  std::shared_ptr<Partition> partition;
  ReadSpec spec;
  size_t topic = 0;
  PartitionData answer;
};

struct Work {
  kafka::RequestHeader header;
  kafka::FetchResponse response;
  std::vector<Item> items;
  int64_t bytes_left = 0;
  int64_t bytes = 0;
  bool failed = false;
};

void fill(Item& item, ReadResult result) {
  PartitionData& answer = item.answer;
  answer.error_code = result.error;
  answer.high_watermark = result.high_watermark;
  answer.last_stable_offset = result.last_stable_offset;
  answer.log_start_offset = result.start_offset;
  answer.records = std::move(result.records);
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
io::Task<void> read_all(Work& work, std::vector<size_t> items, std::shared_ptr<FetchWait> wait) {
  for (size_t i : items) {
    Item& item = work.items[i];
    if (wait) item.partition->wait_for_data(wait);
    ReadSpec spec = item.spec;
    spec.max_bytes = std::min<uint64_t>(spec.max_bytes, std::max<int64_t>(0, work.bytes_left));
    spec.at_least_one_batch = work.bytes == 0;
    ReadResult result = item.partition->read(spec);
    auto size = static_cast<int64_t>(result.records.size());
    work.bytes += size;
    work.bytes_left -= size;
    work.failed |= result.error != ErrorCode::none || result.diverging.has_value();
    fill(item, std::move(result));
  }
  co_return;
}

io::Task<void> read_everywhere(Work& work, int64_t max_bytes, std::shared_ptr<FetchWait> wait) {
  work.bytes = 0;
  work.bytes_left = max_bytes;
  std::map<io::Loop*, std::vector<size_t>> by_loop;
  for (size_t i = 0; i < work.items.size(); ++i) {
    if (work.items[i].partition) by_loop[&work.items[i].partition->loop()].push_back(i);
  }
  for (auto& [loop, items] : by_loop) {
    co_await io::call_on(*loop, read_all(work, std::move(items), wait));
  }
}

ReadSpec spec_of(const kafka::FetchRequest& message,
                 const kafka::FetchRequest::FetchPartition& partition) {
  ReadSpec spec;
  spec.offset = partition.fetch_offset;
  spec.current_leader_epoch = partition.current_leader_epoch;
  spec.last_fetched_epoch = partition.last_fetched_epoch;
  spec.max_bytes = static_cast<uint64_t>(std::max(0, partition.partition_max_bytes));
  spec.read_committed = message.isolation_level == 1;
  return spec;
}

void take_apart(Context& context, const kafka::FetchRequest& message, Work& work) {
  auto image = context.image.load();
  bool by_id = work.header.api_version >= 13;
  for (const auto& topic : message.topics) {
    std::string name = topic.topic;
    if (by_id) {
      const TopicImage* found = image->find(topic.topic_id);
      name = found == nullptr ? std::string() : found->name;
    }
    work.response.responses.push_back({.topic = topic.topic, .topic_id = topic.topic_id});
    for (const auto& partition : topic.partitions) {
      Item item;
      item.topic = work.response.responses.size() - 1;
      item.answer.partition_index = partition.partition;
      item.spec = spec_of(message, partition);
      item.partition = context.partitions.find(name, partition.partition);
      if (!item.partition) {
        item.answer.error_code = by_id && name.empty()
                                     ? ErrorCode::unknown_topic_id
                                     : context.partitions.absence(name, partition.partition);
        item.answer.high_watermark = -1;
        work.failed = true;
      }
      work.items.push_back(std::move(item));
    }
  }
}

server::Reply answer_fetch(Context& context, kafka::FetchRequest message,
                           kafka::RequestHeader header,
                           std::shared_ptr<server::ConnectionContext> connection) {
  Work work;
  work.header = header;
  take_apart(context, message, work);
  io::Loop& loop = *connection->loop;
  int64_t max_bytes = std::clamp<int64_t>(message.max_bytes, 0, max_response_bytes);
  io::Instant deadline = loop.now() + io::milliseconds(std::max(0, message.max_wait_ms));
  for (;;) {
    // Registered before reading: what arrives between the two is not missed.
    auto wait = std::make_shared<FetchWait>(loop);
    bool may_wait = loop.now() < deadline && message.min_bytes > 0;
    co_await read_everywhere(work, max_bytes, may_wait ? wait : nullptr);
    bool enough = work.failed || work.bytes >= message.min_bytes || work.items.empty();
    if (!may_wait || enough || connection->closed) break;
    if (!wait->notified()) co_await wait->event().wait_until(deadline);
  }
  for (Item& item : work.items) {
    work.response.responses[item.topic].partitions.push_back(std::move(item.answer));
  }
  co_return server::encode_response(work.header, work.response);
}

}  // namespace

io::Task<server::Reply> fetch(Context& context, server::Request request) {
  auto message = server::decode_request<kafka::FetchRequest>(request);
  if (!message) co_return refuse_malformed(request, message.error());
  if (message->session_id != 0) {
    kafka::FetchResponse response;
    response.error_code = ErrorCode::fetch_session_id_not_found;
    co_return server::reply_with(request.header, response);
  }
  co_return answer_fetch(context, std::move(*message), request.header, request.connection);
}

}  // namespace isthmus::broker
