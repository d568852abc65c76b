// A coordinator in a simulated process, over a journal, a register and logs in memory that outlive
// it: restart() is a new coordinator that knows what was durable.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "broker/coordinator/key_partition.h"
#include "broker/group/coordinator.h"
#include "tests/broker/coordinator/memory_journal.h"
#include "tests/broker/started.h"

namespace isthmus::broker {

using kafka::ErrorCode;

class MemoryOwnership final : public Ownership {
 public:
  io::Task<Result<void>> put(std::vector<std::string> groups,
                             std::optional<std::string> link) override;
  std::optional<std::string> owner_of(const std::string& group) const override;
  bool has_parted(const std::string& group) const override { return parted.contains(group); }

  io::Loop* loop = nullptr;
  std::map<std::string, std::string> owners;
  std::set<std::string> parted;
  size_t puts = 0;
  bool held = false;
  bool fails = false;
};

// Every topic is there, with three partitions, unless it is gone; whoever comes back has a new id.
class MemoryTopics final : public Topics {
 public:
  std::optional<Topic> find(const std::string& name) const override;
  void remove(const std::string& name) { gone.insert(name); }
  void recreate(const std::string& name) {
    gone.erase(name);
    ++times_recreated[name];
  }

  std::set<std::string> gone;
  std::map<std::string, uint8_t> times_recreated;
};

class MemoryEnds final : public LogEnds {
 public:
  io::Task<std::vector<std::optional<Clamped>>> clamp(std::vector<Position> positions) override;

  io::Loop* loop = nullptr;
  std::map<TopicPartition, Offset> ends;
  LeaderEpoch epoch = 5;
  bool reachable = true;
  bool held = false;
};

class CoordinatorTest : public testing::Test {
 protected:
  CoordinatorTest();

  Coordinator& coordinator() { return *coordinator_; }
  // All partitions are led and loaded afterwards.
  void restart();
  void start_process();  // leads nothing yet
  // Each in an epoch that is newer than all before.
  void lead_all();
  // A coordinator on another broker of the cluster: same journal, register and topics.
  Coordinator& make_another();
  // Requests in short (below) are asked of this one from now on.
  void turn_to(Coordinator& coordinator) { coordinator_ = &coordinator; }
  void pass(io::Duration time) { world_.run_for(time); }

  // Runs the task in the process; the answer appears when it has come.
  template <typename T>
  Started<T> begin(io::Task<T> task) {
    return start_in(*process_, std::move(task));
  }
  template <typename T>
  T ask(io::Task<T> task) {
    return run_in(world_, *process_, std::move(task));
  }
  Started<bool> begin(io::Task<void> task);
  void ask(io::Task<void> task);

  // Requests in short.
  static kafka::JoinGroupRequest join(const std::string& group, const std::string& member = "");
  static kafka::OffsetCommitRequest commit(const std::string& group, Offset offset,
                                           const std::string& topic = "orders");
  // As a member that is the only one and has its assignment; returns its id.
  std::string become_member(const std::string& group);
  // What OffsetFetch says of partition 0; or its error.
  struct Fetched {
    ErrorCode error = ErrorCode::none;
    Offset offset = -1;
    LeaderEpoch epoch = -1;
    std::string metadata;
    bool operator==(const Fetched&) const = default;
  };
  Fetched fetch(const std::string& group, const std::string& topic = "orders");
  // The last value of a key, over all partitions; nullopt if there is none or a tombstone.
  std::optional<Slice> last(const GroupRecordKey& key) const;
  ErrorCode commit_now(kafka::OffsetCommitRequest request);

  Caller caller{"client", "/10.0.0.1", 8};
  GroupConfig config;
  MemoryJournal journal;
  MemoryOwnership ownership;
  MemoryTopics topics;
  MemoryEnds ends;
  LeaderEpoch epoch = 0;  // the newest

 private:
  sim::SimWorld world_{1};
  sim::SimHost& host_;
  sim::SimProcess* process_ = nullptr;
  Coordinator* coordinator_ = nullptr;
};

}  // namespace isthmus::broker
