// LogIn: how far the log-in of one connection has come (KIP-43, KIP-152), and until when it holds
// (KIP-368). A plain value beside the connection; whoever serves it (broker or router) runs the
// exchange and changes it, on the connection's loop.
//
//   wanted ──SaslHandshake──► mechanism ──SaslAuthenticate…──► done ──again, before it ends──► …
//
// Nothing but these two and ApiVersions is answered before it is done, or after it has ended.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/printable.h"
#include "io/loop.h"
#include "kafka/gen/api_key.h"
#include "kafka/sasl/mechanism.h"

namespace isthmus::server {

// An exchange under way, as its owner knows it.
struct LogInExchange {
  virtual ~LogInExchange() = default;
};

struct LogIn {
  bool required = false;
  std::optional<kafka::Mechanism> mechanism;  // of a handshake whose exchange is not over
  std::unique_ptr<LogInExchange> exchange;
  std::optional<kafka::Mechanism> done_by;  // how it came about, once it has
  std::string user;                         // who it was
  io::Instant ends = io::Instant::max();
  // The version of the cluster's users among which this one was last seen.
  int64_t users_seen = -1;

  // Nobody knows yet who it is, and more than a log-in is not to be expected.
  bool is_wanted() const { return required && !done_by; }
  // Nothing of an exchange is under way.
  bool is_done() const { return done_by && !mechanism; }

  // Why nothing of this kind is answered now; nothing where it is.
  std::optional<std::string> refusal(kafka::ApiKey key, io::Instant now) const {
    using kafka::ApiKey;
    const bool is_part_of_it = key == ApiKey::sasl_handshake || key == ApiKey::sasl_authenticate ||
                               key == ApiKey::api_versions;
    if (is_part_of_it) return std::nullopt;
    if (required && !done_by) {
      return "this listener wants a log-in first (sasl.enabled.mechanisms); is the client set to "
             "SASL?";
    }
    if (done_by && now >= ends) {
      return "the session of " + printable(user) +
             " has ended, and it has not logged in again (KIP-368)";
    }
    return std::nullopt;
  }
};

}  // namespace isthmus::server
