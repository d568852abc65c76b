#include "broker/log/offset_order.h"

#include <fmt/format.h>

namespace isthmus::broker {

std::optional<OffsetOrder::Wrong> OffsetOrder::blame_jump(Offset later, Offset end) const {
  if (later >= end || !jump_ || later < jump_->from) return std::nullopt;
  return Wrong{jump_->position, jump_->from,
               fmt::format("a batch of a higher offset than {}, which comes later", later)};
}

std::optional<OffsetOrder::Wrong> OffsetOrder::judge(const FoundBatch& batch, Offset end,
                                                     Offset base) {
  const Offset offset = batch.header.base_offset;
  const Wrong unexpected{batch.position, end,
                         fmt::format("a batch of offset {}, expected {}", offset, end)};
  if (auto wrong = blame_jump(offset, end)) return wrong;
  if (offset < end || batch.header.last_offset() - base > INT32_MAX) return unexpected;
  if (offset == end) return std::nullopt;
  if (exact_ && end < known_end_ && known_end_ < offset) return unexpected;
  jump_ = {batch.position, end};
  return std::nullopt;
}

std::optional<OffsetOrder::Wrong> OffsetOrder::judge_next(Offset next_base, Offset end) const {
  return blame_jump(next_base, end);
}

}  // namespace isthmus::broker
