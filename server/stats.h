// ServerStats: what one loop's connections have counted, by API. Plain integers, on that loop; a
// copy of each loop's is added up when somebody asks (Acceptor::measure).
#pragma once

#include <array>
#include <cstdint>
#include <map>

#include "base/samples.h"
#include "io/loop.h"
#include "kafka/api.h"
#include "server/quota.h"

namespace isthmus::server {

struct ApiStats {
  uint64_t requests = 0;
  uint64_t request_bytes = 0;
  uint64_t response_bytes = 0;
  Histogram seconds;  // until the answer is ready
  kafka::ErrorTally errors;

  void answered(io::Duration took, uint64_t bytes);
  void add(const ApiStats& other);
};

class ServerStats {
 public:
  // Counts the request, and lets its answer's errors be counted. The stats stay where they are.
  ApiStats& arrived(kafka::RequestHeader& header, size_t bytes);
  void opened() { ++opened_; }
  void refused() { ++refused_; }
  // By SASL; `second_nonce`: the SCRAM client sent its own twice.
  void logged_in(bool accepted, bool second_nonce) {
    ++(accepted ? log_ins_ : refused_log_ins_);
    second_nonces_ += second_nonce;
  }
  void greeted(bool agreed) { ++(agreed ? handshakes_ : failed_handshakes_); }
  // A client is held back for so long, or for so much longer (`again`).
  void throttled(QuotaKind kind, io::Duration time, bool again);
  void add(const ServerStats& other);
  void add_to(Samples& samples) const;

 private:
  std::map<int16_t, ApiStats> apis_;  // -1: keys that nobody knows
  uint64_t opened_ = 0;               // connections
  uint64_t refused_ = 0;
  uint64_t handshakes_ = 0;
  uint64_t failed_handshakes_ = 0;
  uint64_t log_ins_ = 0;
  uint64_t refused_log_ins_ = 0;
  uint64_t second_nonces_ = 0;
  struct Throttled {
    uint64_t times = 0;
    io::Duration time{};
  };
  std::array<Throttled, quota_kinds> throttled_{};
};

}  // namespace isthmus::server
