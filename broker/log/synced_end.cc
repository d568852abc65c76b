#include "broker/log/synced_end.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <vector>

#include "base/crc32c.h"
#include "base/log.h"

namespace isthmus::broker {

namespace {

constexpr uint64_t sector = 512;
constexpr size_t slots = 2;
constexpr size_t crc_at = 24;
constexpr size_t slot_size = crc_at + 4;
constexpr uint32_t magic = 0x4953454e;  // "ISEN"
constexpr uint16_t version = 0;
constexpr uint16_t after_cut_flag = 1;
// Not the other way round: slots of earlier releases have none. Those are judged by the durability
// of the start that reads them, as they always were. That may take a torn tail for damage, where
// the durability was changed just then; the other choice would cut what was acknowledged.
constexpr uint16_t out_of_order_flag = 2;

using Slot = SyncedEnd::Slot;

uint64_t place_of(int64_t generation) { return static_cast<uint64_t>(generation) % slots * sector; }

using SlotBytes = std::array<uint8_t, slot_size>;

SlotBytes encode(const Slot& slot) {
  SlotBytes bytes{};
  store_be<uint32_t>(bytes.data(), magic);
  store_be<uint16_t>(bytes.data() + 4, version);
  const int flags = (slot.after_cut ? after_cut_flag : 0) | (slot.in_order ? 0 : out_of_order_flag);
  store_be<uint16_t>(bytes.data() + 6, static_cast<uint16_t>(flags));
  store_be<int64_t>(bytes.data() + 8, slot.generation);
  store_be<int64_t>(bytes.data() + 16, slot.end);
  store_be<uint32_t>(bytes.data() + crc_at, crc32c(Bytes(bytes).first(crc_at)));
  return bytes;
}

std::optional<Slot> decode(Bytes bytes) {
  if (bytes.size() < slot_size || load_be<uint32_t>(bytes.data()) != magic) return std::nullopt;
  if (load_be<uint16_t>(bytes.data() + 4) != version) return std::nullopt;
  if (load_be<uint32_t>(bytes.data() + crc_at) != crc32c(bytes.first(crc_at))) return std::nullopt;
  Slot slot;
  const auto flags = load_be<uint16_t>(bytes.data() + 6);
  slot.after_cut = (flags & after_cut_flag) != 0;
  slot.in_order = (flags & out_of_order_flag) == 0;
  slot.generation = load_be<int64_t>(bytes.data() + 8);
  slot.end = load_be<int64_t>(bytes.data() + 16);
  return slot;
}

}  // namespace

Result<void> SyncedEnd::load() {
  end_.reset();
  if (!files_->disk().exists(path_)) return {};
  auto bytes = io::read_whole(files_->disk(), path_);
  if (!bytes) return fail(bytes.error());
  for (size_t i = 0; i < slots && i * sector < bytes->size(); ++i) {
    const auto slot = decode(Bytes(*bytes).subspan(i * sector));
    if (!slot || slot->generation <= generation_) continue;
    note(*slot);
  }
  return {};
}

Offset SyncedEnd::known(Offset recovery_point) const {
  if (!end_) return recovery_point;
  return after_cut_ ? *end_ : std::max(*end_, recovery_point);
}

void SyncedEnd::begin(Offset end, bool in_order) {
  if (in_order == in_order_) return advance(end);
  in_order_ = in_order;
  auto file = write(end, after_cut_);
  Result<void> done = file ? (*file)->sync_now() : fail(file.error());
  if (done) done = files_->disk().sync_folder(io::parent_of(path_));
  if (!done && !io::lacks_room(done.error())) give_up(done.error());
}

void SyncedEnd::advance(Offset end) {
  if (broken_ || end_ == end) return;
  auto written = write(end, after_cut_);
  // Where there is no room, the older slot stands until the next time.
  if (!written && !io::lacks_room(written.error())) give_up(written.error());
}

void SyncedEnd::note(const Slot& slot) {
  generation_ = slot.generation;
  end_ = slot.end;
  after_cut_ = slot.after_cut;
  in_order_ = slot.in_order;
}

void SyncedEnd::give_up(const Error& why) {
  broken_ = true;
  Logger(LogComponent::partitions, "log")
      .warn("{}: not kept up to date any more: {}", path_, why.text);
}

io::Task<void> SyncedEnd::keep() {
  if (broken_ || !end_) co_return;
  auto file = files_->open(path_);
  if (!file) co_return;  // no descriptor is left: with a later segment
  const Result<void> synced = co_await (*file)->sync();
  if (!synced) give_up(synced.error());
}

void SyncedEnd::keep_now() {
  if (broken_ || !end_) return;
  auto file = files_->open(path_);
  if (!file) return;
  if (auto synced = (*file)->sync_now(); !synced) give_up(synced.error());
}

Result<void> SyncedEnd::settle(Offset end) {
  ++cuts_;
  if (broken_) return write_anew(end);
  auto file = write(end, true);
  if (!file && io::lacks_room(file.error())) return fail(file.error());
  const Result<void> done = file ? (*file)->sync_now() : fail(file.error());
  if (done) return files_->disk().sync_folder(io::parent_of(path_));
  give_up(done.error());
  return write_anew(end);
}

// What a file holds that has failed is unknown, and it takes nothing more.
Result<void> SyncedEnd::write_anew(Offset end) {
  const Slot slot{generation_ + 1, end, true, in_order_};
  std::vector<uint8_t> bytes(slots * sector);
  std::ranges::copy(encode(slot),
                    bytes.begin() + static_cast<ptrdiff_t>(place_of(slot.generation)));
  files_->forget(path_);
  if (auto done = io::replace_file(files_->disk(), path_, bytes); !done) return done;
  note(slot);
  broken_ = false;
  return {};
}

void SyncedEnd::checkpointed(uint64_t cuts) {
  if (cuts != cuts_ || !after_cut_ || !end_ || broken_) return;
  if (!write(*end_, false)) broken_ = true;
}

Result<std::shared_ptr<io::File>> SyncedEnd::write(Offset end, bool after_cut) {
  auto file = files_->open(path_);
  if (!file && file.error().code == ENOENT) {
    auto made = files_->disk().open(path_, io::Disk::Open::create);
    if (!made) return made;
    file = files_->open(path_);
  }
  if (!file) return file;
  const Slot slot{generation_ + 1, end, after_cut, in_order_};
  const uint64_t position = place_of(slot.generation);
  if (auto done = (*file)->write_at(position, encode(slot)); !done) return fail(done.error());
  note(slot);
  return file;
}

}  // namespace isthmus::broker
