// AttemptLimit: how often somebody at one address may be wrong about who he is: so often at once,
// and then again as time goes by. Who has used that up is not listened to, so that his guesses are
// neither many nor told apart.
//
// An address is what its user cannot choose (io::network_of). So many are remembered; beyond that
// the one that has to wait least is forgotten. Pure; owned by the admin port, on its loop.
#pragma once

#include <algorithm>
#include <chrono>
#include <map>
#include <string>

#include "io/loop.h"
#include "io/stream.h"

namespace isthmus::process {

class AttemptLimit {
 public:
  static constexpr int at_once = 10;
  static constexpr auto again_after = std::chrono::seconds(6);  // one more
  static constexpr size_t most_addresses = 1024;

  bool is_used_up(const std::string& host, io::Instant now) const {
    const auto known = even_at_.find(io::network_of(host));
    return known != even_at_.end() && known->second + again_after > now + at_once * again_after;
  }

  void failed(const std::string& host, io::Instant now) {
    io::Instant& even = even_at_[io::network_of(host)];
    even = std::max(even, now) + again_after;
    if (even_at_.size() <= most_addresses) return;
    std::erase_if(even_at_, [now](const auto& known) { return known.second <= now; });
    if (even_at_.size() <= most_addresses) return;
    // Not the one that has just failed: it would never be limited.
    const std::string latest = io::network_of(host);
    auto least = even_at_.end();
    for (auto known = even_at_.begin(); known != even_at_.end(); ++known) {
      const bool is_less = least == even_at_.end() || known->second < least->second;
      if (known->first != latest && is_less) least = known;
    }
    even_at_.erase(least);
  }

  size_t addresses() const { return even_at_.size(); }

 private:
  std::map<std::string, io::Instant> even_at_;  // when all that was wrong is forgotten
};

}  // namespace isthmus::process
