// DescribeAcls: the entries that a filter meets, by resource.
#include "broker/handlers/acl_apis.h"
#include "broker/handlers/handlers.h"
#include "kafka/gen/describe_acls.h"

namespace isthmus::broker {

namespace {

using Request = kafka::DescribeAclsRequest;
using Response = kafka::DescribeAclsResponse;

bool is_of(const Response::DescribeAclsResource& resource, const Acl& acl) {
  return resource.resource_type == acl.type && resource.pattern_type == acl.pattern &&
         resource.resource_name == acl.name;
}

io::Task<Response> describe(Context& context, Request message,
                            std::shared_ptr<server::ConnectionContext> connection) {
  constexpr auto needed = kafka::need<Request>(AclOperation::describe, ResourceType::cluster);
  Response response;
  const AclFilter filter = filter_of(message);
  auto refusal = refusal_of_acls(context, context.rights_of(*connection), needed);
  if (auto ok = check_filter(filter); !refusal && !ok) refusal = ok.error();
  if (refusal) {
    refuse(response, *refusal);
    co_return response;
  }
  // In their order those of one resource stand together.
  for (Acl& acl : context.image.load()->acls->set.matching(filter)) {
    if (response.resources.empty() || !is_of(response.resources.back(), acl)) {
      response.resources.push_back({acl.type, acl.name, acl.pattern, {}});
    }
    response.resources.back().acls.push_back(
        {std::move(acl.principal), std::move(acl.host), acl.operation, acl.permission});
  }
  co_return response;
}

}  // namespace

io::Task<server::Reply> describe_acls(Context& context, server::Request request) {
  return answer<Request, describe>(context, std::move(request));
}

}  // namespace isthmus::broker
