// AlterUserScramCredentials (KIP-554): sets and removes what passwords are verified by.
#include "broker/controller/user_plans.h"
#include "broker/handlers/handlers.h"

namespace isthmus::broker {

namespace {

using Response = kafka::AlterUserScramCredentialsResponse;

io::Task<Response> alter_all(Context& context, UserChanges wish) {
  Response response;
  for (const auto& user : users_in(wish)) {
    auto decide = [&wish, &user](const Image& image) { return plan_user(image, wish, user); };
    auto done = co_await context.controller.update(decide);
    auto& out = response.results.emplace_back();
    out.user = user;
    if (!done) kafka::refuse(out, done.error());
  }
  co_return response;
}

io::Task<Response> alter(Context& context, UserChanges message,
                         std::shared_ptr<server::ConnectionContext> connection) {
  constexpr auto needed =
      kafka::need<UserChanges>(kafka::AclOperation::alter, kafka::ResourceType::cluster);
  if (!context.rights_of(*connection).may_on_cluster(needed)) {
    Response refused;
    for (const auto& user : users_in(message)) {
      auto& out = refused.results.emplace_back();
      out.user = user;
      out.error_code = kafka::ErrorCode::cluster_authorization_failed;
    }
    co_return refused;
  }
  auto altering = alter_all(context, std::move(message));
  co_return co_await io::call_on(context.env.main_loop(), std::move(altering));
}

}  // namespace

io::Task<server::Reply> alter_user_scram_credentials(Context& context, server::Request request) {
  return answer<UserChanges, alter>(context, std::move(request));
}

}  // namespace isthmus::broker
