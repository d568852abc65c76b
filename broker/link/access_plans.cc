#include "broker/link/access_plans.h"

#include <fmt/core.h>

#include <algorithm>
#include <set>

#include "broker/controller/acl_plans.h"
#include "broker/controller/quota_plans.h"
#include "broker/controller/user_plans.h"
#include "broker/link/link_plans.h"
#include "kafka/errors.h"
#include "kafka/sasl/mechanism.h"

namespace isthmus::broker {

using kafka::ErrorCode;

namespace {

using Request = kafka::FollowAccessRequest;

std::unexpected<Error> bad_request(std::string why) {
  return kafka::refuse(ErrorCode::invalid_request, std::move(why));
}

std::unexpected<Error> too_many(size_t most, const char* what) {
  return kafka::refuse(ErrorCode::policy_violation,
                       fmt::format("this cluster may have {} {} at most", most, what));
}

// What is asked of one entry, and what becomes of it.
enum class Wish : uint8_t { put, note, remove };
enum class Fate : uint8_t { put, remove, nothing, keep };

// `now` is what the entry that is there follows; nullptr: none is there.
Fate fate_of(Wish wish, const Follows* now, bool is_same, const std::string& link) {
  const bool is_own = now != nullptr && now->link != link;
  switch (wish) {
    case Wish::put: return is_own ? Fate::keep : Fate::put;
    case Wish::note:
      if (now == nullptr || !is_same || !now->link.empty()) return Fate::keep;
      return Fate::put;
    case Wish::remove:
      if (now == nullptr) return Fate::nothing;
      return is_own ? Fate::keep : Fate::remove;
  }
  return Fate::keep;
}

class Planner {
 public:
  Planner(const Image& image, const Request& request, KeptAccess& kept)
      : image_(image), link_(request.link), kept_(kept) {}

  // Each is one entry of the request.
  Result<void> add(const Request::FollowedAcl& wanted);
  Result<void> add(const Request::FollowedUser& wanted, const IsSuperUser& is_super_user);
  Result<void> add(const Request::FollowedQuota& wanted);
  Plan plan;

 private:
  Result<void> keep(std::string why = "the cluster has one of its own") {
    kept_.push_back({at_, std::move(why)});
    return {};
  }
  // His ACLs are on the cluster, or let him speak for others: principals of certificates, of tokens
  // and of passwords are one space of names, and no link may give such a name a password.
  bool has_rights_over_the_site(const std::string& principal) const {
    return std::ranges::any_of(image_.acls->entries, [&](const auto& each) {
      const Acl& acl = each.second.acl;
      const bool is_over_it = acl.type == ResourceType::cluster || acl.type == ResourceType::user;
      return acl.permission == AclPermission::allow && acl.principal == principal && is_over_it;
    });
  }
  Follows follows(Wish wish) const { return {link_, wish == Wish::note}; }
  // Each entry is named once.
  bool is_first(std::string key) { return seen_.insert(std::move(key)).second; }
  static std::unexpected<Error> twice(const std::string& what) {
    return bad_request(what + " twice");
  }

