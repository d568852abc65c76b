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
  if (auto wrong = judge_epoch(batch, end)) return wrong;
  if (offset == end) return std::nullopt;
  if (exact_ && end < known_end_ && known_end_ < offset) return unexpected;
  jump_ = {batch.position, end};
  return std::nullopt;
}

std::optional<OffsetOrder::Wrong> OffsetOrder::judge_epoch(const FoundBatch& batch, Offset end) {
  const LeaderEpoch epoch = batch.header.partition_leader_epoch;
  if (epoch < epoch_) {
    const std::string why = fmt::format("leader epoch {} before epoch {}", epoch_, epoch);
    const bool rise_is_wrong = rise_ && rise_->batches == 1 && epoch >= rise_->from;
    if (rise_is_wrong) return Wrong{rise_->position, rise_->offset, why};
    return Wrong{batch.position, end, why};
  }
  if (epoch > epoch_) rise_ = {batch.position, end, epoch_, 0};
  if (rise_) ++rise_->batches;
  epoch_ = epoch;
  return std::nullopt;
}

std::optional<OffsetOrder::Wrong> OffsetOrder::judge_next(Offset next_base, Offset end) const {
  return blame_jump(next_base, end);
}

}  // namespace isthmus::broker
