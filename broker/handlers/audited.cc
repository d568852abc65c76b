#include "broker/handlers/audited.h"

#include <fmt/core.h>

namespace isthmus::broker {

using kafka::ApiKey;
using kafka::ErrorCode;

namespace {

// What the error says that was refused; empty of another error.
std::string_view refused_type(ErrorCode error) {
  switch (error) {
    case ErrorCode::topic_authorization_failed: return "topic";
    case ErrorCode::group_authorization_failed: return "group";
    case ErrorCode::cluster_authorization_failed: return "cluster";
    case ErrorCode::transactional_id_authorization_failed: return "transactional id";
    case ErrorCode::sasl_authentication_failed: return "user";
    default: return "";
  }
}

server::AuditOutcome outcome_of(ErrorCode error) {
  if (error == ErrorCode::none) return server::AuditOutcome::allowed;
  // It goes on by itself (admin_work.h): who sends a short time-out is not told of as unsuccessful.
  if (error == ErrorCode::request_timed_out) return server::AuditOutcome::unknown;
  return refused_type(error).empty() ? server::AuditOutcome::failed : server::AuditOutcome::refused;
}

std::string action_of(const kafka::RequestHeader& header) {
  const auto* api = kafka::find_api(header.api_key);
  return api == nullptr ? std::to_string(header.api_key) : std::string(api->name);
}

server::AuditEvent event_of(const server::ConnectionContext& connection,
                            const kafka::RequestHeader& header) {
  server::AuditEvent event = server::audit_event_of(connection);
  event.client_id = server::audit_text(header.client_id.value_or(""));
  event.action = action_of(header);
  return event;
}

template <typename Type>
std::string or_any(const std::optional<Type>& text) {
  return text ? *text : "(any)";
}

}  // namespace

std::string_view audited_type(ApiKey key) {
  switch (key) {
    case ApiKey::create_topics:
    case ApiKey::delete_topics:
    case ApiKey::create_partitions:
    case ApiKey::elect_leaders:
    case ApiKey::alter_partition_reassignments:
    case ApiKey::delete_records: return "topic";
    case ApiKey::unregister_broker:
    case ApiKey::drain_broker: return "broker";
    case ApiKey::delete_groups:
    case ApiKey::offset_delete: return "group";
    case ApiKey::alter_configs:
    case ApiKey::incremental_alter_configs: return "config";
    case ApiKey::create_acls:
    case ApiKey::delete_acls: return "acl";
    case ApiKey::alter_user_scram_credentials:
    case ApiKey::sasl_authenticate:
    case ApiKey::impersonate: return "user";
    case ApiKey::alter_client_quotas: return "quota";
    case ApiKey::fence:
    case ApiKey::hand_over:
    case ApiKey::promote:
    case ApiKey::switchover_wish:
    case ApiKey::finish_switchover:
    case ApiKey::become_mirror:
    case ApiKey::step_down:
    case ApiKey::forget_link:
    case ApiKey::pause_link:
    case ApiKey::follow_access: return "link";
    default: return "";
  }
}

void AuditedOutcomes::add(std::string_view type, std::string_view name, ErrorCode error) {
  if (!is_administrative()) {
    type = refused_type(error);
    if (type.empty()) return;
    if (error == ErrorCode::cluster_authorization_failed) name = kafka::cluster_resource;
  }
  outcomes_[{std::string(type), error}].add(name);
}

void AuditedOutcomes::note(const Context& context, const server::ConnectionContext& connection,
                           const kafka::RequestHeader& header, std::string_view detail) const {
  for (const auto& [what, names] : outcomes_) {
    const auto& [type, error] = what;
    server::AuditEvent event = event_of(connection, header);
    event.detail = detail;
    event.resource_type = type;
    event.resources = names;
    event.outcome = outcome_of(error);
    if (error != ErrorCode::none) event.error = kafka::error_name(error);
    context.audit.note(std::move(event), connection.loop->now());
  }
}

void note_outcome(const Context& context, const server::ConnectionContext& connection,
                  const kafka::RequestHeader& header, const AuditSubject& subject,
                  ErrorCode error) {
  if (!context.audit.enabled()) return;
  server::AuditEvent event = event_of(connection, header);
  event.detail = subject.detail;
  event.resource_type = subject.type;
  for (const auto& name : subject.names) event.resources.add(name);
  event.outcome =
      error == ErrorCode::illegal_sasl_state ? server::AuditOutcome::refused : outcome_of(error);
  if (error != ErrorCode::none) event.error = kafka::error_name(error);
  context.audit.note(std::move(event), connection.loop->now());
}

namespace auditing {

std::string text_of(const kafka::CreateAclsRequest::AclCreation& acl) {
  return fmt::format("{} {} on {} {} ({}) to {} from {}", to_string(acl.permission_type),
                     to_string(acl.operation), to_string(acl.resource_type), acl.resource_name,
                     to_string(acl.resource_pattern_type), acl.principal, acl.host);
}

std::string text_of(const kafka::DeleteAclsRequest::DeleteAclsFilter& filter) {
  return fmt::format("{} {} on {} {} ({}) to {} from {}", to_string(filter.permission_type),
                     to_string(filter.operation), to_string(filter.resource_type_filter),
                     or_any(filter.resource_name_filter), to_string(filter.pattern_type_filter),
                     or_any(filter.principal_filter), or_any(filter.host_filter));
}

std::string text_of(const kafka::DeleteAclsResponse::DeleteAclsMatchingAcl& acl) {
  return fmt::format("{} {} on {} {} ({}) to {} from {}", to_string(acl.permission_type),
                     to_string(acl.operation), to_string(acl.resource_type), acl.resource_name,
                     to_string(acl.pattern_type), acl.principal, acl.host);
}

}  // namespace auditing

}  // namespace isthmus::broker
