#include "broker/controller/user_plans.h"

#include <algorithm>
#include <set>

#include "kafka/errors.h"
#include "kafka/sasl/credential.h"
#include "kafka/sasl/mechanism.h"

namespace isthmus::broker {

using kafka::ErrorCode;
using kafka::ScramMechanism;

namespace {

std::vector<uint8_t> copy_of(const Slice& bytes) {
  return {bytes.view().begin(), bytes.view().end()};
}

}  // namespace

std::optional<HashAlgorithm> hash_of(ScramMechanism mechanism) {
  switch (mechanism) {
    case ScramMechanism::scram_sha_256: return HashAlgorithm::sha256;
    case ScramMechanism::scram_sha_512: return HashAlgorithm::sha512;
    default: return std::nullopt;
  }
}

std::vector<std::string> users_in(const UserChanges& wish) {
  std::vector<std::string> users;
  std::set<std::string> seen;
  const auto add = [&](const auto& change) {
    if (seen.insert(change.name).second) users.push_back(change.name);
  };
  std::ranges::for_each(wish.deletions, add);
  std::ranges::for_each(wish.upsertions, add);
  return users;
}

Result<Plan> plan_user(const Image& image, const UserChanges& wish, const std::string& user) {
  if (!kafka::is_user_name(user)) {
    return kafka::refuse(ErrorCode::unacceptable_credential,
                         "a user's name has 1 to 255 bytes of readable UTF-8");
  }
  auto known = image.users->find(user);
  UserImage changed = known == image.users->end() ? UserImage{} : known->second;
  changed.name = user;
  std::set<ScramMechanism> touched;
  const auto refuse_mechanism = [&](ScramMechanism mechanism) -> Result<void> {
    if (!hash_of(mechanism)) {
      return kafka::refuse(ErrorCode::unsupported_sasl_mechanism, "no SCRAM mechanism of ours");
    }
    if (touched.insert(mechanism).second) return {};
    return kafka::refuse(ErrorCode::duplicate_resource, "a mechanism stands twice for the user");
  };
  for (const auto& deletion : wish.deletions) {
    if (deletion.name != user) continue;
    if (auto ok = refuse_mechanism(deletion.mechanism); !ok) return fail(ok.error());
    if (changed.credentials.erase(deletion.mechanism) == 0) {
      return kafka::refuse(ErrorCode::resource_not_found,
                           "Attempt to delete a user credential that does not exist");
    }
  }
  for (const auto& upsertion : wish.upsertions) {
    if (upsertion.name != user) continue;
    if (auto ok = refuse_mechanism(upsertion.mechanism); !ok) return fail(ok.error());
    auto made = kafka::make_scram_credential(*hash_of(upsertion.mechanism),
                                             copy_of(upsertion.salted_password),
                                             copy_of(upsertion.salt), upsertion.iterations);
    if (!made) return fail(made.error());
    changed.credentials[upsertion.mechanism] = std::move(*made);
  }
  if (known == image.users->end() && image.users->size() >= max_users) {
    return kafka::refuse(ErrorCode::policy_violation,
                         "there are " + std::to_string(max_users) + " users already");
  }
  changed.follows = {};
  Plan plan;
  plan.put(changed);
  return plan;
}

}  // namespace isthmus::broker
