// A commit of metadata as bytes: what the embedded log is a sequence of, and what a node of
// ZooKeeper holds.
//
//   ┌──────────┬──────────┬──────────────────────────────────────────────┐
//   │ length 4 │ crc32c 4 │ version 8 │ count 4 │ count × (key, value)    │
//   └──────────┴──────────┴──────────────────────────────────────────────┘
//
// length counts what follows the checksum; a value that is null deletes its key.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/error.h"
#include "broker/store/metadata_store.h"

namespace isthmus::broker {

struct StoredCommit {
  int64_t version = 0;
  std::vector<MetadataStore::Put> puts;
};

inline constexpr size_t frame_header_bytes = 8;
inline constexpr size_t max_commit_bytes = size_t{64} << 20;

// Error::text: larger than max_commit_bytes.
Result<Slice> encode_frame(const StoredCommit& commit);
// The body of the frame at the start of `rest`; nothing if no whole valid frame is there.
std::optional<Bytes> frame_body(Bytes rest);
int64_t version_in(Bytes body);
// Error::corrupt: a body that breaks its own format. `where` names it.
Result<StoredCommit> decode_body(Bytes body, const std::string& where);

}  // namespace isthmus::broker
