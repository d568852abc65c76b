#include "broker/replica/source_view.h"

#include <algorithm>

namespace isthmus::broker {

void SourceView::note(Offset end, int64_t lag, io::Instant now) {
  auto seconds = std::chrono::duration<double>(now - heard_at).count();
  if (end_offset >= 0 && seconds > 0 && seconds < 60) {
    double rate = static_cast<double>(end - end_offset) / seconds;
    // The fastest of late, slowly forgotten: an upper bound is what a failover needs.
    records_per_second = std::max(rate, records_per_second * 0.98);
  }
  end_offset = std::max(end_offset, end);
  lag_ms = lag;
  heard_at = now;
}

}  // namespace isthmus::broker
