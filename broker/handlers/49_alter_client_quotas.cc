// AlterClientQuotas (KIP-546). What can be done of a request is done in one commit; when it is
// answered, the quotas are in force.
#include "broker/controller/quota_plans.h"
#include "broker/handlers/handlers.h"

namespace isthmus::broker {

namespace {

using Message = kafka::AlterClientQuotasRequest;
using Response = kafka::AlterClientQuotasResponse;

Response::EntryData answer_to(const Message::EntryData& entry) {
  Response::EntryData answer;
  answer.error_message.reset();
  for (const auto& part : entry.entity) {
    answer.entity.push_back({part.entity_type, part.entity_name});
  }
  return answer;
}

io::Task<Response> alter_on_main(Context& context, Message message) {
  std::vector<Result<QuotaChange>> changes;
  for (const auto& entry : message.entries) changes.push_back(quota_change(entry));
  std::vector<Result<void>> outcomes(changes.size());
  const auto decide = [&](const Image& image) -> Result<Plan> {
    return plan_quotas(image, changes, outcomes);
  };
  Result<void> done;
  if (message.validate_only) {
    done = context.controller.check(decide);
  } else {
    done = co_await context.controller.update(decide);
  }
  Response response;
  for (size_t i = 0; i < outcomes.size(); ++i) {
    auto& answer = response.entries.emplace_back(answer_to(message.entries[i]));
    const Result<void>& outcome = outcomes[i] ? done : outcomes[i];
    if (!outcome) refuse(answer, outcome.error());
  }
  co_return response;
}

io::Task<Response> alter(Context& context, Message message,
                         std::shared_ptr<server::ConnectionContext> connection) {
  constexpr auto needed =
      kafka::need<Message>(kafka::AclOperation::alter_configs, kafka::ResourceType::cluster);
  if (!context.rights_of(*connection).may_on_cluster(needed)) {
    Response refused;
    for (const auto& entry : message.entries) {
      auto& answer = refused.entries.emplace_back(answer_to(entry));
      answer.error_code = kafka::ErrorCode::cluster_authorization_failed;
    }
    co_return refused;
  }
  auto response =
      co_await io::call_on(context.env.main_loop(), alter_on_main(context, std::move(message)));
  co_return response;
}

}  // namespace

io::Task<server::Reply> alter_client_quotas(Context& context, server::Request request) {
  return answer<Message, alter>(context, std::move(request));
}

}  // namespace isthmus::broker
