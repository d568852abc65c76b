// Traffic: what passed through one node's port, and what was compressed on its way to one site, for
// /metrics. On the router's loop.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <utility>

#include "kafka/recompress.h"

namespace isthmus::router {

struct Traffic {
  uint64_t requests = 0;
  uint64_t bytes_to_node = 0;
  uint64_t bytes_to_clients = 0;
};

// By one codec.
struct Compressed {
  std::array<uint64_t, kafka::recompression_names.size()> batches{};  // by what became of them
  uint64_t too_old = 0;  // batches of requests whose version does not know the codec
  // Of the batches that were compressed, before and after; and the time of all that was tried.
  uint64_t bytes_in = 0;
  uint64_t bytes_out = 0;
  double cpu_seconds = 0;
};
// By the name of the site and the codec.
using CompressedTraffic = std::map<std::pair<std::string, kafka::Compression>, Compressed>;

}  // namespace isthmus::router
