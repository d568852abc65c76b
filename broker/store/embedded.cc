#include "broker/store/embedded.h"

#include <fmt/format.h>

#include <utility>

#include "kafka/wire.h"

namespace isthmus::broker {

namespace {

constexpr uint64_t rewrite_above_bytes = 4u << 20;
constexpr size_t reserve_bytes = 64u << 10;

// A commit above `version`: a value may hold bytes that look like an older one.
bool any_frame_above(int64_t version, Bytes rest) {
  for (size_t at = 1; at + frame_header_bytes < rest.size(); ++at) {
    const auto body = frame_body(rest.subspan(at));
    if (body && version_in(*body) > version) return true;
  }
  return false;
}

}  // namespace

EmbeddedStore::EmbeddedStore(io::Disk& disk, io::Loop& loop, std::string path)
    : disk_(disk),
      path_(std::move(path)),
      slot_files_(disk, 1),
      synced_(slot_files_, io::parent_of(path_) + "/metadata.synced"),
      committing_(loop) {}

Result<std::unique_ptr<EmbeddedStore>> EmbeddedStore::open(io::Disk& disk, io::Loop& loop,
                                                           const std::string& folder) {
  std::unique_ptr<EmbeddedStore> store(new EmbeddedStore(disk, loop, folder + "/metadata.log"));
  auto file = disk.open(store->path_, io::Disk::Open::create);
  if (!file) return fail(file.error());
  store->file_ = *file;
  // Also where the file is there already: a process may have died between making and syncing it.
  if (auto ok = disk.sync_folder(folder); !ok) return fail(ok.error());
  if (auto ok = store->load(); !ok) return fail(ok.error());
  if (auto ok = store->rewrite_if_worth_it(); !ok) return fail(ok.error());
  store->keep_reserve();
  return store;
}

// As well as it can be done: on a full disk there is none until there is room.
void EmbeddedStore::keep_reserve() {
  has_reserve_ = disk_.exists(reserve_path());
  if (has_reserve_) return;
  auto file = disk_.open(reserve_path(), io::Disk::Open::create);
  if (!file) return;
  // Zeros that are written have their place; a size alone would not.
  const std::vector<uint8_t> zeros(reserve_bytes);
  has_reserve_ = (*file)->append(zeros).has_value();
  if (!has_reserve_) (void)disk_.remove(reserve_path());
}

bool EmbeddedStore::use_reserve() {
  return std::exchange(has_reserve_, false) && disk_.remove(reserve_path()).has_value();
}

Result<void> EmbeddedStore::load() {
  if (auto ok = synced_.load(); !ok) return ok;
  auto content = io::read_whole(disk_, path_);
  if (!content) return fail(content.error());
  Bytes rest(*content);
  while (auto body = frame_body(rest)) {
    if (auto ok = apply(*body); !ok) return ok;
    rest = rest.subspan(frame_header_bytes + body->size());
  }
  const uint64_t good = content->size() - rest.size();
  if (table_.version() < synced_.known(0)) {
    return fail(Error::corrupt(fmt::format(
        "{}: good up to byte {}, version {}, but version {} was synced: restore the file from a "
        "backup; one that is older on purpose is taken when {} is removed",
        path_, good, table_.version(), synced_.known(0), synced_.path())));
  }
  // The next commit begins when the one before is synced.
  if (any_frame_above(table_.version() + 1, rest)) {
    return fail(Error::corrupt(path_ + ": broken commit at byte " + std::to_string(good) +
                               " with valid ones after it; restore the file from a backup"));
  }
  if (!rest.empty()) {
    if (auto ok = cut(rest); !ok) return ok;
  }
  // What a process has left unsynced is acted upon from now on.
  if (auto ok = file_->sync_now(); !ok) return ok;
  synced_.advance(table_.version());
  return {};
}

Result<void> EmbeddedStore::cut(Bytes torn) {
  const std::string aside = path_ + ".cut";
  const auto kept = io::replace_file(disk_, aside, torn);
  log_.warn("{}: cut a torn commit of {} bytes, which nobody was promised; {}", path_, torn.size(),
            kept ? "kept in " + aside : "not kept: " + kept.error().text);
  return file_->truncate(file_->size() - torn.size());
}

Result<void> EmbeddedStore::apply(Bytes body) {
  auto commit = decode_body(body, path_);
  if (!commit) return fail(commit.error());
  table_.apply(std::move(*commit));
  return {};
}

Result<void> EmbeddedStore::rewrite_if_worth_it() {
  if (file_->size() < rewrite_above_bytes || file_->size() < 4 * table_.bytes()) return {};
  kafka::Writer all;
  for (const StoredCommit& commit : table_.compacted()) {
    auto frame = encode_frame(commit);
    if (!frame) return fail(frame.error());
    all.raw(*frame);
  }
  const Result<void> replaced = io::replace_file(disk_, path_, all.unsealed());
  if (!replaced && io::lacks_room(replaced.error())) return {};  // another start will have it
  if (!replaced) return replaced;
  auto file = disk_.open(path_, io::Disk::Open::existing);
  if (!file) return fail(file.error());
  file_ = *file;
  return {};
}

io::Task<Result<void>> EmbeddedStore::write(Slice frame) {
  auto appended = file_->append(frame);
  if (appended && !has_reserve_) keep_reserve();
  if (!appended && io::lacks_room(appended.error()) && use_reserve()) {
    appended = file_->append(frame);
  }
  if (!appended) {
    if (!io::lacks_room(appended.error())) broken_ = appended.error();
    co_return fail(appended.error());
  }
  auto synced = co_await file_->sync();
  if (!synced) broken_ = synced.error();
  co_return synced;
}

io::Task<Result<MetadataStore::Outcome>> EmbeddedStore::commit(std::vector<Check> checks,
                                                               std::vector<Put> puts) {
  auto held = co_await committing_.lock();
  if (broken_) co_return fail(*broken_);
  if (!table_.holds(checks)) co_return Outcome::conflict;
  StoredCommit commit{table_.version() + 1, std::move(puts)};
  auto frame = encode_frame(commit);
  if (!frame) co_return fail(frame.error());
  auto written = co_await write(std::move(*frame));
  if (!written) co_return fail(written.error());
  synced_.advance(commit.version);
  const std::vector<Change> changes = table_.apply(std::move(commit));
  if (watcher_) watcher_(changes);
  co_return Outcome::committed;
}

void EmbeddedStore::watch(Watcher watcher) {
  watcher_ = std::move(watcher);
  watcher_(table_.all());
}

}  // namespace isthmus::broker
