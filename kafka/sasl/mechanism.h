// The SASL mechanisms that our listeners and clients speak, and what is the same in all of them:
// who may be a user, and how much a peer may send before anybody knows who it is. Pure.
//
// Names and passwords are compared as the bytes that they are, without SASLprep (RFC 4013): Kafka
// does not prepare them either, and a user who was written down there has to be found here.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "base/crypto.h"

namespace isthmus::kafka {

enum class Mechanism : uint8_t { plain, scram_sha_256, scram_sha_512, oauthbearer };

inline constexpr Mechanism all_mechanisms[] = {Mechanism::plain, Mechanism::scram_sha_256,
                                               Mechanism::scram_sha_512, Mechanism::oauthbearer};

// As in SaslHandshake and sasl.enabled.mechanisms: "SCRAM-SHA-512".
std::string_view mechanism_name(Mechanism mechanism);
std::optional<Mechanism> find_mechanism(std::string_view name);

// What a SCRAM mechanism hashes with; nothing for the others.
std::optional<HashAlgorithm> scram_hash(Mechanism mechanism);

// Bytes. 255 is what RFC 4616 asks for, and OpenID Connect's limit of a subject.
constexpr size_t longest_user_name = 255;
constexpr size_t longest_password = 4096;  // some services take a token as one
constexpr size_t longest_token = 16 << 10;
// Any message of any mechanism. A connection whose peer is not known yet takes no larger one.
constexpr size_t longest_sasl_message = 32 << 10;

// 1..longest_user_name bytes of UTF-8 without controls or what cannot be seen: such a name would
// look like somebody else's in an ACL and in the log.
bool is_user_name(std::string_view name);

// 1..longest_password bytes of UTF-8 without U+0000.
bool is_password(std::string_view password);

}  // namespace isthmus::kafka
