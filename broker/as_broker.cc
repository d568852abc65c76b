#include "broker/as_broker.h"

#include "kafka/gen/fetch.h"
#include "process/colleagues_config.h"

namespace isthmus::broker {

Result<Dialer::Options> as_broker(const process::BrokerConfig& config, process::TlsStore& tls,
                                  process::TlsStore::Time now) {
  Dialer::Options options;
  if (const auto* own = process::listener_for_brokers(config)) options.listener = own->name;
  options.connection.client_id = "broker-" + std::to_string(config.broker.node_id);
  if (!config.broker.zookeeper) return options;  // there are no others
  const auto security = process::dial_security_of(config);
  auto identity = tls.dial(security, now);
  if (!identity) return fail(identity.error());
  options.connection.security = {std::move(*identity), process::log_in_of(security)};
  return options;
}

std::string refusal_by_others(const process::BrokerConfig& config, const Authorizer& authorizer,
                              const Image& image) {
  const auto unnamed = process::unnamed_at_colleagues(config);
  if (!unnamed) return {};
  const auto who = process::principal_at_colleagues(config);
  if (!who) return unnamed->text;
  constexpr auto needed =
      kafka::need<kafka::FetchRequest>(AclOperation::cluster_action, ResourceType::cluster);
  const auto* listener = process::listener_for_brokers(config);
  const Rights rights = authorizer.rights_of(*who, listener->reachable_at().host, image.acl_set());
  if (rights.may_on_cluster(needed)) return {};
  return "the other brokers of the cluster will refuse this one: " + who->to_string() +
         ", whom they take it for, is not in super.users, and no ACL allows it CLUSTER_ACTION on "
         "the cluster; name it in super.users at all of them, and restart them";
}

}  // namespace isthmus::broker
