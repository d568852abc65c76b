#include "tests/sim/rot.h"

#include "kafka/batch.h"

namespace isthmus::sim {

namespace {

// A batch's leader epoch lies under no checksum; a log cannot see what becomes of it.
bool is_epoch(Bytes log, uint64_t position) {
  constexpr uint64_t begin = 12, end = 16;
  for (uint64_t at = 0; at + kafka::batch_header_size <= log.size();) {
    auto header = kafka::read_batch_header(log.subspan(at));
    if (!header || position < at) return false;
    if (position < at + header->total_size()) return position >= at + begin && position < at + end;
    at += header->total_size();
  }
  return false;
}

}  // namespace

bool rot_log(Volume& disk, const std::vector<std::string>& parts) {
  const auto rotten = disk.rot(parts);
  if (!rotten) return false;
  disk.flip_bit(rotten->path, rotten->position, rotten->bit);
  if (is_epoch(disk.find(rotten->path)->data(), rotten->position)) return false;
  disk.flip_bit(rotten->path, rotten->position, rotten->bit);
  disk.schedule().count_fault("disk: bit turned");
  return true;
}

}  // namespace isthmus::sim
