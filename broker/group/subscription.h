// The part of a consumer's subscription that a coordinator may understand: which topics it names.
//
// Clients write the metadata of their JoinGroup as they please; for the protocol type "consumer"
// its beginning is the same in all versions (int16 version, then the array of topics). Pure.
#pragma once

#include <optional>
#include <set>
#include <string>

#include "base/bytes.h"

namespace isthmus::broker {

// nullopt if the bytes are not a subscription.
std::optional<std::set<std::string>> subscribed_topics(const Slice& metadata);

}  // namespace isthmus::broker
