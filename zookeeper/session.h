// Session: the Client that speaks to real servers, over ZooKeeper's own C library and its threads.
//
// The library blocks (it resolves names, it says good-bye) and calls back on threads of its own: so
// it is opened and closed on a thread of ours, and what it calls back with is posted to the loop.
// Its requests never block. One session in the life of a Session: when it is lost, whoever owns it
// decides what that means.
//
// REQUIRES: close() has returned before destruction, unless the loop has ended: threads post to it.
//
// The line is not encrypted and passwords cross it in the clear: where it leaves the machine it
// belongs into a tunnel (docs/operations.md).
#pragma once

#include <memory>
#include <string>

#include "base/log.h"
#include "io/event.h"
#include "io/loop.h"
#include "zookeeper/connector.h"

namespace isthmus::zookeeper {

class Session final : public Client {
 public:
  Session(io::Loop& loop, SessionOptions options);
  ~Session() override;
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  // Begins; the servers may answer at any time later. Error::text: the options cannot be used.
  io::Task<Result<void>> open();
  // Ends the session, so that what was ephemeral is gone when it returns, if a server answers.
  io::Task<void> close();
  // False: not by then.
  io::Task<bool> connected(io::Instant deadline);

  io::Task<Result<std::optional<Node>>> get(std::string path) override;
  io::Task<Result<std::optional<std::vector<std::string>>>> children(std::string path) override;
  io::Task<Result<Outcome>> transact(std::vector<Op> ops) override;
  io::Task<Result<bool>> watch(std::string path, std::function<void()> changed) override;
  SessionState state() const override;
  void on_state(std::function<void(SessionState)> listener) override;

 private:
  struct Shared;
  struct Reply;
  struct Watch;
  struct Callbacks;
  using ReplyPtr = std::shared_ptr<Reply>;
  template <typename Call>
  int begin(const ReplyPtr& reply, Call call);
  // `begun`: what the library said when it took the request.
  static io::Task<Result<ReplyPtr>> answered(std::shared_ptr<Shared> shared, ReplyPtr reply,
                                             int begun, std::string what);

  std::shared_ptr<Shared> shared_;
};

class SessionConnector final : public Connector {
 public:
  io::Task<Result<std::unique_ptr<Client>>> begin(io::Loop& loop, SessionOptions options) override;
  io::Task<void> end(std::unique_ptr<Client> client) override;
};

}  // namespace isthmus::zookeeper
