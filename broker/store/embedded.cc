#include "broker/store/embedded.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/crc32c.h"
#include "kafka/wire.h"

namespace isthmus::broker {

namespace {

constexpr size_t frame_header = 8;
constexpr size_t least_body = 12;  // version and count
constexpr uint32_t max_commit_bytes = 64u << 20;
constexpr uint64_t rewrite_above_bytes = 4u << 20;
constexpr size_t reserve_bytes = 64u << 10;

struct StoredPut {
  std::string key;
  std::optional<Slice> value;
};

Slice encode_frame(int64_t version, const std::vector<MetadataStore::Put>& puts) {
  kafka::Writer body;
  body.int64(version);
  body.int32(static_cast<int32_t>(puts.size()));
  for (const auto& put : puts) {
    body.string(put.key, false);
    body.nullable_bytes(put.value, false);
  }
  Bytes bytes = body.unsealed();
  kafka::Writer frame;
  frame.uint32(static_cast<uint32_t>(bytes.size()));
  frame.uint32(crc32c(bytes));
  frame.raw(bytes);
  return Slice::copy_of(frame.unsealed());
}

// The body of the frame at the start of `rest`, or nothing if no whole valid frame is there.
std::optional<Bytes> frame_body(Bytes rest) {
  if (rest.size() < frame_header) return std::nullopt;
  auto length = load_be<uint32_t>(rest.data());
  // A tail of zeros, which file systems leave at a power loss, has a length and a checksum that
  // agree.
  if (length < least_body || length > max_commit_bytes) return std::nullopt;
  if (length > rest.size() - frame_header) return std::nullopt;
  Bytes body = rest.subspan(frame_header, length);
  if (crc32c(body) != load_be<uint32_t>(rest.data() + 4)) return std::nullopt;
  return body;
}

// A commit above `version`: a value may hold bytes that look like an older one.
bool any_frame_above(int64_t version, Bytes rest) {
  for (size_t at = 1; at + frame_header < rest.size(); ++at) {
    const auto body = frame_body(rest.subspan(at));
    if (body && load_be<int64_t>(body->data()) > version) return true;
  }
  return false;
}

// What counts up by one cannot reach it, and one can still be added.
constexpr int64_t last_version = int64_t{1} << 62;

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
    rest = rest.subspan(frame_header + body->size());
  }
  const uint64_t good = content->size() - rest.size();
  if (version_ < synced_.known(0)) {
    return fail(Error::corrupt(fmt::format(
        "{}: good up to byte {}, version {}, but version {} was synced: restore the file from a "
        "backup; one that is older on purpose is taken when {} is removed",
        path_, good, version_, synced_.known(0), synced_.path())));
  }
  // The next commit begins when the one before is synced.
  if (any_frame_above(version_ + 1, rest)) {
    return fail(Error::corrupt(path_ + ": broken commit at byte " + std::to_string(good) +
                               " with valid ones after it; restore the file from a backup"));
  }
  if (!rest.empty()) {
    if (auto ok = cut(rest); !ok) return ok;
  }
  // What a process has left unsynced is acted upon from now on.
  if (auto ok = file_->sync_now(); !ok) return ok;
  synced_.advance(version_);
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
  kafka::Reader reader(Slice::copy_of(body));
  int64_t version = reader.int64();
  int32_t count = reader.int32();
  for (int32_t i = 0; i < count && reader.ok(); ++i) {
    std::string key = reader.string(false);
    auto value = reader.nullable_bytes(false);
    if (!reader.ok()) break;
    if (value) {
      entries_[key] = {Slice::copy_of(*value), version};
    } else {
      entries_.erase(key);
    }
  }
  const bool is_version = version >= 0 && version <= last_version;
  if (!reader.ok() || !is_version) {
    return fail(Error::corrupt(path_ + ": a commit that breaks its own format"));
  }
  version_ = version;
  return {};
}

Result<void> EmbeddedStore::rewrite_if_worth_it() {
  uint64_t living = 0;
  for (const auto& [key, entry] : entries_) living += key.size() + entry.value.size() + 32;
  if (file_->size() < rewrite_above_bytes || file_->size() < 4 * living) return {};
  std::vector<const std::pair<const std::string, Entry>*> by_version;
  for (const auto& pair : entries_) by_version.push_back(&pair);
  std::ranges::sort(by_version, {}, [](const auto* p) { return p->second.version; });
  kafka::Writer all;
  for (const auto* pair : by_version) {
    all.raw(encode_frame(pair->second.version, {{pair->first, pair->second.value}}));
  }
  // Even if the newest commit was a deletion, its version is not given out again.
  all.raw(encode_frame(version_, {}));
  const Result<void> replaced = io::replace_file(disk_, path_, all.unsealed());
  if (!replaced && io::lacks_room(replaced.error())) return {};  // another start will have it
  if (!replaced) return replaced;
  auto file = disk_.open(path_, io::Disk::Open::existing);
  if (!file) return fail(file.error());
  file_ = *file;
  return {};
}

bool EmbeddedStore::holds(const std::vector<Check>& checks) const {
  for (const auto& check : checks) {
    auto found = entries_.find(check.key);
    int64_t version = found == entries_.end() ? absent : found->second.version;
    if (version != check.version) return false;
  }
  return true;
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
  if (!holds(checks)) co_return Outcome::conflict;
  int64_t version = version_ + 1;
  Slice frame = encode_frame(version, puts);
  if (frame.size() > frame_header + max_commit_bytes) {
    co_return fail("a change of " + std::to_string(frame.size()) + " bytes of metadata at once");
  }
  auto written = co_await write(std::move(frame));
  if (!written) co_return fail(written.error());
  version_ = version;
  synced_.advance(version);
  std::vector<Change> changes;
  for (auto& put : puts) {
    if (put.value) {
      entries_[put.key] = {*put.value, version};
    } else {
      entries_.erase(put.key);
    }
    changes.push_back({put.key, put.value, put.value ? version : absent});
  }
  if (watcher_) watcher_(changes);
  co_return Outcome::committed;
}

void EmbeddedStore::watch(Watcher watcher) {
  watcher_ = std::move(watcher);
  std::vector<Change> all;
  for (const auto& [key, entry] : entries_) all.push_back({key, entry.value, entry.version});
  watcher_(all);
}

}  // namespace isthmus::broker
