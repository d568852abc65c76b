#include "tests/sim/world/volume.h"

#include <algorithm>
#include <cerrno>

namespace isthmus::sim {

std::string Volume::folder_of(const std::string& path) {
  size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

std::shared_ptr<Inode> Volume::find(const std::string& path) const {
  auto found = entries_.find(path);
  return found == entries_.end() ? nullptr : found->second.inode;
}

bool Volume::is_folder(const std::string& path) const {
  auto found = entries_.find(path);
  return is_root(path) || (found != entries_.end() && !found->second.inode);
}

bool Volume::keeps_name(const std::string& path) const {
  const auto seen = entries_.find(path), kept = durable_.find(path);
  return seen != entries_.end() && kept != durable_.end() &&
         seen->second.inode == kept->second.inode;
}

void Volume::change(NameChange change) {
  schedule_.note(change.path);
  schedule_.note(static_cast<uint64_t>(change.kind));
  apply(change, entries_);
  unsynced_.push_back(std::move(change));
}

std::vector<std::string> Volume::inside(const Entries& entries, const std::string& folder) {
  const std::string prefix = folder == "/" ? "/" : folder + "/";
  std::vector<std::string> paths;
  for (auto e = entries.lower_bound(prefix); e != entries.end(); ++e) {
    if (!e->first.starts_with(prefix)) break;
    paths.push_back(e->first);
  }
  return paths;
}

void Volume::apply(const NameChange& change, Entries& entries) {
  switch (change.kind) {
    case NameChange::Kind::create: entries[change.path] = change.entry; return;
    case NameChange::Kind::remove: entries.erase(change.path); return;
    case NameChange::Kind::rename: break;
  }
  auto moved = inside(entries, change.path);
  moved.push_back(change.path);
  for (const auto& path : moved) {
    auto node = entries.extract(path);
    if (node.empty()) continue;
    std::string to = change.to + path.substr(change.path.size());
    entries.erase(to);
    node.key() = to;
    entries.insert(std::move(node));
  }
}

Result<std::shared_ptr<Inode>> Volume::create(const std::string& path) {
  if (!is_folder(folder_of(path))) return fail(Error::io(ENOENT, "cannot open " + path));
  auto inode = std::make_shared<Inode>();
  change({NameChange::Kind::create, path, {}, {inode}});
  return inode;
}

Result<void> Volume::make_folder(const std::string& path) {
  if (is_folder(path)) return {};
  if (exists(path)) return fail(Error::io(ENOTDIR, "cannot create folder " + path));
  if (auto parent = make_folder(folder_of(path)); !parent) return parent;
  if (!has_room(0, block)) return fail(Error::io(ENOSPC, "cannot create folder " + path));
  change({NameChange::Kind::create, path, {}, {}});
  return {};
}

std::vector<std::string> Volume::list(const std::string& folder) const {
  std::vector<std::string> names;
  const size_t skip = folder == "/" ? 1 : folder.size() + 1;
  for (const auto& path : inside(entries_, folder)) {
    if (folder_of(path) == folder) names.push_back(path.substr(skip));
  }
  return names;
}

std::string Volume::last_up_to(const std::string& path, std::string_view suffix) const {
  const std::string folder = path.substr(0, path.rfind('/') + 1);
  for (auto e = entries_.upper_bound(path); e != entries_.begin();) {
    --e;
    if (!e->first.starts_with(folder)) break;
    if (e->first.ends_with(suffix) && e->first.find('/', folder.size()) == std::string::npos) {
      return e->first;
    }
  }
  return {};
}

std::string Volume::first_above(const std::string& path, std::string_view suffix) const {
  const std::string folder = path.substr(0, path.rfind('/') + 1);
  for (auto e = entries_.upper_bound(path); e != entries_.end(); ++e) {
    if (!e->first.starts_with(folder)) break;
    if (e->first.ends_with(suffix) && e->first.find('/', folder.size()) == std::string::npos) {
      return e->first;
    }
  }
  return {};
}

Result<void> Volume::rename(const std::string& from, const std::string& to) {
  const std::string what = "cannot rename " + from + " to " + to;
  if (!entries_.contains(from) || !is_folder(folder_of(to))) return fail(Error::io(ENOENT, what));
  if (is_folder(from)) {
    if (!inside(entries_, to).empty()) return fail(Error::io(ENOTEMPTY, what));
    commit_if([&](const NameChange& c) { return c.path.starts_with(from + "/"); });
  }
  change({NameChange::Kind::rename, from, to, {}});
  return {};
}

Result<void> Volume::remove(const std::string& path) {
  if (!find(path)) return fail(Error::io(ENOENT, "cannot remove " + path));
  change({NameChange::Kind::remove, path, {}, {}});
  return {};
}

void Volume::remove_folder(const std::string& path) {
  auto paths = inside(entries_, path);
  // Deepest first, as the system has to.
  for (auto p = paths.rbegin(); p != paths.rend(); ++p) {
    change({NameChange::Kind::remove, *p, {}, {}});
  }
  if (entries_.contains(path)) change({NameChange::Kind::remove, path, {}, {}});
}

template <typename Match>
void Volume::commit_if(Match match) {
  std::deque<NameChange> rest;
  for (auto& change : unsynced_) {
    if (match(change)) {
      apply(change, durable_);
    } else {
      rest.push_back(std::move(change));
    }
  }
  unsynced_ = std::move(rest);
}

bool Volume::sync_lies_now(const std::string& path) {
  const bool is_meant = std::ranges::all_of(
      lies_about, [&](const std::string& part) { return path.find(part) != std::string::npos; });
  if (!is_meant) return false;
  const bool lies = lying_syncs || (sync_lies > 0 && schedule_.random().chance(sync_lies));
  if (lies) schedule_.count_fault("disk: sync did nothing");
  return lies;
}

void Volume::sync_folder(const std::string& path) {
  if (sync_lies_now(path)) return;
  commit_if([&](const NameChange& change) {
    return folder_of(change.path) == path ||
           (change.kind == NameChange::Kind::rename && folder_of(change.to) == path);
  });
}

void Volume::crash() {
  Prng& random = schedule_.random();
  size_t kept = random.below(unsynced_.size() + 1);
  if (kept < unsynced_.size()) schedule_.count_fault("disk: names lost in a crash");
  unsynced_.resize(kept);
  commit_if([](const NameChange&) { return true; });
  // Parents come before what is inside them, so one pass finds every orphan.
  for (auto e = durable_.begin(); e != durable_.end();) {
    std::string folder = folder_of(e->first);
    bool orphan = !is_root(folder) && !durable_.contains(folder);
    e = orphan ? durable_.erase(e) : std::next(e);
  }
  entries_ = durable_;
  for (auto& [path, entry] : entries_) {
    if (!entry.inode || !entry.inode->has_unsynced()) continue;
    entry.inode->crash(random);
    schedule_.count_fault("disk: unsynced bytes at risk in a crash");
  }
  locks_.clear();
}

void Volume::flip_bit(const std::string& path, uint64_t position, int bit) {
  schedule_.count_fault("disk: bit flipped");
  if (auto inode = find(path)) inode->flip_bit(position, bit);
}

namespace {
uint64_t blocks(uint64_t size) {
  return (size + Volume::block - 1) / Volume::block * Volume::block;
}
}  // namespace

uint64_t Volume::used() const {
  uint64_t bytes = 0;
  for (const auto& [path, entry] : entries_) {
    bytes += entry.inode ? blocks(entry.inode->data().size()) : block;
  }
  return bytes;
}

bool Volume::has_room(uint64_t size_before, uint64_t size_after) const {
  if (capacity == UINT64_MAX || blocks(size_after) <= blocks(size_before)) return true;
  return used() + blocks(size_after) - blocks(size_before) <= capacity;
}

std::optional<Volume::Rotten> Volume::rot(const std::vector<std::string>& parts, uint64_t from) {
  std::vector<std::string> paths;
  for (const auto& [path, entry] : entries_) {
    const bool meant = std::ranges::all_of(
        parts, [&](const std::string& part) { return path.find(part) != std::string::npos; });
    if (meant && entry.inode && entry.inode->data().size() > from) paths.push_back(path);
  }
  if (paths.empty()) return std::nullopt;
  Prng& random = schedule_.random();
  Rotten rotten{paths[random.below(paths.size())], 0, static_cast<int>(random.below(8))};
  rotten.position = from + random.below(find(rotten.path)->data().size() - from);
  flip_bit(rotten.path, rotten.position, rotten.bit);
  return rotten;
}

void Volume::slow_down() {
  schedule_.count_fault("disk: slow");
  sync_latency_min = std::chrono::milliseconds(200);
  sync_latency_max = std::chrono::seconds(3);
}

int Volume::planned_fault(Operation operation, const std::string& path) {
  auto& plan = plan_[operation];
  const auto due = std::ranges::find_if(
      plan, [&](const Fault& f) { return path.find(f.part) != std::string::npos; });
  if (due == plan.end()) return 0;
  const int error = due->error;
  plan.erase(due);
  return error;
}

int Volume::fault(Operation operation, uint32_t in_a_million, const std::string& path) {
  static constexpr const char* names[] = {"disk: append failed", "disk: sync failed",
                                          "disk: read failed", "disk: open failed",
                                          "disk: change of a name failed"};
  const uint64_t number = ++operations_;
  int error = number == fail_at_ || number >= fail_from_ ? fail_with_ : 0;
  if (error == 0) error = planned_fault(operation, path);
  if (error == 0 && in_a_million > 0 && schedule_.random().chance(in_a_million)) error = EIO;
  if (error != 0) schedule_.count_fault(names[operation]);
  return error;
}

// No operation by itself: who only looks changes nothing.
bool Volume::look_fails(const std::string& path) { return planned_fault(look_, path) != 0; }

}  // namespace isthmus::sim