  const Image& image_;
  const std::string& link_;
  KeptAccess& kept_;
  std::set<std::string> seen_;
  int32_t at_ = -1;
  size_t new_acls_ = 0, new_users_ = 0, new_quotas_ = 0;
};

Result<void> Planner::add(const Request::FollowedAcl& wanted) {
  ++at_;
  const Acl acl{wanted.resource_type, wanted.pattern_type, wanted.name,      wanted.principal,
                wanted.host,          wanted.operation,    wanted.permission};
  if (auto ok = check_acl(acl); !ok) return keep(ok.error().text);
  const bool is_carried = acl.type == ResourceType::topic || acl.type == ResourceType::group ||
                          acl.type == ResourceType::transactional_id;
  if (!is_carried)
    return bad_request("a link carries ACLs of topics, groups, transactional ids only");
  const std::string key = acl_key(acl);
  if (!is_first(key)) return twice("an ACL of " + acl.name);
  const auto found = image_.acls->entries.find(key);
  const bool is_there = found != image_.acls->entries.end();
  const Wish wish = wanted.remove ? Wish::remove : wanted.made_here ? Wish::note : Wish::put;
  const int64_t version = is_there ? found->second.version : MetadataStore::absent;
  switch (fate_of(wish, is_there ? &found->second.follows : nullptr, true, link_)) {
    case Fate::nothing: return {};
    case Fate::keep: return keep();
    case Fate::remove: plan.remove_acl(acl, version); return {};
    case Fate::put: break;
  }
  const bool is_new = !is_there;
  if (is_new && image_.acls->set.size() + new_acls_++ >= max_acls)
    return too_many(max_acls, "ACLs");
  plan.put_acl(acl, follows(wish), version);
  return {};
}

std::vector<uint8_t> bytes_in(const Slice& slice) {
  return {slice.view().begin(), slice.view().end()};
}

Result<kafka::ScramCredential> credential_of(const Request::FollowedCredential& wanted) {
  const auto hash = hash_of(wanted.mechanism);
  if (!hash) return bad_request("no SCRAM mechanism of ours");
  const size_t size = hash_size(*hash);
  // The bounds are those of any other; the keys come as they are.
  auto checked = kafka::make_scram_credential(*hash, kafka::SaltedPassword(size),
                                              bytes_in(wanted.salt), wanted.iterations);
  if (!checked) return checked;
  if (wanted.stored_key.size() != size || wanted.server_key.size() != size) {
    return bad_request("a SCRAM key of another length than its hash");
  }
  checked->stored_key = bytes_in(wanted.stored_key);
  checked->server_key = bytes_in(wanted.server_key);
  return checked;
}

Result<void> Planner::add(const Request::FollowedUser& wanted, const IsSuperUser& is_super_user) {
  ++at_;
  if (!kafka::is_user_name(wanted.name)) return keep("no name that a user may have here");
  if (!is_first("user " + wanted.name)) return twice("user " + wanted.name);
  UserImage user;
  user.name = wanted.name;
  for (const auto& c : wanted.credentials) {
    auto credential = credential_of(c);
    if (!credential) return keep(credential.error().text);
    if (!user.credentials.emplace(c.mechanism, std::move(*credential)).second) {
      return twice("a mechanism of user " + wanted.name);
    }
  }
  const auto found = image_.users->find(wanted.name);
  const bool is_there = found != image_.users->end();
  const bool is_same = is_there && found->second.credentials == user.credentials;
  const Wish wish = user.credentials.empty() ? Wish::remove
                    : wanted.made_here       ? Wish::note
                                             : Wish::put;
  const Fate fate = fate_of(wish, is_there ? &found->second.follows : nullptr, is_same, link_);
  if (fate == Fate::nothing) return {};
  if (fate == Fate::keep) return keep();
  const std::string who = "User:" + wanted.name;
  if (fate == Fate::put && is_super_user(who)) return keep("it is a super user here");
  if (fate == Fate::put && has_rights_over_the_site(who)) {
    return keep("it has rights over this site, which who makes users elsewhere does not give");
  }
  if (!is_there && image_.users->size() + new_users_++ >= max_users) {
    return too_many(max_users, "users");
  }
  if (fate == Fate::put) user.follows = follows(wish);
  if (is_there) user.version = found->second.version;
  plan.put(user);
  return {};
}

Result<void> Planner::add(const Request::FollowedQuota& wanted) {
  ++at_;
  kafka::AlterClientQuotasRequest::EntryData entry;
  for (const auto& part : wanted.entity) {
    const auto name = part.entity_name.empty() ? std::nullopt : std::optional(part.entity_name);
    entry.entity.push_back({part.entity_type, name});
  }
  for (const auto& value : wanted.values) entry.ops.push_back({value.name, value.value, false});
  const auto change = quota_change(entry);
  if (!change) return keep(change.error().text);
  QuotaImage quota;
  quota.entity = change->entity;
  if (quota.entity.ip) return bad_request("a link carries no quotas of addresses");
  for (const auto& [name, value] : change->values) quota.values[name] = *value;
  const std::string key = quota.entity.key();
  if (!is_first("quota " + key)) return twice("the quota of " + quota.entity.to_string());
  const auto found = image_.quotas.find(key);
  const bool is_there = found != image_.quotas.end();
  const bool is_same = is_there && found->second.values == quota.values;
  const Wish wish = quota.values.empty() ? Wish::remove : wanted.made_here ? Wish::note : Wish::put;
  const Fate fate = fate_of(wish, is_there ? &found->second.follows : nullptr, is_same, link_);
  if (fate == Fate::nothing) return {};
  if (fate == Fate::keep) return keep();
  if (!is_there && image_.quotas.size() + new_quotas_++ >= max_quota_entities) {
    return too_many(max_quota_entities, "entities with quotas");
  }
  if (fate == Fate::put) quota.follows = follows(wish);
  if (is_there) quota.version = found->second.version;
  plan.put(quota);
  return {};
}

bool leads_here(const Image& image, const std::string& link) {
  return std::ranges::any_of(image.topics,
                             [&](const auto& topic) { return topic.second->writer.is_link(link); });
}

// More than to note what follows from now on.
bool changes_something(const Request& request) {
  const auto changes = [](const auto& entry) { return !entry.made_here; };
  return std::ranges::any_of(request.acls, changes) ||
         std::ranges::any_of(request.users, changes) ||
         std::ranges::any_of(request.quotas, changes);
}

}  // namespace

Result<Plan> plan_follow_access(const Image& image, const Request& request,
                                const IsSuperUser& is_super_user, KeptAccess& kept) {
  kept.clear();
  auto current = check_link_epoch(image, request.link, request.link_epoch);
  if (!current) return fail(current.error());
  if (request.acls.size() + request.users.size() + request.quotas.size() > most_followed) {
    return bad_request(fmt::format("a request changes {} entries at most", most_followed));
  }
  if (!leads_here(image, request.link) && changes_something(request)) {
    return kafka::refuse(ErrorCode::policy_violation, request.link + " writes no topic here");
  }
  Planner planner(image, request, kept);
  for (const auto& acl : request.acls) {
    if (auto ok = planner.add(acl); !ok) return fail(ok.error());
  }
  for (const auto& user : request.users) {
    if (auto ok = planner.add(user, is_super_user); !ok) return fail(ok.error());
  }
  for (const auto& quota : request.quotas) {
    if (auto ok = planner.add(quota); !ok) return fail(ok.error());
  }
  return std::move(planner.plan);
}

void free_access(Plan& plan, const Image& image, const std::string& link) {
  for (const auto& [key, entry] : image.acls->entries) {
    if (entry.follows.link == link) plan.put_acl(entry.acl, {}, entry.version);
  }
  for (const auto& [name, known] : *image.users) {
    if (known.follows.link != link) continue;
    UserImage user = known;
    user.follows = {};
    plan.put(user);
  }
  for (const auto& [key, known] : image.quotas) {
    if (known.follows.link != link) continue;
    QuotaImage quota = known;
    quota.follows = {};
    plan.put(quota);
  }
}

}  // namespace isthmus::broker
