// TokenKeys: the keys by which tokens are verified (OAUTHBEARER, KIP-768), from where the
// configuration says, kept up to date: a provider that changes its keys is asked again after a
// while, and sooner if a token names a key that nobody knows here; but anybody can write such a
// token, so not more often than every ten seconds.
//
// While they cannot be had, those of before stay in force. Owned by LogIns; get() on any loop, and
// what blocks is done on the workers.
#pragma once

#include <atomic>
#include <string>

#include "base/log.h"
#include "base/published.h"
#include "io/env.h"
#include "kafka/sasl/jwt.h"

namespace isthmus::broker {

class TokenKeys {
 public:
  struct Options {
    std::string url;  // empty: tokens are not taken
    io::Duration refresh = std::chrono::hours(1);
    kafka::JwtRules rules;
  };

  TokenKeys(io::Env& env, Options options) : env_(env), options_(std::move(options)) {}

  // Who the token names; the error is a reason for the log.
  io::Task<Result<kafka::TokenIdentity>> verify(std::string token);

 private:
  using Clock = std::chrono::steady_clock;

  io::Task<std::shared_ptr<const kafka::Jwks>> keys_for(const std::string& token);
  io::Task<std::shared_ptr<const kafka::Jwks>> keys_of_another();
  io::Task<void> fetch();

  static constexpr auto least_interval = std::chrono::seconds(10);

  io::Env& env_;
  const Options options_;
  Logger log_{LogComponent::login, "tokens"};
  Published<kafka::Jwks> keys_;
  // Nanoseconds of the loops' clock; who raises it fetches.
  std::atomic<int64_t> next_fetch_{0};
  std::atomic<bool> fetching_{false};
};

}  // namespace isthmus::broker
