// A server over real TCP whose service echoes, and a client that speaks raw frames to it.
//
// The body of a request says what becomes of it: "hold" is answered after release(), "silent"
// never, "big" with 1 MiB, "huge" with 32, "end" ends the connection, "lost" ends it after
// release() without the answer that is due, "park" and what follows gives its bytes back and is
// answered with "parked" or "crowded" after release(), "spin" keeps the loop busy for 30 ms, half
// of them before its reply begins, "produce" uses 1,000 bytes of a quota, anything else is answered
// with itself.
#pragma once

#include <gtest/gtest.h>

#include "io/frames.h"
#include "server/acceptor.h"
#include "server/reply.h"
#include "server/throttle.h"
#include "tests/io/real_world.h"

namespace isthmus::server {

inline constexpr size_t big_reply = size_t{1} << 20;
inline constexpr size_t huge_reply = size_t{32} << 20;  // more than the system buffers

class EchoService : public Service {
 public:
  explicit EchoService(io::Loop& loop) : released_(loop) {}

  io::Task<Reply> dispatch(Request request) override {
    ++dispatched;
    latest = request.connection;
    const std::string text(as_text(request.body));
    if (text == "silent") co_return no_reply();
    if (text == "end") request.connection->end("the test asks for it");
    if (text == "spin") keep_busy(io::milliseconds(15));
    if (text == "produce") request.connection->throttle->use(QuotaKind::produce, 1000);
    co_return answer(std::move(request), text);
  }
  void closed(ConnectionContext&) override { ++ended; }

  void release() { released_.close(); }

  size_t dispatched = 0;
  size_t ended = 0;
  std::shared_ptr<ConnectionContext> latest;
  std::weak_ptr<const void> latest_large;  // a "big" or "huge" reply

 private:
  io::Task<std::optional<Rope>> answer(Request request, std::string text) {
    if (text == "spin") keep_busy(io::milliseconds(15));
    if (text.starts_with("park")) {
      const bool parked = request.charge->park(text.size());
      request.body = Slice::copy_of(parked ? "parked" : "crowded");
    }
    if (text == "hold" || text == "lost" || text.starts_with("park")) co_await released_.wait();
    if (text == "lost") co_return lost(request, "the test loses it");
    kafka::Writer header;
    header.int32(request.header.correlation_id);
    Rope rope = std::move(header).finish();
    if (text == "big" || text == "huge") {
      const size_t size = text == "big" ? big_reply : huge_reply;
      const auto bytes = std::make_shared<std::vector<uint8_t>>(size, 'x');
      latest_large = bytes;
      rope.append(Slice(bytes, *bytes));
    } else {
      rope.append(request.body);
    }
    co_return rope;
  }

  void keep_busy(io::Duration time) {
    io::Loop& loop = released_.loop();
    for (const io::Instant end = loop.now() + time; loop.now() < end;) {
    }
  }

  io::Event released_;
};

// A frame with a Heartbeat v0 header: an API whose header has no tagged fields.
inline Rope request_frame(int32_t correlation_id, Bytes body,
                          const std::string& client_id = "test") {
  kafka::Writer w;
  w.int32(static_cast<int32_t>(8 + 2 + client_id.size() + body.size()));
  kafka::RequestHeader{12, 0, correlation_id, client_id}.encode(w);
  w.raw(body);
  return std::move(w).finish();
}

class Client {
 public:
  Client(io::Loop& loop, std::unique_ptr<io::Stream> stream)
      : stream_(std::move(stream)), frames_(loop, *stream_, size_t{64} << 20) {}

  io::Stream& stream() { return *stream_; }

  // "<correlation id> <body>" of the next reply, "closed" at the end of the stream.
  io::Task<std::string> reply() {
    for (;;) {
      auto frame = frames_.next();
      if (frame && *frame) co_return text_of(**frame);
      auto more = co_await frames_.fill();
      if (!more || !*more) co_return "closed";
    }
  }
  io::Task<void> send(Rope rope) {
    auto sent = co_await stream_->write(std::move(rope));
    sent_ = sent.has_value();
  }

 private:
  static std::string text_of(const Slice& frame) {
    const auto id = load_be<int32_t>(frame.data());
    return std::to_string(id) + " " + std::string(as_text(frame.sub(4, frame.size() - 4)));
  }

  std::unique_ptr<io::Stream> stream_;
  io::FrameReader frames_;
  bool sent_ = false;
};

class EchoWorld {
 public:
  explicit EchoWorld(const ServerLimits& limits = {}, size_t loops = 1, bool wants_log_in = false)
      : world(loops), service(world.loop()), acceptor(world.env(), service, limits) {
    ListenerOptions options{"test", {"127.0.0.1", 0}};
    options.wants_log_in = wants_log_in;
    address = *acceptor.listen(options);
  }

  // Runs `body` and then closes the server.
  void run(io::Task<void> body) { world.run(whole(this, std::move(body))); }

  io::Task<std::unique_ptr<Client>> connect() {
    auto stream = co_await world.env().network.dial(address, io::soon(60'000));
    EXPECT_TRUE(stream.has_value());
    co_return std::make_unique<Client>(world.loop(), std::move(*stream));
  }
  io::Task<void> until_dispatched(size_t count) {
    const io::Instant deadline = io::soon(60'000);
    while (service.dispatched < count && world.loop().now() < deadline) {
      co_await io::sleep(world.loop(), io::milliseconds(1));
    }
    EXPECT_GE(service.dispatched, count);
  }
  // Lets the server do what it should not.
  io::Sleep a_while() { return io::sleep(world.loop(), io::milliseconds(50)); }

  io::RealWorld world;
  io::Gate beside{world.loop()};  // what a test starts beside itself
  EchoService service;
  Acceptor acceptor;
  io::Address address;

 private:
  static io::Task<void> whole(EchoWorld* self, io::Task<void> body) {
    self->acceptor.start();
    co_await body;
    self->service.release();
    co_await self->beside.close();
    co_await self->acceptor.close(io::milliseconds(200));
  }
};

}  // namespace isthmus::server
