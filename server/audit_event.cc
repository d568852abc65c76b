#include "server/audit_event.h"

#include <fmt/chrono.h>

#include <nlohmann/json.hpp>

#include "base/json.h"
#include "server/service.h"

namespace isthmus::server {

namespace {

std::string iso_time(int64_t ms) {
  return fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:03}Z", fmt::gmtime(static_cast<time_t>(ms / 1000)),
                     ms % 1000);
}

void add_text(nlohmann::json& json, const char* key, const std::string& text) {
  if (!text.empty()) json[key] = text;
}

}  // namespace

std::string audit_text(std::string_view text) {
  if (text.size() <= longest_audit_text) return std::string(text);
  constexpr auto is_inside = [](char c) { return (static_cast<uint8_t>(c) & 0xc0) == 0x80; };
  size_t end = longest_audit_text;
  while (end > 0 && is_inside(text[end])) --end;
  return std::string(text.substr(0, end)) + "…";
}

void AuditNames::add(std::string_view name) {
  const bool is_first = named_.empty() && more_ == 0;
  if (!is_first && last_ == name) return;
  last_ = name;
  if (named_.size() < most) {
    named_.push_back(audit_text(name));
  } else {
    ++more_;
  }
}

std::string_view to_string(AuditOutcome outcome) {
  switch (outcome) {
    case AuditOutcome::allowed: return "allowed";
    case AuditOutcome::refused: return "refused";
    case AuditOutcome::failed: return "failed";
    case AuditOutcome::unknown: return "unknown";
  }
  return "?";
}

size_t AuditEvent::bytes() const {
  size_t sum = sizeof(AuditEvent) + principal.size() + host.size() + listener.size() +
               client_id.size() + impersonated_by.size() + detail.size();
  for (const auto& name : resources.named()) sum += sizeof name + name.size();
  return sum;
}

AuditEvent audit_event_of(const ConnectionContext& connection) {
  AuditEvent event;
  event.time_ms = connection.loop->wall_ms();
  event.principal = audit_text(connection.principal.to_string());
  event.host = audit_text(connection.peer.host);
  event.listener = connection.listener;
  event.client_id = audit_text(connection.client_id);
  if (connection.impersonated_by) {
    event.impersonated_by = audit_text(connection.impersonated_by->to_string());
  }
  return event;
}

std::string audit_line(const AuditEvent& event) {
  nlohmann::json json = {{"time", iso_time(event.time_ms)},
                         {"principal", event.principal},
                         {"host", event.host},
                         {"listener", event.listener},
                         {"action", event.action},
                         {"outcome", std::string(to_string(event.outcome))}};
  add_text(json, "client_id", event.client_id);
  add_text(json, "impersonated_by", event.impersonated_by);
  add_text(json, "detail", event.detail);
  add_text(json, "error", event.error);
  if (!event.resources.named().empty()) {
    json["resource_type"] = event.resource_type;
    json["resources"] = event.resources.named();
  }
  if (event.resources.more() > 0) json["resources_more"] = event.resources.more();
  if (event.dropped > 0) json["dropped_before"] = event.dropped;
  return write_json(json);
}

}  // namespace isthmus::server
