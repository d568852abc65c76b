// What the controller decides about quotas, and what DescribeClientQuotas finds: pure functions, by
// Kafka's rules (KIP-546, KIP-612).
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "broker/image/image.h"
#include "broker/image/records.h"
#include "kafka/gen/alter_client_quotas.h"
#include "kafka/gen/describe_client_quotas.h"

namespace isthmus::broker {

// Entities that have quotas. Each change makes a new image, with all of them.
inline constexpr size_t max_quota_entities = 5'000;
// Of a user, client id or address. What is told apart by more is no name that anybody has typed.
inline constexpr size_t max_quota_name_bytes = 1'000;

struct QuotaChange {
  kafka::QuotaEntity entity;
  std::map<std::string, std::optional<double>> values;  // nullopt removes it
};

// The wish of one entry, where such an entity can have such quotas: INVALID_REQUEST where not.
Result<QuotaChange> quota_change(const kafka::AlterClientQuotasRequest::EntryData& entry);

// The changes of one request, in one commit. `outcomes` has one place for each: what stands there
// as an error is left out, and what cannot be done becomes one. An entity may be named once.
Plan plan_quotas(const Image& image, const std::vector<Result<QuotaChange>>& changes,
                 std::vector<Result<void>>& outcomes);

// INVALID_REQUEST for a filter that says nothing, UNSUPPORTED_VERSION for an unknown type.
Result<std::vector<const QuotaImage*>> find_quotas(
    const Image& image, const kafka::DescribeClientQuotasRequest& filter);

}  // namespace isthmus::broker
