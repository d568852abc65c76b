// FollowAccess: what a link changes of who may do what here. Answered when it is durable, and in
// force.
#include "broker/handlers/private/on_main.h"
#include "broker/link/access_plans.h"

namespace isthmus::broker {

namespace {

using Request = kafka::FollowAccessRequest;
using Response = kafka::FollowAccessResponse;

io::Task<Response> follow_on_main(Context& context, Request message) {
  Response response;
  if (context.authorizer.opens_where_no_acl_is()) {
    refuse(response, kafka::error_of(kafka::ErrorCode::policy_violation,
                                     "allow.everyone.if.no.acl.found is set here: what is taken "
                                     "away, or does not follow, would be open to everybody"));
    co_return response;
  }
  const auto is_super = [&](const std::string& p) { return context.authorizer.is_super_user(p); };
  const auto decide = [&](const Image& image) {
    return plan_follow_access(image, message, is_super, response.kept);
  };
  auto done = co_await context.controller.update(decide);
  if (!done) refuse(response, done.error());
  co_return response;
}

io::Task<Response> follow(Context& context, Request message,
                          std::shared_ptr<server::ConnectionContext> connection) {
  if (!may_ask<Request>(context, *connection)) co_return unauthorized(message);
  co_return co_await io::call_on(context.env.main_loop(),
                                 follow_on_main(context, std::move(message)));
}

}  // namespace

io::Task<server::Reply> follow_access(Context& context, server::Request request) {
  return answer<Request, follow>(context, std::move(request));
}

}  // namespace isthmus::broker
