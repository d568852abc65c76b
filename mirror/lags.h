// Lags: how long the latest batches took from their fetch to the target's answer. A plain value of
// a Session.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "io/loop.h"

namespace isthmus::mirror {

class Lags {
 public:
  void note(io::Duration lag) {
    const auto ms = std::chrono::duration_cast<io::milliseconds>(lag).count();
    if (latest_.size() < most) latest_.push_back(0);
    latest_[next_++ % most] = static_cast<uint32_t>(std::max<int64_t>(0, ms));
  }
  // In milliseconds: half of them are faster than percentile(0.5), all but one in a hundred than
  // percentile(0.99). -1 where nothing was noted.
  int64_t percentile(double share) const {
    if (latest_.empty()) return -1;
    std::vector<uint32_t> sorted = latest_;
    const auto at = static_cast<size_t>(share * static_cast<double>(sorted.size() - 1));
    std::nth_element(sorted.begin(), sorted.begin() + static_cast<long>(at), sorted.end());
    return sorted[at];
  }

 private:
  static constexpr size_t most = 4096;

  std::vector<uint32_t> latest_;
  size_t next_ = 0;
};

}  // namespace isthmus::mirror
