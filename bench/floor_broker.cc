#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <vector>

#include "base/crc32c.h"
#include "bench/certificates.h"
#include "bench/floor.h"
#include "bench/line.h"
#include "kafka/api.h"
#include "kafka/batch.h"
#include "kafka/gen/api_versions.h"

namespace isthmus::bench {

namespace {

using kafka::ApiKey;

constexpr size_t read_size = size_t{256} << 10;
constexpr size_t max_frame = size_t{16} << 20;
constexpr int16_t produce_version = 7;
constexpr int16_t fetch_version = 11;
// Batches of one append: as many as arrived together.
constexpr size_t max_pieces = 64;

// The one partition: a file, and where its batches begin.
class PlainLog {
 public:
  PlainLog(const std::string& path, bool sync) : file_(create_file(path)), sync_(sync) {}

  // Gives the batches their offsets, in place; they reach the file with flush(). Returns the first.
  Offset append(MutableBytes batches);
  void flush();

  Offset end() const { return end_; }
  int file() const { return file_.get(); }
  // Whole batches from `offset` on, at least one if there is any.
  std::pair<size_t, size_t> range(Offset offset, size_t limit) const;

 private:
  struct Place {
    Offset offset;
    size_t position;
  };
  const Descriptor file_;
  const bool sync_;
  std::vector<iovec> pieces_;
  std::vector<Place> places_;
  size_t size_ = 0;
  size_t flushed_ = 0;
  Offset end_ = 0;
};

Offset PlainLog::append(MutableBytes batches) {
  const Offset first = end_;
  if (pieces_.size() == max_pieces) flush();
  pieces_.push_back({batches.data(), batches.size()});
  for (size_t at = 0; at < batches.size();) {
    const auto batch = batches.subspan(at);
    const auto header = kafka::read_batch_header(batch);
    if (!header || header->total_size() > batch.size()) give_up("no record batch");
    const Bytes covered = Bytes(batch).first(header->total_size()).subspan(kafka::batch_crc_start);
    if (crc32c(covered) != header->crc) give_up("wrong CRC");
    kafka::set_base_offset(batch, end_);
    places_.push_back({end_, size_});
    end_ += header->last_offset_delta + 1;
    size_ += header->total_size();
    at += header->total_size();
  }
  return first;
}

void PlainLog::flush() {
  if (pieces_.empty()) return;
  const ssize_t n = ::pwritev(file_.get(), pieces_.data(), static_cast<int>(pieces_.size()),
                              static_cast<off_t>(flushed_));
  if (n != static_cast<ssize_t>(size_ - flushed_)) give_up("short write");
  if (sync_ && ::fdatasync(file_.get()) != 0) give_up("fdatasync");
  flushed_ = size_;
  pieces_.clear();
}

std::pair<size_t, size_t> PlainLog::range(Offset offset, size_t limit) const {
  const auto first = std::ranges::lower_bound(places_, offset, {}, &Place::offset);
  if (first == places_.end()) return {size_, 0};
  auto last = first + 1;
  while (last != places_.end() && last->position - first->position <= limit) ++last;
  const bool all = last == places_.end() && size_ - first->position <= limit;
  const size_t end = all ? size_ : last == first + 1 ? last->position : (last - 1)->position;
  return {first->position, end - first->position};
}

// One client's conversation. Requests are answered in order, what arrived together at once.
class Conversation {
 public:
  Conversation(Line& line, PlainLog& log) : line_(line), log_(log) {}
  void run();

 private:
  void answer(MutableBytes frame);
  void answer_api_versions(const kafka::RequestHeader& header);
  void answer_produce(const kafka::RequestHeader& header, kafka::Reader& reader, uint8_t* frame);
  void answer_fetch(const kafka::RequestHeader& header, kafka::Reader& reader);
  void reply(kafka::Writer writer, size_t more = 0);
  void flush();

