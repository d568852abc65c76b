#include "base/progress.h"

#include <fmt/core.h>

#include <cmath>

namespace isthmus {

void Progress::begin(std::string what, size_t total, Instant now) {
  what_ = std::move(what);
  done_ = 0;
  total_ = total;
  begun_ = now;
}

std::string Progress::text(Instant now) const {
  constexpr auto soon_enough = std::chrono::seconds(2);  // to tell from what was done
  if (total_ == 0) return {};
  std::string text = fmt::format("{}: {} of {}", what_, done_, total_);
  if (done_ == 0 || done_ >= total_ || now - begun_ < soon_enough) return text;
  const double each_s =
      std::chrono::duration<double>(now - begun_).count() / static_cast<double>(done_);
  const double left_s = each_s * static_cast<double>(total_ - done_);
  return text + fmt::format(", about {} s to go", static_cast<long>(std::ceil(left_s)));
}

}  // namespace isthmus
