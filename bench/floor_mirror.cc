#include <vector>

#include "bench/floor.h"
#include "bench/sockets.h"
#include "kafka/api.h"
#include "kafka/batch.h"

namespace isthmus::bench {

namespace {

constexpr size_t buffer_size = size_t{256} << 10;
constexpr int32_t max_bytes = 8 << 20;
constexpr std::string_view topic = "t";

void send_request(int socket, kafka::ApiKey key, int16_t version, const kafka::Writer& body,
                  size_t more) {
  kafka::Writer frame;
  kafka::Writer header;
  kafka::RequestHeader{static_cast<int16_t>(key), version, 0, "floor"}.encode(header);
  frame.int32(static_cast<int32_t>(header.size() + body.size() + more));
  frame.raw(header.unsealed());
  frame.raw(body.unsealed());
  write_all(socket, frame.unsealed());
}

void ask(int source, Offset offset) {
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

 private:
  std::vector<uint8_t> header_;
  size_t left_ = 0;
  Offset next_ = 0;
};

}  // namespace

void run_floor_mirror(const Arguments& arguments) {
  const Descriptor source(connect_to(arguments.number("from")));
  const Descriptor target(connect_to(arguments.number("to")));
  std::vector<uint8_t> buffer(buffer_size);
  OffsetFollower follower;
  // Size, correlation id, and all that floor_broker.cc answers before the records.
  const size_t fetch_head = 4 + 4 + 4 + 2 + 4 + 4 + (2 + topic.size()) + 4 + 4 + 2 + 24 + 4 + 4 + 4;
  const size_t produce_answer = 4 + 4 + 4 + (2 + topic.size()) + 4 + 4 + 2 + 24 + 4;
  while (follower.next() < arguments.number("records")) {
    ask(source.get(), follower.next());
    read_all(source.get(), MutableBytes(buffer).first(fetch_head));
    auto here = static_cast<size_t>(load_be<int32_t>(&buffer[fetch_head - 4]));
    if (here == 0) give_up("the source has no more");

    kafka::Writer body;
    body.int16(-1);  // transactional id
    body.int16(-1);  // acks
    body.int32(30'000);
    body.int32(1);
    body.string(topic, false);
    body.int32(1);
    body.int32(0);
    body.int32(static_cast<int32_t>(here));
    send_request(target.get(), kafka::ApiKey::produce, 7, body, here);
    while (here > 0) {
      const auto room = MutableBytes(buffer).first(std::min(here, buffer.size()));
      const size_t n = read_some(source.get(), room);
      if (n == 0) give_up("the source has closed");
      follower.see(room.first(n));
      write_all(target.get(), room.first(n));
      here -= n;
    }
    read_all(target.get(), MutableBytes(buffer).first(produce_answer));
  }
}

}  // namespace isthmus::bench
