// Cluster: a site of several brokers that share their metadata in one ZooKeeper ensemble.
//
// Owned by the scenario, like the machines that it is made of; the ensemble is the stage's, which
// outlives the processes.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tests/sim/stage.h"

namespace isthmus::sim {

// Of the groups that coordinators keep.
inline const TopicPartition offsets_partition{"__consumer_offsets", 0};

class Cluster {
 public:
  // Brokers <number>01, <number>02, … on machines <name>-1, <name>-2, …
  // In a harsh world with one loop or two each, and the steady clock of one of them 5 % fast.
  Cluster(Stage& stage, const std::string& name, ClusterNumber number, size_t brokers);

  size_t size() const { return brokers_.size(); }
  Site& operator[](size_t i) { return *brokers_[i]; }
  NodeId node(size_t i) const { return number_ * 100 + static_cast<NodeId>(i) + 1; }
  // One more, which has yet to start.
  Site& add_broker();
  const std::string& name() const { return name_; }
  ClusterNumber number() const { return number_; }
  std::vector<io::Address> clients() const;
  std::vector<io::Address> peers() const;

  void start_all();
  // Starts those that are down, heals what was cut, and lets everything that stands still go on.
  void calm();
  bool await_serving();
  // Waits until all replicas of all partitions of all topics are in sync.
  bool await_in_sync();

  // Who leads, by the word of any broker that answers; nothing: nobody does, or nobody answers.
  std::optional<size_t> leader_of(const TopicPartition& partition);
  // Asks brokers that serve, beginning with any, until one answers.
  template <typename Request>
  Result<typename Request::Response> ask(const Request& request) {
    Result<typename Request::Response> answer = fail("no broker of " + name_ + " serves");
    const size_t first = stage_.random().below(size());
    for (size_t i = 0; i < size() && !answer; ++i) {
      Site& site = *brokers_[(first + i) % size()];
      if (site.serving()) answer = stage_.asker().ask(site.peers(), request);
    }
    return answer;
  }

  // What its leader has, once all of it is safe, or what is below `enough`. Nothing was judged
  // then, or nobody leads, or is up to there, for a minute.
  std::optional<LogContents> read(const TopicPartition& partition, Offset enough = whole_log);
  static constexpr Offset whole_log = INT64_MAX;
  // The coordinator of all groups. Nothing is judged where there is none for a minute.
  Site* coordinator();
  // What leaders have, against what was acknowledged.
  void check_records(const std::string& topic, int32_t partitions);

 private:
  Stage& stage_;
  std::string name_;
  ClusterNumber number_;
  size_t loops_ = 1;
  std::vector<std::unique_ptr<Site>> brokers_;
};

}  // namespace isthmus::sim
