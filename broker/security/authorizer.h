// Authorizer: whether a request may have what it asks for, by the cluster's ACLs and the broker's
// options. Owned by Broker; without state after its construction, any loop.
//
// A handler asks for the Rights of its connection once, as soon as it begins, and then for each
// thing that the request names, before it looks whether that exists: who may not see a topic learns
// nothing of it, not even that it is not there. Rights are a value with the ACLs as they were then;
// it may be taken to other loops. Without an authorizer they cost nothing and allow everything.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "broker/security/acls.h"
#include "kafka/permission.h"
#include "kafka/principal.h"

namespace isthmus::broker {

class Rights {
 public:
  // Of those who may do everything.
  Rights() = default;
  Rights(std::shared_ptr<const AclSet> acls, Asker asker, bool where_no_acl)
      : acls_(std::move(acls)), asker_(std::move(asker)), where_no_acl_(where_no_acl) {}

  bool may(kafka::Permission what, std::string_view name) const;
  bool may_on_cluster(kafka::Permission what) const { return may(what, kafka::cluster_resource); }
  // On any resource, whatever its name.
  bool may_on_any(kafka::Permission what) const;
  // Speak in this one's name: CREATE_TOKENS on it, which in Kafka makes tokens to log in by as
  // somebody else (KIP-373).
  bool may_speak_for(const kafka::Principal& other) const;
  // What is answered as `authorized_operations` (KIP-430): a bit for each by its number.
  int32_t operations(ResourceType type, std::string_view name) const;
  int32_t operations_on_cluster() const;

 private:
  std::shared_ptr<const AclSet> acls_;  // null: may do everything
  Asker asker_;
  bool where_no_acl_ = false;
};

class Authorizer {
 public:
  struct Options {
    bool enabled = false;
    std::vector<std::string> super_users;  // "User:alice"
    bool allow_everyone_if_no_acl_found = false;
  };
  explicit Authorizer(const Options& options)
      : enabled_(options.enabled),
        super_users_(options.super_users.begin(), options.super_users.end()),
        where_no_acl_(options.allow_everyone_if_no_acl_found) {}

  bool enabled() const { return enabled_; }
  // By its text, whether or not ACLs decide.
  bool is_super_user(const std::string& principal) const {
    return super_users_.contains(principal);
  }
  // What nobody is named for is open to everybody (allow.everyone.if.no.acl.found).
  bool opens_where_no_acl_is() const { return enabled_ && where_no_acl_; }
  // REQUIRES: enabled().
  Rights rights_of(const kafka::Principal& principal, const std::string& host,
                   std::shared_ptr<const AclSet> acls) const;

 private:
  const bool enabled_;
  const std::unordered_set<std::string> super_users_;
  const bool where_no_acl_;
};

}  // namespace isthmus::broker
