// What the tests of SASL share: users, and both sides of a log-in as texts.
#pragma once

#include <gtest/gtest.h>

#include <string>

#include "base/check.h"
#include "kafka/errors.h"
#include "kafka/sasl/credential.h"
#include "kafka/sasl/sasl_client.h"
#include "kafka/sasl/sasl_server.h"

namespace isthmus::kafka {

inline ScramDecoy::Secret secret_of(uint8_t byte) {
  ScramDecoy::Secret secret;
  secret.fill(byte);
  return secret;
}
inline const ScramDecoy decoy{secret_of(7)};

// Salted cheaply, where nobody looks at the iterations.
inline ScramCredential credential_of(HashAlgorithm algorithm, const std::string& password,
                                     int32_t iterations = 4096) {
  const PasswordDerivation derivation{algorithm, password, {'s', 'a', 'l', 't'}, iterations};
  return scram_keys(algorithm, derivation.run(), derivation.salt, iterations);
}

// The bytes of a step that sends some; a failed test and nothing where it is no such step.
inline std::string sent_by(const Result<SaslServerStep>& step) {
  const auto* answer = step ? std::get_if<SaslAnswer>(&*step) : nullptr;
  EXPECT_NE(answer, nullptr) << (step ? "another step" : step.error().text);
  return answer == nullptr ? "" : std::string(as_text(answer->bytes));
}
inline std::string sent_by(const Result<SaslClientStep>& step) {
  const auto* send = step ? std::get_if<SaslSend>(&*step) : nullptr;
  EXPECT_NE(send, nullptr) << (step ? "another step" : step.error().text);
  return send == nullptr ? "" : std::string(as_text(send->bytes));
}

template <typename Wanted, typename Step>
const Wanted& wanted(const Result<Step>& step) {
  CHECK(step && std::holds_alternative<Wanted>(*step), "the step that the test expects");
  return std::get<Wanted>(*step);
}

// What the client is told; empty if it is no refusal.
template <typename Step>
std::string refusal(const Result<Step>& step) {
  if (step) return "";
  EXPECT_TRUE(is(step.error(), ErrorCode::sasl_authentication_failed)) << step.error().text;
  return step.error().text;
}

inline const std::string told_of_wrong_credentials = "Authentication failed: wrong credentials";

}  // namespace isthmus::kafka
