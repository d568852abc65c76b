// AuditEvent: who did what, and what came of it; one line of the audit. Secrets never get in: what
// a request sets (a password, the value of a config) is not part of it, only what it names.
//
// Plain values; any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace isthmus::server {

// Texts from outside: the longer are cut, so that a line has a limit.
inline constexpr size_t longest_audit_text = 1024;
std::string audit_text(std::string_view text);

// What a request is about. So many are named, the others are counted.
class AuditNames {
 public:
  static constexpr size_t most = 10;

  // The same as the one before is not another: partitions of a topic come one after the other.
  void add(std::string_view name);
  const std::vector<std::string>& named() const { return named_; }
  uint64_t more() const { return more_; }

 private:
  std::vector<std::string> named_;
  std::string last_;
  uint64_t more_ = 0;
};

enum class AuditOutcome : uint8_t {
  allowed,  // and done
  refused,  // who asked may not, or is not who he says
  failed,   // he may, and it was not done
  unknown,  // it was begun, and its sender's time was over before its end
};
inline constexpr size_t audit_outcomes = 4;
std::string_view to_string(AuditOutcome outcome);

struct AuditEvent {
  int64_t time_ms = 0;    // since 1970
  std::string principal;  // "User:alice"
  std::string host;
  std::string listener;
  std::string client_id;
  std::string impersonated_by;  // the router that speaks for the principal
  std::string action;           // Kafka's name of the API; or "TlsHandshake", "POST /reload"
  std::string detail;           // which of several things the API does, if it does several
  std::string resource_type;
  AuditNames resources;
  AuditOutcome outcome = AuditOutcome::allowed;
  std::string error;     // Kafka's name, if it was not allowed
  uint64_t dropped = 0;  // lines that are missing before this one

  // About what it takes in memory.
  size_t bytes() const;
};

struct ConnectionContext;
// What every line says of who asks. REQUIRES: on the connection's loop.
AuditEvent audit_event_of(const ConnectionContext& connection);

// One JSON object, without a newline.
std::string audit_line(const AuditEvent& event);

}  // namespace isthmus::server
