// A ZooKeeper ensemble in virtual time: one tree, and sessions of processes with it. What a request
// does happens at the ensemble between its two ways; a line that is cut in between leaves who asked
// without knowing. The session of a process that ends, however that happens, lives on for its
// time-out, and what is ephemeral in it.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "io/loop.h"
#include "zookeeper/client.h"

namespace isthmus::sim {

class ZookeeperSession;

class ZookeeperEnsemble {
 public:
  // Calls something after a while. Without it, sessions of processes that have ended live for ever.
  using After = std::function<void(io::Duration, std::function<void()>)>;
  explicit ZookeeperEnsemble(After after = {}) : after_(std::move(after)) {}

  // What is there, for tests to look at and to spoil.
  struct Node {
    Slice data;
    int32_t version = 0;
    uint64_t session = 0;  // of an ephemeral one
  };
  std::map<std::string, Node> nodes{{"/", {}}};

  zookeeper::Outcome transact(const std::vector<zookeeper::Op>& ops, uint64_t session);
  std::vector<std::string> children(const std::string& path) const;
  // Null: its process has ended.
  ZookeeperSession* find(uint64_t session) const;
  size_t requests = 0;

 private:
  friend class ZookeeperSession;
  zookeeper::Answer would(const zookeeper::Op& op) const;
  void act(const zookeeper::Op& op, uint64_t session, std::set<std::string>& touched);
  void tell(const std::set<std::string>& touched);
  void end_session(uint64_t session);

  After after_;
  std::map<uint64_t, ZookeeperSession*> sessions_;
  uint64_t last_session_ = 0;
};

class ZookeeperSession final : public zookeeper::Client {
 public:
  ZookeeperSession(ZookeeperEnsemble& ensemble, io::Loop& loop);
  ~ZookeeperSession() override;

  io::Task<Result<std::optional<zookeeper::Node>>> get(std::string path) override;
  io::Task<Result<std::optional<std::vector<std::string>>>> children(std::string path) override;
  io::Task<Result<zookeeper::Outcome>> transact(std::vector<zookeeper::Op> ops) override;
  io::Task<Result<bool>> watch(std::string path, std::function<void()> changed) override;
  zookeeper::SessionState state() const override { return state_; }
  void on_state(std::function<void(zookeeper::SessionState)> listener) override {
    listener_ = std::move(listener);
  }

  // Faults. What is under way when the line is cut may have happened; what begins after, not.
  void cut_line();
  void mend_line();
  // Cuts the line between the next transaction and its answer.
  void lose_next_answer() { loses_answer_ = true; }
  // The session ends between the next transaction and its answer.
  void expire_after_write() { expires_after_write_ = true; }
  // Cuts the line when so many more ways were gone, there and back; 0 = not.
  void cut_after(uint64_t ways) { left_ = ways; }
  size_t watches() const { return watches_.size(); }
  uint64_t id() const { return id_; }
  void expire();
  // The session ends there, and this process does not hear of it before the line is mended.
  void expire_unheard();

 private:
  friend class ZookeeperEnsemble;
  // The way there, and the way back; an error where the line was cut on it.
  io::Task<Result<void>> travel();
  Error no_line() const;
  void become(zookeeper::SessionState next);
  void fire_all();

  ZookeeperEnsemble& ensemble_;
  io::Loop& loop_;
  const uint64_t id_;
  zookeeper::SessionState state_ = zookeeper::SessionState::connected;
  uint64_t cuts_ = 0;
  bool loses_answer_ = false;
  bool has_expired_ = false;
  bool expires_after_write_ = false;
  uint64_t left_ = 0;
  std::function<void(zookeeper::SessionState)> listener_;
  std::multimap<std::string, std::function<void()>> watches_;
};

}  // namespace isthmus::sim
