// QuotaEntity: whose quota is meant, and what quotas are called: as in Kafka's AlterClientQuotas
// (KIP-546), with its addresses (KIP-612).
//
// A part that is not there is nullopt, the default of a type the empty name: no user, client id or
// address is called so. Plain values; any thread.
#pragma once

#include <compare>
#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace isthmus::kafka {

struct QuotaEntity {
  std::optional<std::string> user;
  std::optional<std::string> client_id;
  std::optional<std::string> ip;

  bool empty() const { return !user && !client_id && !ip; }
  // The place of a type, by Kafka's name of it ("user", "client-id", "ip"); nullptr for any other.
  std::optional<std::string>* part(std::string_view type);
  // "user=alice,client-id=": each entity has its own, of letters, digits and "-._%=," alone.
  std::string key() const;
  // For people: "user alice, client-id <default>".
  std::string to_string() const;

  friend auto operator<=>(const QuotaEntity&, const QuotaEntity&) = default;
};

// Calls `each(type, name)` for the parts that are there, in an order of their own.
template <typename Each>
void for_each_part(const QuotaEntity& entity, Each each) {
  if (entity.user) each("user", *entity.user);
  if (entity.client_id) each("client-id", *entity.client_id);
  if (entity.ip) each("ip", *entity.ip);
}

namespace quota {
inline constexpr std::string_view producer_byte_rate = "producer_byte_rate";
inline constexpr std::string_view consumer_byte_rate = "consumer_byte_rate";
inline constexpr std::string_view request_percentage = "request_percentage";
inline constexpr std::string_view connection_creation_rate = "connection_creation_rate";
}  // namespace quota

// By the names above; all above 0.
using QuotaValues = std::map<std::string, double, std::less<>>;
using QuotaTable = std::map<QuotaEntity, QuotaValues>;

}  // namespace isthmus::kafka
