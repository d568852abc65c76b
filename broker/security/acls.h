// AclSet: who may do what, as the access control lists of one cluster say it.
//
// A value that decides and nothing else: the image keeps the one in force behind a pointer to
// const, readers on any loop keep theirs for as long as they look at it, and a change makes a new
// one. The rules are those of Kafka's StandardAuthorizer:
//
//  - an entry meets a resource by its name (literal), by a beginning of it (prefixed), or as *;
//  - it meets a principal by its whole text, or as User:*; and a host by its text, or as *;
//  - of all that meet, one that denies decides; else one that allows; else the answer is no, but
//    for a resource that no entry is for, whoever it is about: there an option decides
//    (security/authorizer.h);
//  - who is allowed to read, write, delete or alter may describe, too, and who may alter configs
//  may
//    describe them. Denials imply nothing.
//
// For each type of resource the patterns stand in two ordered maps, and below each pattern the
// principals and their hosts in maps of their own, with all operations of one host in two words of
// bits. authorize() is two lookups by name, and one for each prefix that the name has, or for each
// shorter common beginning with a neighbour at which such a prefix was looked for: at most as many
// as the name has bytes, in practice two or three. Each is O(log n), however many entries others
// have for the same resource: with 10,000 of them a topic takes a few microseconds.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "broker/security/acl.h"

namespace isthmus::broker {

// Who asks, as entries write it.
struct Asker {
  std::string principal;
  std::string host;
};

constexpr uint32_t bit_of(AclOperation operation) {
  return uint32_t{1} << (static_cast<uint32_t>(operation) & 31);
}

class AclSet {
 public:
  enum class Verdict : uint8_t { denied, allowed, no_acl };  // no_acl: nobody has one for this

  // REQUIRES: check_acl().
  void add(const Acl& acl);
  void remove(const Acl& acl);
  bool contains(const Acl& acl) const { return all_.contains(acl); }
  size_t size() const { return all_.size(); }
  // In order. Linear: for administrators.
  std::vector<Acl> matching(const AclFilter& filter) const;

  Verdict authorize(const Asker& asker, AclOperation operation, ResourceType type,
                    std::string_view name) const;
  // Whether there can be a resource of the type on which this is allowed: an entry allows it, and
  // none denies all that this one is for (KIP-679). Linear in the patterns of the type.
  bool authorize_any(const Asker& asker, AclOperation operation, ResourceType type) const;

 private:
  struct Rights {  // by bit_of()
    uint32_t allowed = 0, denied = 0;
  };
  template <typename T>
  using ByName = std::map<std::string, T, std::less<>>;
  using Principals = ByName<ByName<Rights>>;  // and their hosts
  struct Patterns {
    ByName<Principals> literal, prefixed;
  };
  static constexpr size_t types = 8;

  static Rights rights_of(const Asker& asker, const Principals& principals);
  static bool denies_all_of(const Patterns& patterns, const Asker& asker, uint32_t operations,
                            std::string_view prefix);
  const Patterns& patterns(ResourceType type) const {
    return by_type_[static_cast<size_t>(type) % types];
  }
  ByName<Principals>& names(const Acl& acl);

  std::set<Acl> all_;
  std::array<Patterns, types> by_type_;
};

}  // namespace isthmus::broker
