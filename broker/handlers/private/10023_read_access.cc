// ReadAccess: who may do what here, for a link that has it follow.
#include "broker/handlers/private/on_main.h"
#include "broker/link/access_page.h"

namespace isthmus::broker {

namespace {

using Request = kafka::ReadAccessRequest;
using Response = kafka::ReadAccessResponse;
using kafka::AclOperation;
using kafka::ResourceType;

// One user that is hidden would look like one that is gone.
bool may_read_users(const Rights& rights, const UserImages& users) {
  constexpr auto needed = kafka::need<Request>(AclOperation::describe_tokens, ResourceType::user);
  if (!rights.may(needed, any_resource)) return false;
  return std::ranges::all_of(
      users, [&](const auto& user) { return rights.may(needed, "User:" + user.first); });
}

io::Task<Response> read(Context& context, Request message,
                        std::shared_ptr<server::ConnectionContext> connection) {
  constexpr auto acls = kafka::need<Request>(AclOperation::describe, ResourceType::cluster);
  constexpr auto all = kafka::need<Request>(AclOperation::alter, ResourceType::cluster);
  constexpr auto quotas =
      kafka::need<Request>(AclOperation::describe_configs, ResourceType::cluster);
  const Rights rights = context.rights_of(*connection);
  if (!rights.may_on_cluster(acls)) co_return unauthorized(message);
  const auto image = context.image.load();
  const bool may_all =
      is_known(*image, message, context.controller.self()) || rights.may_on_cluster(all);
  co_return page_of_access(
      *image, message,
      {.users = may_all || may_read_users(rights, *image->users),
       .quotas = may_all || rights.may_on_cluster(quotas),
       .is_super_user = [&](const std::string& p) { return context.authorizer.is_super_user(p); },
       .teller = context.controller.self()});
}

}  // namespace

io::Task<server::Reply> read_access(Context& context, server::Request request) {
  return answer<Request, read>(context, std::move(request));
}

}  // namespace isthmus::broker
