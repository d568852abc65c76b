// Routes: which cluster is home to a topic or a group.
//
// The YAML gives the initial values: exact names, then the default. A switchover moves all that a
// cluster is home to, and is remembered by the clusters as versioned entries of who has taken over
// whose routes (kafka/takeovers.h). Of all entries seen about one cluster the latest counts, and an
// older one never comes back: a site that was cut off returns with what it knew before, and would
// otherwise lead clients away from where their topics live now.
//
// A plain value without I/O, of the router (router/picture.h), on its loop. What one reader sees
// between two awaits is of one piece.
//
// A route also says as what a topic's uncompressed batches go on (router/compression.h). That stays
// with the route when another cluster takes it over.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "kafka/takeovers.h"
#include "process/router_config.h"

namespace isthmus::router {

class Routes {
 public:
  // REQUIRES: one default, and no name twice (process::validate sees to it).
  explicit Routes(const std::vector<process::Route>& initial);

  // What a cluster has told. False if none of it is later than what is in force.
  bool merge(const kafka::Takeovers& told);
  // Other initial values; what has been taken over stays taken over.
  void reload(const std::vector<process::Route>& initial);

  const std::string& home_of_topic(const std::string& name) const;
  const std::string& home_of_group(const std::string& name) const;
  const std::string& default_home() const { return in_charge_of(default_); }
  // The cluster that the YAML alone names, whoever has taken over since.
  const std::string& initial_home_of_topic(const std::string& name) const;
  const std::string& initial_home_of_group(const std::string& name) const;

  // Whether every topic and every group has its home there: nobody needs to look at their names.
  bool everything_is_at(const std::string& cluster) const;
  bool is_home_of_something(const std::string& cluster) const;

  // Of the topic's own route, where it has one, which then says nothing of the default's.
  kafka::CompressionSettings compression_of_topic(const std::string& name) const;
  kafka::CompressionSettings default_compression() const { return default_compression_; }
  const std::map<std::string, kafka::CompressionSettings>& topic_compressions() const {
    return compressions_;
  }
  bool compress_anything() const;

  const kafka::Takeovers& takeovers() const { return takeovers_; }
  // Counts the changes of any kind, so that one can see whether there was one.
  uint64_t changes() const { return changes_; }

 private:
  using ByName = std::map<std::string, std::string>;

  const std::string& in_charge_of(const std::string& cluster) const {
    return takeovers_.in_charge_of(cluster);
  }

  ByName topics_;
  ByName groups_;
  std::string default_;
  std::map<std::string, kafka::CompressionSettings> compressions_;  // of the names in topics_
  kafka::CompressionSettings default_compression_;
  kafka::Takeovers takeovers_;
  uint64_t changes_ = 0;
};

}  // namespace isthmus::router
