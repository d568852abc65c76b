#include "broker/handlers/acl_apis.h"

namespace isthmus::broker {

using kafka::ErrorCode;

std::optional<Error> refusal_of_acls(const Context& context, const Rights& rights,
                                     kafka::Permission needed) {
  if (!rights.may_on_cluster(needed)) {
    return kafka::error_of(ErrorCode::cluster_authorization_failed, "not authorized for ACLs");
  }
  if (context.authorizer.enabled()) return std::nullopt;
  return kafka::error_of(ErrorCode::security_disabled,
                         "this broker has no authorizer; its YAML says `authorizer: none`");
}

}  // namespace isthmus::broker
