// MetadataFile: all that a cluster must not forget, as `isthmus metadata export` writes it: each
// key of the metadata store with its record as it is, and beside it, for people, what the record
// says. Whoever reads it can try passwords against the verifiers in it: it is for its owner alone.
// Pure.
//
// Its lines: {"key":"/topics/orders","version":12,"record":"<base64>","says":{...}}; in the header
// stand the cluster and when it was written (formats.md).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "broker/image/image.h"
#include "broker/store/metadata_store.h"

namespace isthmus::broker {

struct MetadataFile {
  std::vector<MetadataStore::Change> records;  // as a store tells its watcher at first
  int64_t written_ms = 0;
};

// An error if they are no cluster's.
Result<std::string> encode_metadata(const MetadataFile& file);
Result<MetadataFile> decode_metadata(std::string_view text, const std::string& where);

// What they amount to. An error names the key that this release cannot read.
Result<std::shared_ptr<const Image>> image_of(const MetadataFile& file);

}  // namespace isthmus::broker
