// What a cluster's metadata look like in ZooKeeper: a log of commits, and snapshots of it.
//
//   <root>/commits/<version>         one commit: the next is the next node, and who makes it has
//                                    committed; so nobody writes over what he has not seen
//   <root>/snapshots/<version>       all that the commits up to this one have left
//   <root>/parts/<version>-<id>/<n>  pieces of a commit or snapshot that one node cannot hold
//   <root>/live/<node id>            ephemeral: that broker runs, and has its session (live_node.h)
//   <root>/tokens/<process>          ephemeral: that process may commit
//   <root>/controller                ephemeral: who fences and elects (cluster_keeper.h)
//
// <version> has 19 digits, so that names sort as numbers. A node of a commit or a snapshot holds
//
//   ┌──────────┬──────┬──────┬───────────────────────────────────────────┐
//   │ crc32c 4 │ id 16│ kind │ whole: frames (commit_frame.h)             │
//   │          │      │  1   │ parts: how many 4, bytes 8, their crc32c 4 │
//   └──────────┴──────┴──────┴───────────────────────────────────────────┘
//
// where the checksum covers what follows it, and the id, which nobody else draws, tells the writer
// whether a node that is there is his. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/error.h"
#include "base/ids.h"

namespace isthmus::broker {

class ZookeeperLayout {
 public:
  explicit ZookeeperLayout(std::string root) : root_(std::move(root)) {}

  // Empty: all of ZooKeeper's.
  const std::string& root() const { return root_; }
  std::string commits() const { return root_ + "/commits"; }
  std::string snapshots() const { return root_ + "/snapshots"; }
  std::string parts() const { return root_ + "/parts"; }
  std::string live() const { return root_ + "/live"; }
  std::string live(int32_t node) const { return live() + "/" + std::to_string(node); }
  std::string tokens() const { return root_ + "/tokens"; }
  std::string token(const Uuid& process) const { return tokens() + "/" + process.to_string(); }
  std::string controller() const { return root_ + "/controller"; }
  std::string commit(int64_t version) const { return commits() + "/" + digits(version); }
  std::string snapshot(int64_t version) const { return snapshots() + "/" + digits(version); }
  std::string folder_of_parts(int64_t version, const Uuid& id) const {
    return parts() + "/" + digits(version) + "-" + id.to_string();
  }

  static std::string digits(int64_t version);
  // Of a node's name, or of the part before a dash; nothing where it is none of ours.
  static std::optional<int64_t> version_of(const std::string& name);

 private:
  std::string root_;
};

struct StoredNode {
  struct Parts {
    int32_t count = 0;
    int64_t bytes = 0;
    uint32_t crc = 0;
  };
  Uuid id;
  Slice whole = {};            // where there are no parts
  std::optional<Parts> parts;  // else
};

// How much of a commit or snapshot one node holds.
inline constexpr size_t bytes_per_node = size_t{512} << 10;
inline constexpr int32_t max_parts = 4096;

Slice encode_node(const StoredNode& node);
// Error::corrupt. `where` names the node.
Result<StoredNode> decode_node(const Slice& data, const std::string& where);

}  // namespace isthmus::broker
