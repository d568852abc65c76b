// DescribeUserScramCredentials (KIP-554): which credentials users have, and nothing of them.
#include <map>

#include "broker/handlers/handlers.h"
#include "kafka/gen/describe_user_scram_credentials.h"

namespace isthmus::broker {

namespace {

using kafka::ErrorCode;
using Request = kafka::DescribeUserScramCredentialsRequest;
using Response = kafka::DescribeUserScramCredentialsResponse;
using Described = Response::DescribeUserScramCredentialsResult;

Described describe_one(const UserImage& user) {
  Described out;
  out.user = user.name;
  for (const auto& [mechanism, credential] : user.credentials) {
    out.credential_infos.push_back({mechanism, credential.iterations});
  }
  return out;
}

Described refuse_one(const std::string& user, ErrorCode code, std::string why) {
  Described out;
  out.user = user;
  out.error_code = code;
  out.error_message = std::move(why);
  return out;
}

io::Task<Response> describe(Context& context, Request message,
                            std::shared_ptr<server::ConnectionContext> connection) {
  constexpr auto needed =
      kafka::need<Request>(kafka::AclOperation::describe, kafka::ResourceType::cluster);
  if (!context.rights_of(*connection).may_on_cluster(needed)) {
    Response refused;
    refused.error_code = ErrorCode::cluster_authorization_failed;
    co_return refused;
  }
  const auto users = context.image.load()->users;
  Response response;
  if (!message.users || message.users->empty()) {
    for (const auto& [name, user] : *users) response.results.push_back(describe_one(user));
    co_return response;
  }
  std::map<std::string, int> asked;
  for (const auto& user : *message.users) ++asked[user.name];
  for (const auto& [name, times] : asked) {
    const auto known = users->find(name);
    if (times > 1) {
      response.results.push_back(
          refuse_one(name, ErrorCode::duplicate_resource, "the user is asked for twice"));
    } else if (known == users->end()) {
      response.results.push_back(
          refuse_one(name, ErrorCode::resource_not_found, "there is no such user"));
    } else {
      response.results.push_back(describe_one(known->second));
    }
  }
  co_return response;
}

}  // namespace

io::Task<server::Reply> describe_user_scram_credentials(Context& context, server::Request request) {
  return answer<Request, describe>(context, std::move(request));
}

}  // namespace isthmus::broker
