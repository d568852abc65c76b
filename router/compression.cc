#include "router/compression.h"

#include <ctime>
#include <vector>

#include "base/check.h"
#include "kafka/gen/produce.h"
#include "server/reply.h"

namespace isthmus::router {

namespace {

using kafka::Compression;
using kafka::Recompression;

// Before it, a broker refuses what is packed with zstd (KIP-110).
constexpr int16_t first_produce_with_zstd = 7;
// What a worker does for one request before the next has its turn; of bytes as they came.
constexpr size_t turn_bytes = size_t{1} << 20;

double thread_cpu_seconds() {
  timespec used{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
  return static_cast<double>(used.tv_sec) + static_cast<double>(used.tv_nsec) * 1e-9;
}

// One batch, until it is done.
struct Item {
  Rope* records = nullptr;  // its place in the message
  Slice batch;
  kafka::CompressionSettings with;
  Compressed* counts = nullptr;  // of the picture, for its loop alone
  Recompression what = Recompression::compressed;
  size_t bytes_out = 0;
  double cpu_seconds = 0;
};

// A request's batches, taken in turns, on one thread at a time.
class Work {
 public:
  explicit Work(kafka::ProduceRequest& message, int16_t version)
      : message_(message), version_(version) {}

  void add(Item item) { items_.push_back(std::move(item)); }
  bool empty() const { return items_.empty(); }
  const std::vector<Item>& items() const { return items_; }
  size_t done() const { return next_; }  // of the items, from the front
  // The request's new body; empty where it may stay as it is.
  const Slice& body() const { return body_; }

  // Any thread. False when all is done.
  bool take_turn() {
    size_t taken = 0;
    for (; next_ < items_.size() && taken < turn_bytes; ++next_) {
      taken += items_[next_].batch.size();
      compress(items_[next_]);
    }
    if (next_ < items_.size()) return true;
    if (is_changed_) encode();
    return false;
  }

 private:
  void compress(Item& item) {
    const double before = thread_cpu_seconds();
    auto made = kafka::recompress(item.batch, item.with);
    item.cpu_seconds = thread_cpu_seconds() - before;
    item.what = made.what;
    if (made.what != Recompression::compressed) return;
    item.bytes_out = made.batch.size();
    *item.records = Rope(std::move(made.batch));
    is_changed_ = true;
  }
  void encode() {
    kafka::Writer writer;
    message_.encode(writer, version_);
    auto body = std::move(writer).finish().flatten();
    CHECK(body.has_value(), "what lies in memory can be joined");
    body_ = std::move(*body);
  }

  kafka::ProduceRequest& message_;
  const int16_t version_;
  std::vector<Item> items_;
  size_t next_ = 0;
  bool is_changed_ = false;
  Slice body_;
};

// What stays as it is for what its header says is counted at once.
void plan(Picture& picture, kafka::ProduceRequest& message, int16_t version, Work& work) {
  for (auto& topic : message.topic_data) {
    const auto with = picture.routes.compression_of_topic(topic.name);
    if (with.type == Compression::none) continue;
    Compressed& counts = picture.compressed[{picture.routes.home_of_topic(topic.name), with.type}];
    for (auto& partition : topic.partition_data) {
      auto batch = partition.records.flatten();  // as it is: one slice of the request
      if (!batch) continue;
      const Recompression what = kafka::foresee_recompression(*batch);
      if (what != Recompression::compressed) {
        ++counts.batches[static_cast<size_t>(what)];
      } else if (with.type == Compression::zstd && version < first_produce_with_zstd) {
        ++counts.too_old;
      } else {
        work.add({&partition.records, std::move(*batch), with, &counts});
      }
    }
  }
}

void count(const Work& work) {
  for (size_t i = 0; i < work.done(); ++i) {
    const Item& item = work.items()[i];
    ++item.counts->batches[static_cast<size_t>(item.what)];
    item.counts->cpu_seconds += item.cpu_seconds;
    if (item.what != Recompression::compressed) continue;
    item.counts->bytes_in += item.batch.size();
    item.counts->bytes_out += item.bytes_out;
  }
}

// What is made of a request is smaller than it.
class Room {
 public:
  Room(server::Budget& budget, size_t bytes) : budget_(budget), bytes_(bytes) {
    budget_.take(bytes_);
  }
  ~Room() { budget_.give_back(bytes_); }
  Room(const Room&) = delete;
  Room& operator=(const Room&) = delete;

 private:
  server::Budget& budget_;
  const size_t bytes_;
};

}  // namespace

io::Task<void> compress_batches(Picture& picture, io::Workers& workers, server::Request& request) {
  if (!picture.routes.compress_anything()) co_return;
  auto message = server::decode_request<kafka::ProduceRequest>(request);
  if (!message) co_return;
  Work work(*message, request.header.api_version);
  plan(picture, *message, request.header.api_version, work);
  if (work.empty()) co_return;
  const Room room(picture.requests, request.frame.size());
  for (bool go_on = true; go_on && !request.connection->closed;) {
    go_on = co_await io::run_on(workers, [&work] { return work.take_turn(); });
  }
  count(work);
  if (!work.body().empty()) request.body = request.frame = work.body();
}

}  // namespace isthmus::router
