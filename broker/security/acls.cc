#include "broker/security/acls.h"

#include <algorithm>
#include <iterator>

namespace isthmus::broker {

namespace {

// What an entry that allows must name, for this to be allowed.
uint32_t allowing(AclOperation operation) {
  using enum AclOperation;
  const uint32_t itself = bit_of(operation) | bit_of(all);
  if (operation == describe) {
    return itself | bit_of(read) | bit_of(write) | bit_of(remove) | bit_of(alter);
  }
  return operation == describe_configs ? itself | bit_of(alter_configs) : itself;
}

uint32_t exactly(AclOperation operation) { return bit_of(operation) | bit_of(AclOperation::all); }

size_t common_length(std::string_view a, std::string_view b) {
  return static_cast<size_t>(std::ranges::mismatch(a, b).in1 - a.begin());
}

// Shows each value whose key begins `name`, the longest first.
//
// Of the keys up to `upto`, the last either begins it, or what does is no longer than what the two
// have in common: whatever is longer and begins `upto` would stand behind that key.
template <typename Map, typename Visit>
void visit_beginnings(const Map& map, std::string_view name, Visit visit) {
  std::string_view upto = name;
  while (!upto.empty()) {
    const auto next = map.upper_bound(upto);
    if (next == map.begin()) return;
    const auto& [key, value] = *std::prev(next);
    size_t common = common_length(key, upto);
    if (common == key.size()) {
      visit(value);
      --common;
    }
    upto = upto.substr(0, common);
  }
}

}  // namespace

AclSet::ByName<AclSet::Principals>& AclSet::names(const Acl& acl) {
  Patterns& patterns = by_type_[static_cast<size_t>(acl.type) % types];
  return acl.pattern == PatternType::prefixed ? patterns.prefixed : patterns.literal;
}

void AclSet::add(const Acl& acl) {
  if (!all_.insert(acl).second) return;
  Rights& rights = names(acl)[acl.name][acl.principal][acl.host];
  const bool allows = acl.permission == AclPermission::allow;
  (allows ? rights.allowed : rights.denied) |= bit_of(acl.operation);
}

void AclSet::remove(const Acl& acl) {
  if (all_.erase(acl) == 0) return;
  auto& patterns = names(acl);
  Principals& principals = patterns[acl.name];
  auto& hosts = principals[acl.principal];
  Rights& rights = hosts[acl.host];
  const bool allows = acl.permission == AclPermission::allow;
  (allows ? rights.allowed : rights.denied) &= ~bit_of(acl.operation);
  // A pattern without entries would say that somebody has one for its resources.
  if (rights.allowed == 0 && rights.denied == 0) hosts.erase(acl.host);
  if (hosts.empty()) principals.erase(acl.principal);
  if (principals.empty()) patterns.erase(acl.name);
}

std::vector<Acl> AclSet::matching(const AclFilter& filter) const {
  std::vector<Acl> found;
  std::ranges::copy_if(all_, std::back_inserter(found),
                       [&filter](const Acl& acl) { return filter.meets(acl); });
  return found;
}

AclSet::Rights AclSet::rights_of(const Asker& asker, const Principals& principals) {
  Rights rights;
  for (std::string_view principal :
       {std::string_view(asker.principal), std::string_view(any_principal)}) {
    const auto hosts = principals.find(principal);
    if (hosts == principals.end()) continue;
    for (std::string_view host : {std::string_view(asker.host), std::string_view(any_host)}) {
      const auto found = hosts->second.find(host);
      if (found == hosts->second.end()) continue;
      rights.allowed |= found->second.allowed;
      rights.denied |= found->second.denied;
    }
  }
  return rights;
}

AclSet::Verdict AclSet::authorize(const Asker& asker, AclOperation operation, ResourceType type,
                                  std::string_view name) const {
  const Patterns& of_type = patterns(type);
  uint32_t allowed = 0;
  uint32_t denied = 0;
  bool any_acl = false;
  const auto take = [&](const Principals& principals) {
    const Rights rights = rights_of(asker, principals);
    any_acl = true;
    allowed |= rights.allowed;
    denied |= rights.denied;
  };
  for (std::string_view literal : {name, std::string_view(any_resource)}) {
    const auto found = of_type.literal.find(literal);
    if (found != of_type.literal.end()) take(found->second);
  }
  visit_beginnings(of_type.prefixed, name, take);
  if (!any_acl) return Verdict::no_acl;
  const bool is_allowed =
      (denied & exactly(operation)) == 0 && (allowed & allowing(operation)) != 0;
  return is_allowed ? Verdict::allowed : Verdict::denied;
}

// Of every resource whose name begins so.
bool AclSet::denies_all_of(const Patterns& patterns, const Asker& asker, uint32_t operations,
                           std::string_view prefix) {
  bool denied = false;
  visit_beginnings(patterns.prefixed, prefix, [&](const Principals& principals) {
    denied = denied || (rights_of(asker, principals).denied & operations) != 0;
  });
  return denied;
}

bool AclSet::authorize_any(const Asker& asker, AclOperation operation, ResourceType type) const {
  const Patterns& of_type = patterns(type);
  const uint32_t operations = exactly(operation);  // implied ones do not count, in Kafka neither
  const auto everything = of_type.literal.find(any_resource);
  if (everything != of_type.literal.end()) {
    const Rights rights = rights_of(asker, everything->second);
    if ((rights.denied & operations) != 0) return false;
    // What denies single names and prefixes leaves others.
    if ((rights.allowed & operations) != 0) return true;
  }
  const auto opens = [&](const auto& entry) {
    const Rights rights = rights_of(asker, entry.second);
    return (rights.allowed & operations) != 0 && (rights.denied & operations) == 0 &&
           !denies_all_of(of_type, asker, operations, entry.first);
  };
  return std::ranges::any_of(of_type.literal, opens) ||
         std::ranges::any_of(of_type.prefixed, opens);
}

}  // namespace isthmus::broker
