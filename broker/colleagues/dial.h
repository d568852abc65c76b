// Dialer: how a broker reaches another one of its own cluster: at the listener for brokers that the
// image tells, as whom its options say. The only place that opens such a connection.
//
// What only an operator can set right (a certificate, a log-in) is told in the log, in one line for
// each broker: when it begins, when the reason changes, and now and then. Copier's line says that a
// leader is away; it may have been before, and for another reason.
//
// Owned by Broker, on the main loop. It outlives those who dial.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>

#include "base/log.h"
#include "broker/image/image.h"
#include "client/connection.h"
#include "io/env.h"
#include "io/gate.h"

namespace isthmus::broker {

// Whether a line is due of what hinders the way to one broker. Pure.
class DialTrouble {
 public:
  static constexpr io::Duration again_after = std::chrono::minutes(10);
  // Between two lines: reasons may alternate.
  static constexpr io::Duration pause = std::chrono::seconds(30);
  // A broker that stops cuts lines, too.
  static constexpr io::Duration passes_within = std::chrono::seconds(5);

  bool is_due(const std::string& why, bool may_pass, io::Instant now);
  // Nobody is there, of whom more could be said.
  void interrupted() { since_.reset(); }
  void ended() { *this = {}; }

 private:
  std::string told_;  // empty: nothing yet
  io::Instant at_{};
  std::optional<io::Instant> since_;
};

class Dialer {
 public:
  struct Options {
    client::ConnectionOptions connection = {};
    // Theirs of this name, where they have one that is for brokers; else the first that is.
    std::string listener = {};
  };
  Dialer(io::Env& env, Options options) : env_(env), options_(std::move(options)) {}

  // No longer than until `deadline`, nor than one machine may take to answer. An error of a socket
  // keeps its code. REQUIRES: called on the loop of `gate`.
  io::Task<Result<std::unique_ptr<client::Connection>>> dial(io::Gate& gate,
                                                             std::shared_ptr<const Image> image,
                                                             NodeId node, io::Instant deadline);

 private:
  Result<BrokerEndpoint> endpoint_of(const Image& image, NodeId node) const;
  void note_failure(NodeId node, const BrokerEndpoint& endpoint, const Error& error);

  io::Env& env_;
  const Options options_;
  Logger log_{LogComponent::colleagues};
  std::map<NodeId, DialTrouble> troubles_;  // of brokers that the image has had
};

}  // namespace isthmus::broker
