#include "mirror/access_view.h"

#include <fmt/format.h>

#include <algorithm>

#include "kafka/quota_entity.h"
#include "kafka/topic_names.h"

namespace isthmus::mirror {

using kafka::AclPermission;
using kafka::PatternType;
using kafka::ResourceType;

namespace {

constexpr const char* every_name = "*";

template <typename Enum>
std::string number_of(Enum value) {
  return std::to_string(static_cast<int>(value));
}

AccessKey key_of(const AccessEntry::Acl& acl) {
  return {acl.permission == AclPermission::deny ? AccessKind::deny : AccessKind::allow,
          {std::string(to_string(acl.resource_type)), number_of(acl.pattern_type), acl.name,
           acl.principal, acl.host, std::string(to_string(acl.operation))}};
}

std::string entity_text(const AccessEntry::Quota& quota) {
  kafka::QuotaEntity entity;
  for (const auto& part : quota.entity) {
    if (auto* place = entity.part(part.entity_type)) *place = part.entity_name;
  }
  return entity.to_string();
}

bool is_known_quota(const std::string& name) {
  return name == kafka::quota::producer_byte_rate || name == kafka::quota::consumer_byte_rate ||
         name == kafka::quota::request_percentage;
}

void add_acl(AccessView& view, AccessEntry::Acl acl, std::string link, bool made_here) {
  AccessKey key = key_of(acl);
  view.entries[std::move(key)] = {std::move(acl), std::move(link), made_here};
}

// What another cluster's quotas have besides, ours do not.
void add_quota(AccessView& view, AccessEntry::Quota quota, std::string link, bool made_here) {
  std::erase_if(quota.values, [](const auto& value) { return !is_known_quota(value.name); });
  if (quota.values.empty()) return;
  std::ranges::sort(quota.values, {}, [](const auto& value) { return value.name; });
  std::ranges::sort(quota.entity, std::greater(),
                    [](const auto& part) { return part.entity_type; });
  AccessKey key{AccessKind::quota, {entity_text(quota)}};
  view.entries[std::move(key)] = {std::move(quota), std::move(link), made_here};
}

std::string refusal_in(kafka::ErrorCode code) {
  return code == kafka::ErrorCode::none ? "" : std::string(kafka::error_name(code));
}

}  // namespace

std::string AccessKey::to_string() const {
  switch (kind) {
    case AccessKind::user: return "user " + parts[0];
    case AccessKind::quota: return "the quota of " + parts[0];
    case AccessKind::deny:
    case AccessKind::allow: break;
  }
  return fmt::format("{}{} {} on {} {}", parts[3], kind == AccessKind::deny ? " may not" : "",
                     parts[5], parts[0], parts[2]);
}

bool AccessView::tells(AccessKind kind) const {
  switch (kind) {
    case AccessKind::deny:
    case AccessKind::allow: return no_acls.empty();
    case AccessKind::quota: return no_quotas.empty();
    case AccessKind::user: return no_users.empty();
  }
  return false;
}

void AccessView::add(const kafka::ReadAccessResponse& page) {
  writers = {page.writers.begin(), page.writers.end()};
  no_users = refusal_in(page.users_error);
  no_quotas = refusal_in(page.quotas_error);
  for (const auto& a : page.acls) {
    add_acl(*this,
            {false, false, a.resource_type, a.pattern_type, a.name, a.principal, a.host,
             a.operation, a.permission},
            a.link, a.made_here);
  }
  for (const auto& u : page.users) {
    AccessEntry::User user{false, u.name, {}};
    for (const auto& c : u.credentials) {
      // The page is let go of, and so are the bytes that slices of it would hold.
      user.credentials.push_back({c.mechanism, c.iterations, Slice::copy_of(c.salt.view()),
                                  Slice::copy_of(c.stored_key.view()),
                                  Slice::copy_of(c.server_key.view())});
    }
    std::ranges::sort(user.credentials, {}, [](const auto& c) { return c.mechanism; });
    entries[{AccessKind::user, {u.name}}] = {std::move(user), u.link, u.made_here};
  }
  for (const auto& q : page.quotas) {
    AccessEntry::Quota quota;
    for (const auto& part : q.entity) quota.entity.push_back({part.entity_type, part.entity_name});
    for (const auto& value : q.values) quota.values.push_back({value.name, value.value});
    add_quota(*this, std::move(quota), q.link, q.made_here);
  }
}

void AccessView::add(const kafka::DescribeAclsResponse& acls) {
  no_acls = refusal_in(acls.error_code);
  if (!no_acls.empty()) return;
  for (const auto& r : acls.resources) {
    for (const auto& a : r.acls) {
      add_acl(*this,
              {false, false, r.resource_type, r.pattern_type, r.resource_name, a.principal, a.host,
               a.operation, a.permission_type},
              "", false);
    }
  }
}

void AccessView::add(const kafka::DescribeClientQuotasResponse& quotas) {
  no_quotas = refusal_in(quotas.error_code);
  if (no_quotas.empty() && !quotas.entries) no_quotas = "no entries";
  if (!no_quotas.empty()) return;
  for (const auto& e : *quotas.entries) {
    AccessEntry::Quota quota;
    for (const auto& part : e.entity) {
      quota.entity.push_back({part.entity_type, part.entity_name.value_or("")});
    }
    for (const auto& value : e.values) quota.values.push_back({value.key, value.value});
    add_quota(*this, std::move(quota), "", false);
  }
}

bool AccessScope::carries_acl(const AccessEntry::Acl& acl) const {
  if (acl.resource_type == ResourceType::transactional_id) return true;
  const bool is_topic = acl.resource_type == ResourceType::topic;
  if (!is_topic && acl.resource_type != ResourceType::group) return false;
  if (acl.permission == AclPermission::deny) return true;
  const kafka::Selector& taken = is_topic ? topics_ : groups_;
  if (acl.pattern_type == PatternType::prefixed) return taken.takes_all_of(acl.name);
  if (acl.name == every_name) return taken.takes_all_of("");
  return taken.takes(acl.name) && !(is_topic && kafka::is_internal(acl.name));
}

bool AccessScope::carries(const AccessEntry& entry) const {
  if (const auto* acl = std::get_if<AccessEntry::Acl>(&entry.what)) return carries_acl(*acl);
  if (const auto* quota = std::get_if<AccessEntry::Quota>(&entry.what)) {
    return std::ranges::none_of(quota->entity,
                                [](const auto& part) { return part.entity_type == "ip"; });
  }
  return true;
}

AccessView AccessScope::of(AccessView view) const {
  std::erase_if(view.entries, [this](const auto& each) { return !carries(each.second); });
  return view;
}

}  // namespace isthmus::mirror
