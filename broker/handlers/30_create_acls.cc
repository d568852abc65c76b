// CreateAcls: answered when the entries are durable, and in force.
#include "broker/controller/acl_plans.h"
#include "broker/handlers/acl_apis.h"
#include "broker/handlers/handlers.h"
#include "kafka/gen/create_acls.h"

namespace isthmus::broker {

namespace {

using Request = kafka::CreateAclsRequest;
using Response = kafka::CreateAclsResponse;

std::vector<Acl> acls_in(Request message) {
  std::vector<Acl> acls;
  for (auto& c : message.creations) {
    acls.push_back({c.resource_type, c.resource_pattern_type, std::move(c.resource_name),
                    std::move(c.principal), host_text(c.host), c.operation, c.permission_type});
  }
  return acls;
}

// On the main loop.
io::Task<std::vector<Result<void>>> create_all(Context& context, std::vector<Acl> wished) {
  std::vector<Result<void>> results;
  auto decide = [&](const Image& image) {
    auto made = plan_create_acls(image, wished);
    results = std::move(made.results);
    return Result<Plan>(std::move(made.plan));
  };
  auto done = co_await context.controller.update(decide);
  for (auto& result : results) {
    if (result && !done) result = done;
  }
  co_return results;
}

io::Task<Response> create(Context& context, Request message,
                          std::shared_ptr<server::ConnectionContext> connection) {
  constexpr auto needed = kafka::need<Request>(AclOperation::alter, ResourceType::cluster);
  const auto refusal = refusal_of_acls(context, context.rights_of(*connection), needed);
  std::vector<Result<void>> results;
  if (refusal) {
    results.assign(message.creations.size(), fail(*refusal));
  } else {
    results = co_await io::call_on(context.env.main_loop(),
                                   create_all(context, acls_in(std::move(message))));
  }
  Response response;
  for (const auto& result : results) {
    auto& answer = response.results.emplace_back();
    if (!result) refuse(answer, result.error());
  }
  co_return response;
}

}  // namespace

io::Task<server::Reply> create_acls(Context& context, server::Request request) {
  return answer<Request, create>(context, std::move(request));
}

}  // namespace isthmus::broker