  Line& line_;
  PlainLog& log_;
  // Not initialised: a connection costs no pages that it does not use.
  const std::unique_ptr<uint8_t[]> memory_ = std::make_unique_for_overwrite<uint8_t[]>(max_frame);
  const MutableBytes buffer_{memory_.get(), max_frame};
  std::vector<uint8_t> replies_;
};

void Conversation::run() {
  size_t begin = 0, end = 0;
  for (;;) {
    while (end - begin >= 4) {
      const auto size = load_be<uint32_t>(&buffer_[begin]);
      if (size > max_frame - 4 - read_size) give_up("a frame of " + std::to_string(size));
      if (end - begin < 4 + size) break;
      answer(buffer_.subspan(begin + 4, size));
      begin += 4 + size;
    }
    flush();
    // What is left is moved to the front: at most one frame, and only when others came before it.
    if (begin > 0) std::memmove(buffer_.data(), &buffer_[begin], end - begin);
    end -= begin;
    begin = 0;
    const size_t room = end >= 4 ? load_be<uint32_t>(buffer_.data()) + 4 - end : 0;
    const size_t wanted = std::min(std::max(room, read_size), max_frame - end);
    const size_t n = line_.read_some(buffer_.subspan(end, wanted));
    if (n == 0) return;
    end += n;
  }
}

void Conversation::answer(MutableBytes frame) {
  kafka::Reader reader(Slice(nullptr, frame));
  const auto header = kafka::RequestHeader::decode(reader);
  if (!header) give_up(header.error().text);
  switch (static_cast<ApiKey>(header->api_key)) {
    case ApiKey::api_versions: return answer_api_versions(*header);
    case ApiKey::produce: return answer_produce(*header, reader, frame.data());
    case ApiKey::fetch: return answer_fetch(*header, reader);
    default: give_up("a request that no floor answers");
  }
}

void Conversation::answer_api_versions(const kafka::RequestHeader& header) {
  kafka::ApiVersionsResponse response;
  response.api_keys.push_back({static_cast<int16_t>(ApiKey::produce), 3, produce_version});
  response.api_keys.push_back({static_cast<int16_t>(ApiKey::fetch), 4, fetch_version});
  response.api_keys.push_back({static_cast<int16_t>(ApiKey::api_versions), 0, 3});
  kafka::Writer writer;
  writer.int32(header.correlation_id);
  response.encode(writer, header.api_version);
  reply(std::move(writer));
}

void Conversation::answer_produce(const kafka::RequestHeader& header, kafka::Reader& reader,
                                  uint8_t* frame) {
  reader.nullable_string(false);  // transactional id
  reader.int16();                 // acks
  reader.int32();                 // timeout
  reader.int32();                 // topics: one
  const std::string topic = reader.string(false);
  reader.int32();  // partitions: one
  const int32_t partition = reader.int32();
  const Slice records = reader.bytes(false);
  if (!reader.ok()) give_up(reader.error().text);
  const Offset first = log_.append({frame + (records.data() - frame), records.size()});
  kafka::Writer writer;
  writer.int32(header.correlation_id);
  writer.int32(1);
  writer.string(topic, false);
  writer.int32(1);
  writer.int32(partition);
  writer.int16(0);
  writer.int64(first);
  writer.int64(-1);  // log append time
  writer.int64(0);   // log start
  writer.int32(0);   // throttle
  reply(std::move(writer));
}

void Conversation::answer_fetch(const kafka::RequestHeader& header, kafka::Reader& reader) {
  reader.raw(4 + 4 + 4 + 4 + 1 + 4 + 4);  // replica, waits, limits, isolation, session
  reader.int32();                         // topics: one
  const std::string topic = reader.string(false);
  reader.int32();  // partitions: one
  const int32_t partition = reader.int32();
  reader.int32();  // leader epoch
  const Offset offset = reader.int64();
  reader.int64();  // log start
  const int32_t limit = reader.int32();
  if (!reader.ok()) give_up(reader.error().text);
  const auto [position, length] = log_.range(offset, static_cast<size_t>(limit));
  kafka::Writer writer;
  writer.int32(header.correlation_id);
  writer.int32(0);  // throttle
  writer.int16(0);
  writer.int32(0);  // session
  writer.int32(1);
  writer.string(topic, false);
  writer.int32(1);
  writer.int32(partition);
  writer.int16(0);
  writer.int64(log_.end());
  writer.int64(log_.end());
  writer.int64(0);   // log start
  writer.int32(-1);  // aborted transactions
  writer.int32(-1);  // preferred replica
  writer.int32(static_cast<int32_t>(length));
  reply(std::move(writer), length);
  flush();
  line_.write_file(log_.file(), position, length);
}

void Conversation::reply(kafka::Writer writer, size_t more) {
  uint8_t size[4];
  store_be(size, static_cast<uint32_t>(writer.size() + more));
  replies_.insert(replies_.end(), size, size + 4);
  const Bytes body = writer.unsealed();
  replies_.insert(replies_.end(), body.begin(), body.end());
}

void Conversation::flush() {
  log_.flush();
  if (!replies_.empty()) line_.write_all(replies_);
  replies_.clear();
}

}  // namespace

void run_floor_broker(const Arguments& arguments) {
  PlainLog log(arguments.text("file"), arguments.number("sync", 0) != 0);
  const auto tls = listener_of(arguments);
  const Descriptor listener(listen_at(arguments.number("port")));
  for (;;) {
    Line client(accept_from(listener.get()), tls);
    if (client.is_open()) Conversation(client, log).run();
  }
}

}  // namespace isthmus::bench
