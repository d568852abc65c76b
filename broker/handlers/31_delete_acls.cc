// DeleteAcls: answered with what was removed, when that is durable, and no more in force.
#include "broker/controller/acl_plans.h"
#include "broker/handlers/acl_apis.h"
#include "broker/handlers/handlers.h"
#include "kafka/gen/delete_acls.h"

namespace isthmus::broker {

namespace {

using Request = kafka::DeleteAclsRequest;
using Response = kafka::DeleteAclsResponse;
using Matches = std::vector<Result<std::vector<Acl>>>;

// On the main loop.
io::Task<Matches> delete_all(Context& context, Request message) {
  std::vector<AclFilter> filters;
  for (auto& filter : message.filters) filters.push_back(filter_of(filter));
  Matches matches;
  auto decide = [&](const Image& image) {
    auto made = plan_delete_acls(image, filters);
    matches = std::move(made.matches);
    return Result<Plan>(std::move(made.plan));
  };
  auto done = co_await context.controller.update(decide);
  for (auto& match : matches) {
    if (match && !done) match = fail(done.error());
  }
  co_return matches;
}

io::Task<Response> remove(Context& context, Request message,
                          std::shared_ptr<server::ConnectionContext> connection) {
  constexpr auto needed = kafka::need<Request>(AclOperation::alter, ResourceType::cluster);
  const auto refusal = refusal_of_acls(context, context.rights_of(*connection), needed);
  Matches matches;
  if (refusal) {
    matches.assign(message.filters.size(), fail(*refusal));
  } else {
    matches =
        co_await io::call_on(context.env.main_loop(), delete_all(context, std::move(message)));
  }
  Response response;
  for (auto& match : matches) {
    auto& answer = response.filter_results.emplace_back();
    if (!match) {
      refuse(answer, match.error());
      continue;
    }
    for (Acl& acl : *match) {
      auto& removed = answer.matching_acls.emplace_back();
      removed.resource_type = acl.type;
      removed.resource_name = std::move(acl.name);
      removed.pattern_type = acl.pattern;
      removed.principal = std::move(acl.principal);
      removed.host = std::move(acl.host);
      removed.operation = acl.operation;
      removed.permission_type = acl.permission;
    }
  }
  co_return response;
}

}  // namespace

io::Task<server::Reply> delete_acls(Context& context, server::Request request) {
  return answer<Request, remove>(context, std::move(request));
}

}  // namespace isthmus::broker
