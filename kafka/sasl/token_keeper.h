// TokenKeeper: which token to log in with, and when a provider is asked for another. Decides, and
// asks nobody itself: client/log_in.cc does, and tells what came of it.
//
//   asked for     nothing  |------ fresh ------|--- due ---|  spent
//                          0                  4/5          1   of its life
//
// A fresh token is used. One that is due is used, too, and whoever finds it so first asks for the
// next beside; if that fails the old one stays in force, and nobody asks again for `retry`. Without
// a token, or with a spent one, one asks and the others wait. What fails then is told to all who
// come within `retry`, so a provider that does not answer is not run over by connections.
//
// A token whose life nobody knows is for whoever asked for it.
//
// One for all connections to a cluster, on any loop: a mutex is held for a moment.
#pragma once

#include <chrono>
#include <mutex>
#include <optional>
#include <string>
#include <variant>

#include "base/error.h"
#include "kafka/sasl/token_answer.h"

namespace isthmus::kafka {

class TokenKeeper {
 public:
  using Instant = std::chrono::steady_clock::time_point;

  static constexpr auto retry = std::chrono::seconds(10);

  struct Use {
    std::string token;
    bool and_ask = false;  // for the next one, beside
  };
  struct Ask {};   // and use what comes
  struct Wait {};  // another one asks
  using Step = std::variant<Use, Ask, Wait, Error>;

  // Of a log-in. Whoever is told to ask calls answered(), whatever happens.
  Step next(Instant now);
  // `asked` is when the provider began to be asked: the life of a token counts from there.
  void answered(Instant asked, Instant now, const Result<IssuedToken>& answer);

 private:
  struct Held {
    std::string token;
    Instant due;
    Instant spent;
  };

  std::mutex mutex_;
  std::optional<Held> held_;
  std::optional<Error> failed_;
  Instant not_before_{};  // that anybody asks again, after a failure
  bool asking_ = false;
};

}  // namespace isthmus::kafka
