// DescribeClientQuotas (KIP-546): what is set, by type and name of the entity.
#include "broker/controller/quota_plans.h"
#include "broker/handlers/handlers.h"

namespace isthmus::broker {

namespace {

using Response = kafka::DescribeClientQuotasResponse;

Response::EntryData entry_of(const QuotaImage& quota) {
  Response::EntryData entry;
  kafka::for_each_part(quota.entity, [&entry](std::string_view type, const std::string& name) {
    const auto as_told = name.empty() ? std::nullopt : std::optional(name);
    entry.entity.push_back({std::string(type), as_told});
  });
  for (const auto& [key, value] : quota.values) entry.values.push_back({key, value});
  return entry;
}

io::Task<Response> describe(Context& context, kafka::DescribeClientQuotasRequest message,
                            std::shared_ptr<server::ConnectionContext> connection) {
  constexpr auto needed = kafka::need<kafka::DescribeClientQuotasRequest>(
      kafka::AclOperation::describe_configs, kafka::ResourceType::cluster);
  Response response;
  if (!context.rights_of(*connection).may_on_cluster(needed)) {
    response.error_code = kafka::ErrorCode::cluster_authorization_failed;
    response.entries.reset();
    co_return response;
  }
  const auto image = context.image.load();
  const auto found = find_quotas(*image, message);
  if (!found) {
    refuse(response, found.error());
    response.entries.reset();
    co_return response;
  }
  response.error_message.reset();
  auto& entries = response.entries.emplace();
  for (const QuotaImage* quota : *found) entries.push_back(entry_of(*quota));
  co_return response;
}

}  // namespace

io::Task<server::Reply> describe_client_quotas(Context& context, server::Request request) {
  return answer<kafka::DescribeClientQuotasRequest, describe>(context, std::move(request));
}

}  // namespace isthmus::broker
