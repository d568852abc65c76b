// Connection: one client's conversation: requests in, replies out in the same order.
//
//   stream ─► FrameReader ─► Service::dispatch, in order ─► Reply, run beside the others ─┐
//   stream ◄─ one write of all replies that are ready ◄─ slots, in the order of requests ◄┘
//
// Reading stops (and TCP tells the client) while too many requests are under way, while replies
// wait for a client that does not read them, while the loop's Budget is exhausted, while a quota
// has muted the client (server/throttle.h), or until there is room for the rest of a request
// (server/arrival.h). So a slow client holds back itself only, and memory stays bounded. A request
// that does not go on arriving ends the connection.
//
// A peer that has said all it will say (it has closed, or half closed: TCP does not tell them
// apart) is still given the replies to what it asked, for a while.
//
// A reply that is due and does not come ends the connection at its place in the order.
//
// What the peer sends is not believed: a frame that is too large or a header that does not decode
// ends the connection with one line in the log.
//
// Owned by the Acceptor, on the loop of its stream.
#pragma once

#include <deque>
#include <memory>

#include "base/log.h"
#include "io/event.h"
#include "io/frames.h"
#include "io/gate.h"
#include "io/stream.h"
#include "server/arrival.h"
#include "server/complaints.h"
#include "server/service.h"
#include "server/stats.h"

namespace isthmus::server {

struct ConnectionLimits {
  size_t max_request_bytes = size_t{100} << 20;        // socket.request.max.bytes
  size_t max_requests = 1000;                          // read but not answered yet
  size_t max_outgoing_bytes = size_t{8} << 20;         // of replies that are ready but not written
  io::Duration max_idle = std::chrono::minutes(10);    // connections.max.idle.ms
  io::Duration max_log_in = std::chrono::seconds(15);  // where one is wanted
  // How long replies may still become ready once the peer has ended its side.
  io::Duration max_linger = std::chrono::seconds(10);
};

class Connection {
 public:
  // `service` and `budget` outlive it.
  Connection(std::unique_ptr<io::Stream> stream, std::shared_ptr<ConnectionContext> context,
             Service& service, Budget& budget, const ConnectionLimits& limits);
  ~Connection();

  // The whole conversation; returns when it is over and no reply runs any more. Once only.
  io::Task<void> run();

  // Reads no further request; ends when the replies under way are written.
  void drain();
  // Ends at once. Replies under way still run, unheard.
  void close();
  // close() if the client has taken nothing of what is written to it, or of much that waits to be,
  // for so long.
  void close_if_stalled(io::Duration limit);

  const ConnectionContext& context() const { return *context_; }

 private:
  // A request's place in the order of replies.
  struct Slot {
    Slot(Budget& budget, size_t bytes) : charge(budget, bytes) {}
    Charge charge;
    bool done = false;
    bool lost = false;  // the reply is due and will not come
    std::optional<Rope> reply;
    ApiStats* stats = nullptr;
    io::Instant arrived;
    size_t reply_in_memory = 0;  // of the loop's Budget
  };

  io::Task<void> read_requests();
  io::Task<bool> answer_what_arrived();
  io::Task<bool> accept_request(Slice frame);
  io::Task<void> wait_for_room();
  // Room for what the next read may bring. False when nothing more is to be read.
  io::Task<bool> prepare_to_read();
  bool owes_too_much() const;
  // Room for a request that is here, or arriving, is not held back by what its client owes.
  bool is_held_back() const { return owes_too_much() && !arrival_.holds(); }
  // By a quota. Not within a frame: others may wait for the room that it has reserved.
  bool is_muted() const;
  bool must_wait() const { return is_held_back() || budget_.exhausted() || is_muted(); }
  void look_at_arrival();
  void peer_ended();
  io::Task<void> complete(Slot& slot, Reply reply);
  void finish(Slot& slot);

  io::Task<void> write_replies();
  io::Task<Result<void>> write(Rope rope);
  // Takes the replies at the front that are ready, with their lengths, up to a good size.
  Rope gather_ready(size_t& in_memory);
  void forget(Slot& slot);
  void give_back_reply(size_t in_memory);
  bool front_is_ready() const { return !slots_.empty() && slots_.front().done; }

  // What the service wished for by ConnectionContext::end().
  void end_if_asked();
  void refuse(const Error& error);
  void cancel(io::Loop::TimerId& timer);
  // How many complaints like this one were kept silent; nothing: so is this one.
  std::optional<size_t> silent_before(const std::string& why);
  io::Instant idle_from() const;
  void watch_idle();
  void check_idle();

  std::unique_ptr<io::Stream> stream_;
  std::shared_ptr<ConnectionContext> context_;
  Service& service_;
  Budget& budget_;
  const ConnectionLimits limits_;
  Logger log_;
  io::Loop& loop_;
  io::FrameReader frames_;
  Arrival arrival_;
  Pace pace_;
  size_t window_ = 0;  // of the Budget, for the reader's buffer
  io::Gate gate_;
  io::Event ready_;     // the writer has something to look at
  io::Event progress_;  // the reader may go on
  std::deque<Slot> slots_;
  uint64_t outgoing_bytes_ = 0;
  size_t outgoing_in_memory_ = 0;
  io::Instant latest_taken_{};  // something of what is outgoing, or nothing was
  bool writing_ = false;
  bool draining_ = false;
  bool closed_ = false;
  io::Instant last_active_;
  io::Loop::TimerId idle_timer_ = 0;
  io::Loop::TimerId arrival_timer_ = 0;
  io::Loop::TimerId linger_timer_ = 0;
};

}  // namespace isthmus::server
