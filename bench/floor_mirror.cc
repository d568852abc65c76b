#include <vector>

#include "bench/certificates.h"
#include "bench/floor.h"
#include "bench/line.h"
#include "kafka/api.h"
#include "kafka/batch.h"

namespace isthmus::bench {

namespace {

constexpr size_t buffer_size = size_t{256} << 10;
constexpr int32_t max_bytes = 8 << 20;
constexpr int max_unanswered = 5;
constexpr std::string_view topic = "t";
// Size, correlation id, and all that floor_broker.cc answers before the records.
constexpr size_t fetch_head =
    4 + 4 + 4 + 2 + 4 + 4 + (2 + topic.size()) + 4 + 4 + 2 + 24 + 4 + 4 + 4;
constexpr size_t produce_answer = 4 + 4 + 4 + (2 + topic.size()) + 4 + 4 + 2 + 24 + 4;

void send_request(Line& line, kafka::ApiKey key, int16_t version, const kafka::Writer& body,
                  size_t more) {
  kafka::Writer frame;
  kafka::Writer header;
  kafka::RequestHeader{static_cast<int16_t>(key), version, 0, "floor"}.encode(header);
  frame.int32(static_cast<int32_t>(header.size() + body.size() + more));
  frame.raw(header.unsealed());
  frame.raw(body.unsealed());
  line.write_all(frame.unsealed());
}

void ask(Line& source, Offset offset) {
  kafka::Writer body;
  body.int32(-1);   // replica
  body.int32(500);  // wait
  body.int32(1);    // least bytes
  body.int32(max_bytes);
  body.int8(0);
  body.int32(0);   // session
  body.int32(-1);  // its epoch
  body.int32(1);
  body.string(topic, false);
  body.int32(1);
  body.int32(0);   // partition
  body.int32(-1);  // leader epoch
  body.int64(offset);
  body.int64(-1);  // log start
  body.int32(max_bytes);
  body.int32(0);           // forgotten topics
  body.string("", false);  // rack
  send_request(source, kafka::ApiKey::fetch, 11, body, 0);
}

// Follows the batches through whatever pieces they come in.
class OffsetFollower {
 public:
  void see(Bytes piece) {
    while (!piece.empty()) {
      if (left_ > 0) {
        const size_t n = std::min(left_, piece.size());
        left_ -= n;
        piece = piece.subspan(n);
        continue;
      }
      header_.push_back(piece.front());
      piece = piece.subspan(1);
      if (header_.size() < kafka::batch_header_size) continue;
      const auto header = kafka::read_batch_header(header_);
      if (!header) give_up(header.error().text);
      next_ = header->next_offset();
      left_ = header->total_size() - header_.size();
      header_.clear();
    }
  }
  Offset next() const { return next_; }
  // Whether a batch ends with the next `size` bytes, so that next() is already what comes after.
  bool ends_with(size_t size) const { return header_.empty() && left_ == size; }

 private:
  std::vector<uint8_t> header_;
  size_t left_ = 0;
  Offset next_ = 0;
};

void begin_produce(Line& target, size_t size) {
  kafka::Writer body;
  body.int16(-1);  // transactional id
  body.int16(-1);  // acks
  body.int32(30'000);
  body.int32(1);
  body.string(topic, false);
  body.int32(1);
  body.int32(0);
  body.int32(static_cast<int32_t>(size));
  send_request(target, kafka::ApiKey::produce, 7, body, size);
}

// Never waits for what it could have asked for before: the next fetch is asked for while the last
// batch of this one passes, and answers to appends are taken when there are some.
class Forwarder {
 public:
  Forwarder(Line& source, Line& target, Offset end)
      : source_(source), target_(target), end_(end), buffer_(buffer_size) {
    ask(source_, 0);
  }

  bool done() const { return follower_.next() >= end_; }

  void pass_one_answer() {
    source_.read_all(room(fetch_head));
    const auto size = static_cast<size_t>(load_be<int32_t>(&buffer_[fetch_head - 4]));
    if (size == 0) give_up("the source has no more");
    begin_produce(target_, size);
    pass_records(size);
    if (++unanswered_ > max_unanswered) take_answer();
  }

  void take_answers() {
    while (unanswered_ > 0) take_answer();
  }

 private:
  MutableBytes room(size_t size) { return MutableBytes(buffer_).first(size); }

  void pass_records(size_t left) {
    bool asked = false;
    while (left > 0) {
      const size_t n = source_.read_some(room(std::min(left, buffer_.size())));
      if (n == 0) give_up("the source has closed");
      follower_.see(room(n));
      left -= n;
      if (!asked && follower_.ends_with(left) && !done()) {
        ask(source_, follower_.next());
        asked = true;
      }
      target_.write_all(room(n));
    }
  }

  void take_answer() {
    target_.read_all(room(produce_answer));
    --unanswered_;
  }

  Line& source_;
  Line& target_;
  const Offset end_;
  std::vector<uint8_t> buffer_;
  OffsetFollower follower_;
  int unanswered_ = 0;
};

}  // namespace

void run_floor_mirror(const Arguments& arguments) {
  const auto tls = dialer_of(arguments);
  Line source(connect_to(arguments.number("from")), tls);
  Line target(connect_to(arguments.number("to")), tls);
  Forwarder forwarder(source, target, arguments.number("records"));
  while (!forwarder.done()) forwarder.pass_one_answer();
  forwarder.take_answers();
}

}  // namespace isthmus::bench
