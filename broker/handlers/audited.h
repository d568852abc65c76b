// What the audit notes of requests: whatever an answer refuses for want of authorization, and what
// became of each thing that an administrative API was asked for. Both are read from the answer, so
// the audit says what the client was told. What is allowed and changes nothing of the cluster
// (produce, fetch, groups, what only reads) is not noted.
//
//   auto subject = subject_of(context, message);  // before the message is used up
//   co_return audited<Message>(context, *connection, header, response, subject);
//
// Functions without state, on the connection's loop. Where there is no audit they cost a look.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "broker/handlers/answer_walk.h"
#include "broker/handlers/context.h"
#include "kafka/gen/create_acls.h"
#include "kafka/gen/delete_acls.h"
#include "server/audit.h"

namespace isthmus::broker {

// What a request is about, as far as its answer does not say it.
struct AuditSubject {
  static constexpr size_t most = 100;

  std::string type;                // empty: that of the API
  std::vector<std::string> names;  // the first of them, in the order of the answer's results
  std::string detail;

  std::string_view name(size_t i) const { return i < names.size() ? names[i] : std::string_view(); }
};

// What an administrative API is about, as in "topic"; empty for every other API.
std::string_view audited_type(kafka::ApiKey key);

// What became of what: one line for each type of resource and error. Of an API that is not
// administrative refusals only.
class AuditedOutcomes {
 public:
  explicit AuditedOutcomes(std::string_view type) : type_(type) {}
  bool is_administrative() const { return !type_.empty(); }
  void add(std::string_view name, kafka::ErrorCode error) { add(type_, name, error); }
  void add(std::string_view type, std::string_view name, kafka::ErrorCode error);
  void note(const Context& context, const server::ConnectionContext& connection,
            const kafka::RequestHeader& header, std::string_view detail) const;

 private:
  const std::string_view type_;
  std::map<std::pair<std::string, kafka::ErrorCode>, server::AuditNames> outcomes_;
};

// One thing; for what is no plain answer: log-ins and what is refused before it reaches a handler.
void note_outcome(const Context& context, const server::ConnectionContext& connection,
                  const kafka::RequestHeader& header, const AuditSubject& subject,
                  kafka::ErrorCode error);

namespace auditing {

std::string text_of(const kafka::CreateAclsRequest::AclCreation& acl);
std::string text_of(const kafka::DeleteAclsRequest::DeleteAclsFilter& filter);
std::string text_of(const kafka::DeleteAclsResponse::DeleteAclsMatchingAcl& acl);

// Which of the things that the API does is asked for.
template <typename Message>
std::string detail_of(const Message& message) {
  if constexpr (requires { message.election_type; }) {
    return message.election_type == 1 ? "unclean" : "preferred";
  }
  if constexpr (requires { message.drain; }) return std::string(to_string(message.drain));
  if constexpr (requires { message.validate_only; }) return message.validate_only ? "validate" : "";
  if constexpr (requires { message.dry_run; }) return message.dry_run ? "dry run" : "";
  if constexpr (requires { message.abandon; }) return message.abandon ? "abandon" : "";
  if constexpr (requires { message.paused; }) return message.paused ? "pause" : "resume";
  if constexpr (requires { message.lift; }) return message.lift ? "lift" : "";
  if constexpr (requires { message.failover; }) return message.failover ? "failover" : "";
  return "";
}

template <typename List>
void add_texts(const List& list, std::vector<std::string>& names) {
  for (const auto& each : list) {
    if (names.size() == AuditSubject::most) return;
    names.push_back(text_of(each));
  }
}

// A group and a transactional id are named by the request alone where topics are refused for them.
constexpr bool is_of_the_request(kafka::ErrorCode error) {
  return error == kafka::ErrorCode::group_authorization_failed ||
         error == kafka::ErrorCode::transactional_id_authorization_failed;
}

// One result of an answer.
template <typename One>
void add_result(const One& result, std::string name, kafka::ErrorCode error,
                const AuditSubject& subject, AuditedOutcomes& outcomes) {
  if constexpr (requires { result.matching_acls; }) {
    for (const auto& acl : result.matching_acls) outcomes.add(text_of(acl), acl.error_code);
    if (!result.matching_acls.empty()) return;
  }
  if (!outcomes.is_administrative()) {
    const bool by_request = is_of_the_request(error) && !subject.names.empty();
    return outcomes.add(by_request ? subject.name(0) : name, error);
  }
  if constexpr (requires { result.partition_index; }) {
    name += "-" + std::to_string(result.partition_index);
  } else if constexpr (requires { result.partition_id; }) {
    name += "-" + std::to_string(result.partition_id);
  }
  if constexpr (requires { result.resource_type; }) {
    outcomes.add(to_string(result.resource_type), name, error);
  } else {
    outcomes.add(name, error);
  }
}

}  // namespace auditing

template <typename Message>
AuditSubject subject_of(const Context& context, const Message& message) {
  AuditSubject subject;
  if (!context.audit.enabled()) return subject;
  subject.detail = auditing::detail_of(message);
  if constexpr (requires { message.creations; }) {
    auditing::add_texts(message.creations, subject.names);
  } else if constexpr (requires { message.filters; }) {
    auditing::add_texts(message.filters, subject.names);
  } else {
    std::string name = name_in(message);
    if (!name.empty()) subject.names.push_back(std::move(name));
  }
  return subject;
}

template <typename Message>
void note_answer(const Context& context, const server::ConnectionContext& connection,
                 const kafka::RequestHeader& header, const typename Message::Response& response,
                 const AuditSubject& subject) {
  if (!context.audit.enabled()) return;
  AuditedOutcomes outcomes(audited_type(Message::api_key));
  using kafka::ErrorCode;
  bool is_one = false;  // the answer as a whole says what became of it
  if constexpr (requires { response.error_code; }) {
    is_one =
        response.error_code != ErrorCode::none || kafka::find_api(Message::api_key)->is_private;
    if (is_one) outcomes.add(subject.name(0), response.error_code);
  }
  // Offsets that are deleted are a group's.
  const bool is_of_group = Message::api_key == kafka::ApiKey::offset_delete;
  const auto see = [&](const auto& result, std::string name, size_t i, ErrorCode error) {
    if (is_of_group) name = std::string(subject.name(0)) + " " + name;
    if (name.empty()) name = subject.name(i);
    auditing::add_result(result, std::move(name), error, subject, outcomes);
  };
  if (!is_one) walk_answer(response, see);
  outcomes.note(context, connection, header, subject.detail);
}

// The complete answer, noted.
template <typename Message>
Rope audited(const Context& context, const server::ConnectionContext& connection,
             const kafka::RequestHeader& header, const typename Message::Response& response,
             const AuditSubject& subject) {
  note_answer<Message>(context, connection, header, response, subject);
  return server::encode_response(header, response);
}

}  // namespace isthmus::broker
