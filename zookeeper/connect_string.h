// ConnectString: the servers of an ensemble and the folder in it that is ours, in the notation of
// ZooKeeper's own clients and of Kafka's zookeeper.connect:
//
//   zk1:2181,zk2:2181,zk3:2181/kafka/seoul
//
// One folder (chroot), behind the last server, for all of them. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "io/stream.h"

namespace isthmus::zookeeper {

struct ConnectString {
  std::vector<io::Address> servers;
  std::string root;  // "/kafka/seoul"; empty: all of ZooKeeper's

  // A server without a port has ZooKeeper's, 2181.
  static Result<ConnectString> parse(std::string_view text);
  // Parses back.
  std::string to_string() const;
  // The servers as ZooKeeper's C library takes them.
  std::string servers_for_library() const;
};

// Why a folder that an operator has named cannot be one of ours; nothing if it can.
std::optional<std::string> why_no_root(const std::string& root);

}  // namespace isthmus::zookeeper
