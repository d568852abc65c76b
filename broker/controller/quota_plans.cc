#include "broker/controller/quota_plans.h"

#include <cmath>
#include <set>
#include <utility>

#include "io/stream.h"
#include "kafka/errors.h"

namespace isthmus::broker {

using kafka::ErrorCode;
using kafka::QuotaEntity;
using kafka::refuse;
namespace quota = kafka::quota;

namespace {

using Filter = kafka::DescribeClientQuotasRequest;
using Entry = kafka::AlterClientQuotasRequest::EntryData;

std::unexpected<Error> invalid(std::string why) {
  return refuse(ErrorCode::invalid_request, std::move(why));
}

Result<void> check_name(const std::string& type, const std::string& name) {
  if (name.empty()) return invalid("the name of a " + type + " is empty: null is the default");
  if (name.size() > max_quota_name_bytes) {
    return invalid("the name of a " + type + " has at most " +
                   std::to_string(max_quota_name_bytes) + " bytes");
  }
  if (type != "ip") return {};
  // Kafka takes what it can resolve, too, and so a name server's word of one moment.
  auto ip = io::canonical_ip(name);
  if (!ip) return invalid(ip.error().text);
  return {};
}

Result<QuotaEntity> entity_of(const Entry& entry) {
  QuotaEntity entity;
  for (const auto& part : entry.entity) {
    auto* place = entity.part(part.entity_type);
    if (place == nullptr) return invalid("unknown type of entity: " + part.entity_type);
    if (*place) return invalid("an entity has one " + part.entity_type);
    if (part.entity_name) {
      if (auto ok = check_name(part.entity_type, *part.entity_name); !ok) return fail(ok.error());
    }
    *place = part.entity_name.value_or("");
  }
  if (entity.empty()) return invalid("an entity is a user, a client-id, both, or an ip");
  if (entity.ip && (entity.user || entity.client_id)) {
    return invalid("an ip stands alone: no quota is of an ip and a user or client-id");
  }
  return entity;
}

bool is_known(const QuotaEntity& entity, std::string_view name) {
  if (entity.ip) return name == quota::connection_creation_rate;
  return name == quota::producer_byte_rate || name == quota::consumer_byte_rate ||
         name == quota::request_percentage;
}

Result<void> check_value(const std::string& name, double value) {
  if (!std::isfinite(value) || value <= 0) return invalid(name + " must be above 0");
  if (name == quota::request_percentage) return {};
  // Kafka's tolerance, and its types: a long, and an int for connections.
  constexpr double tolerance = 1e-6;
  const bool is_int = name == quota::connection_creation_rate;
  const double most = is_int ? static_cast<double>(INT32_MAX) : static_cast<double>(INT64_MAX);
  if (std::abs(value - std::round(value)) > tolerance) {
    return invalid(name + " must be a whole number");
  }
  if (value > most) return invalid(name + " is too large");
  return {};
}

Result<void> check_change(const Image& image, const QuotaChange& change, size_t new_entities) {
  const bool is_new = !image.quotas.contains(change.entity.key());
  if (is_new && image.quotas.size() + new_entities >= max_quota_entities) {
    return refuse(ErrorCode::policy_violation,
                  "at most " + std::to_string(max_quota_entities) + " entities have quotas");
  }
  return {};
}

bool is_same(const QuotaImage& a, const QuotaImage& b) {
  return a.values == b.values && a.follows == b.follows;
}

// What is set here follows no link.
QuotaImage changed(const Image& image, const QuotaChange& change) {
  const auto before = image.quotas.find(change.entity.key());
  QuotaImage quota;
  if (before != image.quotas.end()) quota = before->second;
  quota.entity = change.entity;
  quota.follows = {};
  for (const auto& [name, value] : change.values) {
    if (value) {
      quota.values[name] = *value;
    } else {
      quota.values.erase(name);
    }
  }
  return quota;
}

using Component = Filter::ComponentData;

Result<void> check_component(const Component& component) {
  using Match = kafka::QuotaMatch;
  if (component.entity_type.empty()) return invalid("a filter has a type");
  if (QuotaEntity().part(component.entity_type) == nullptr) {
    return refuse(ErrorCode::unsupported_version,
                  "unknown type of entity: " + component.entity_type);
  }
  switch (component.match_type) {
    case Match::exact:
      if (!component.match) return invalid("an exact match has a name");
      return {};
    case Match::default_entity:
    case Match::any:
      if (component.match) return invalid("only an exact match has a name");
      return {};
  }
  return invalid("unknown type of match");
}

Result<void> check_filter(const Filter& filter) {
  std::set<std::string> types;
  for (const auto& component : filter.components) {
    if (auto ok = check_component(component); !ok) return ok;
    if (!types.insert(component.entity_type).second) {
      return invalid("a filter has one component for " + component.entity_type);
    }
  }
  if (types.contains("ip") && types.size() > 1) {
    return invalid("an ip stands alone: no quota is of an ip and a user or client-id");
  }
  return {};
}

// The default, too, has its type: `any` finds it, as in Kafka.
bool matches(QuotaEntity entity, const Filter& filter) {
  for (const auto& component : filter.components) {
    auto* part = entity.part(component.entity_type);
    if (!*part) return false;
    const bool is_exact = component.match_type == kafka::QuotaMatch::exact;
    if (is_exact && (component.match->empty() || **part != *component.match)) return false;
    const bool is_default = component.match_type == kafka::QuotaMatch::default_entity;
    if (is_default && !(*part)->empty()) return false;
    part->reset();
  }
  return !filter.strict || entity.empty();
}

}  // namespace

Result<QuotaChange> quota_change(const Entry& entry) {
  auto entity = entity_of(entry);
  if (!entity) return fail(entity.error());
  QuotaChange change{std::move(*entity), {}};
  for (const auto& op : entry.ops) {
    if (!is_known(change.entity, op.key)) {
      return invalid(op.key + " is no quota of " + change.entity.to_string());
    }
    if (!op.remove) {
      if (auto ok = check_value(op.key, op.value); !ok) return fail(ok.error());
    }
    const std::optional<double> value = op.remove ? std::nullopt : std::optional(op.value);
    if (!change.values.emplace(op.key, value).second) return invalid(op.key + " is there twice");
  }
  return change;
}

Plan plan_quotas(const Image& image, const std::vector<Result<QuotaChange>>& changes,
                 std::vector<Result<void>>& outcomes) {
  Plan plan;
  std::set<std::string> keys;
  size_t new_entities = 0;
  for (size_t i = 0; i < changes.size(); ++i) {
    outcomes[i] = {};
    if (!changes[i]) {
      outcomes[i] = fail(changes[i].error());
      continue;
    }
    const QuotaChange& change = *changes[i];
    if (!keys.insert(change.entity.key()).second) {
      outcomes[i] = invalid(change.entity.to_string() + " is there twice");
      continue;
    }
    const QuotaImage quota = changed(image, change);
    const bool was_there = quota.version != MetadataStore::absent;
    if (was_there ? is_same(image.quotas.at(change.entity.key()), quota) : quota.values.empty()) {
      continue;  // as it is
    }
    outcomes[i] = check_change(image, change, new_entities);
    if (!outcomes[i]) continue;
    if (!was_there) ++new_entities;
    plan.put(quota);
  }
  return plan;
}

Result<std::vector<const QuotaImage*>> find_quotas(const Image& image, const Filter& filter) {
  if (auto ok = check_filter(filter); !ok) return fail(ok.error());
  std::vector<const QuotaImage*> found;
  // Nothing has no type at all.
  if (filter.components.empty() && filter.strict) return found;
  for (const auto& [key, quota] : image.quotas) {
    if (matches(quota.entity, filter)) found.push_back(&quota);
  }
  return found;
}

}  // namespace isthmus::broker
