// What the controller decides about users (AlterUserScramCredentials, KIP-554): a pure function
// from the image and a wish to the record to be written, or to the Kafka error that says why not.
//
// A user is whoever has a credential, and is gone with the last one.
#pragma once

#include <string>
#include <vector>

#include "broker/image/image.h"
#include "broker/image/records.h"
#include "kafka/gen/alter_user_scram_credentials.h"

namespace isthmus::broker {

constexpr size_t max_users = 10'000;

using UserChanges = kafka::AlterUserScramCredentialsRequest;

// Nothing: a mechanism of another kind, or of a later release.
std::optional<HashAlgorithm> hash_of(kafka::ScramMechanism mechanism);

// The names in a wish, each once, in their order.
std::vector<std::string> users_in(const UserChanges& wish);

// All that the wish says of this user, or nothing of it. Salted passwords become credentials here;
// they are not kept. Errors: UNACCEPTABLE_CREDENTIAL, UNSUPPORTED_SASL_MECHANISM,
// RESOURCE_NOT_FOUND, DUPLICATE_RESOURCE, POLICY_VIOLATION.
Result<Plan> plan_user(const Image& image, const UserChanges& wish, const std::string& user);

}  // namespace isthmus::broker
