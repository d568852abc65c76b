#include "broker/store/zookeeper_store.h"

#include <algorithm>
#include <set>
#include <utility>

#include "base/crc32c.h"

namespace isthmus::broker {

using zookeeper::Answer;
using zookeeper::Op;

namespace {

constexpr auto pause_between_attempts = std::chrono::milliseconds(200);
// Watches tell; this is for what no watch tells, such as a snapshot in place of commits.
constexpr auto look_anyway_after = std::chrono::seconds(30);
constexpr size_t removals_at_once = 200;
constexpr auto between_confirmations = std::chrono::milliseconds(50);
// A server that has not answered for so long is waited for by nobody else.
constexpr auto confirms_within = std::chrono::seconds(2);

Op create(std::string path, Slice data = {}) {
  return {Op::Kind::create, std::move(path), std::move(data)};
}

// Who looks again finds a newer one.
Error trimmed(const std::string& where) {
  return Error::timeout("zookeeper: " + where + " was removed while it was read");
}

Error unknown_outcome() {
  return Error::timeout("zookeeper: no server answers; whether it was written is not known");
}

}  // namespace

ZookeeperStore::ZookeeperStore(io::Loop& loop, io::Random& random, zookeeper::Client& client,
                               ZookeeperStoreOptions options)
    : loop_(loop),
      random_(random),
      client_(client),
      options_(std::move(options)),
      layout_(options_.root),
      turn_(loop),
      wake_(std::make_shared<Wake>(loop)),
      confirmed_(loop),
      stop_(loop),
      gate_(loop) {}

io::Task<Result<void>> ZookeeperStore::open() {
  auto held = co_await turn_.lock();
  auto done = co_await make_folders(soon());
  if (done) done = co_await look_at_folder(soon());
  if (!done) co_return done;
  gate_.spawn("follow metadata", follow());
  co_return Result<void>{};
}

void ZookeeperStore::begin_close() {
  stop_.close();
  confirmed_.notify_all();
  wake_->wake();
}

io::Task<void> ZookeeperStore::close() {
  begin_close();
  co_await gate_.close();
}

void ZookeeperStore::watch(Watcher watcher) {
  watcher_ = std::move(watcher);
  watcher_(table_.all());
}

void ZookeeperStore::on_session_lost(std::function<void()> lost) {
  lost_ = std::move(lost);
  client_.on_state([wake = wake_](zookeeper::SessionState) { wake->wake(); });
}

// Whoever serves from metadata that he no longer follows has to stop.
void ZookeeperStore::give_up(const Error& error) {
  if (stop_.closed() || std::exchange(has_given_up_, true)) return;
  log_.error("metadata are not followed: {}", error.text);
  if (lost_) lost_();
}

// An earlier attempt may have been a commit.
Error ZookeeperStore::replaced(const std::string& demanded) {
  const Error error = Error::closed("zookeeper: " + demanded +
                                    " is gone: the session has ended, or another process of this "
                                    "broker has taken its place");
  give_up(error);
  return error;
}

// False: there is no point in asking again.
io::Task<bool> ZookeeperStore::pause(const Error& error, io::Instant deadline) {
  const bool may_ask_again = error.kind == Error::Kind::timeout && !stop_.closed();
  if (!may_ask_again || loop_.now() >= deadline) co_return false;
  co_await stop_.wait_until(std::min(deadline, loop_.now() + pause_between_attempts));
  co_return !stop_.closed();
}

io::Task<Result<zookeeper::Outcome>> ZookeeperStore::insist(std::vector<Op> ops,
                                                            io::Instant deadline) {
  for (;;) {
    auto outcome = co_await client_.transact(ops);
    if (outcome) co_return outcome;
    const Error error = outcome.error();
    const bool again = co_await pause(error, deadline);
    if (!again) co_return fail(error.kind == Error::Kind::timeout ? unknown_outcome() : error);
  }
}

io::Task<Result<std::optional<zookeeper::Node>>> ZookeeperStore::read(std::string path,
                                                                      io::Instant deadline) {
  for (;;) {
    auto node = co_await client_.get(path);
    if (node) co_return node;
    const Error error = node.error();
    const bool again = co_await pause(error, deadline);
    if (!again) co_return fail(error);
  }
}

io::Task<Result<std::vector<std::string>>> ZookeeperStore::names_in(std::string folder,
                                                                    io::Instant deadline) {
  for (;;) {
    auto names = co_await client_.children(folder);
    if (names) co_return std::move(*names).value_or(std::vector<std::string>{});
    const Error error = names.error();
    const bool again = co_await pause(error, deadline);
    if (!again) co_return fail(error);
  }
}

io::Task<Result<void>> ZookeeperStore::make_folders(io::Instant deadline) {
  std::vector<std::string> folders;
  for (size_t end = layout_.root().find('/', 1); end != std::string::npos;
       end = layout_.root().find('/', end + 1)) {
    folders.push_back(layout_.root().substr(0, end));
  }
  if (!layout_.root().empty()) folders.push_back(layout_.root());
  for (const std::string& folder : {layout_.commits(), layout_.snapshots(), layout_.parts(),
                                    layout_.live(), layout_.tokens()}) {
    folders.push_back(folder);
  }
  for (const std::string& folder : folders) {
    // Looked for first: whoever may use a folder need not have the right to make it.
    auto there = co_await read(folder, deadline);
    if (!there) co_return fail(there.error());
    if (*there) continue;
    auto made = co_await insist({create(folder)}, deadline);
    if (!made) co_return fail(made.error());
  }
  co_return Result<void>{};
}

// The folder first: what is removed after that, we know.
io::Task<Result<void>> ZookeeperStore::look_at_folder(io::Instant deadline) {
  auto folder = co_await read(layout_.commits(), deadline);
  if (!folder) co_return fail(folder.error());
  if (!*folder) co_return fail("zookeeper: " + layout_.commits() + " is gone");
  const int32_t seen = (*folder)->version;
  auto caught_up = co_await catch_up(deadline);
  // The guard is for who has read all that was there at that version.
  if (caught_up) folder_version_ = seen;
  co_return caught_up;
}

Uuid ZookeeperStore::draw_id() {
  Uuid id;
  random_.fill(id.bytes);
  return id;
}

io::Task<Result<Slice>> ZookeeperStore::content(StoredNode node, int64_t version, std::string where,
                                                io::Instant deadline) {
  if (!node.parts) co_return node.whole;
  const std::string folder = layout_.folder_of_parts(version, node.id);
  std::vector<uint8_t> all;
  for (int32_t i = 0; i < node.parts->count; ++i) {
    auto part = co_await read(folder + "/" + std::to_string(i), deadline);
    if (!part) co_return fail(part.error());
    if (!*part) {
      auto still = co_await read(where, deadline);
      if (!still) co_return fail(still.error());
      if (!*still) co_return fail(trimmed(where));
      co_return fail(Error::corrupt("zookeeper: " + where + " lacks a part"));
    }
    const Bytes bytes = (*part)->data;
    if (bytes.size() > bytes_per_node) {
      co_return fail(Error::corrupt("zookeeper: " + where + " has a part that is too large"));
    }
    all.insert(all.end(), bytes.begin(), bytes.end());
  }
  const bool is_whole =
      std::ssize(all) == node.parts->bytes && crc32c(Bytes(all)) == node.parts->crc;
  if (!is_whole) co_return fail(Error::corrupt("zookeeper: " + where + " has damaged parts"));
  co_return Slice::take(std::move(all));
}

io::Task<Result<Slice>> ZookeeperStore::prepare(Slice frames, int64_t version, Uuid id,
                                                io::Instant deadline) {
  StoredNode node;
  node.id = id;
  if (frames.size() <= bytes_per_node) {
    node.whole = std::move(frames);
    co_return encode_node(node);
  }
  const size_t count = (frames.size() + bytes_per_node - 1) / bytes_per_node;
  if (count > max_parts) {
    co_return fail(std::to_string(frames.size()) + " bytes of metadata do not fit into ZooKeeper");
  }
  const std::string folder = layout_.folder_of_parts(version, id);
  auto made = co_await insist({create(folder)}, deadline);
  for (size_t i = 0; made && i < count; ++i) {
    const size_t at = i * bytes_per_node;
    const size_t size = std::min(bytes_per_node, frames.size() - at);
    made =
        co_await insist({create(folder + "/" + std::to_string(i), frames.sub(at, size))}, deadline);
  }
  if (!made) co_return fail(made.error());
  node.parts = {static_cast<int32_t>(count), static_cast<int64_t>(frames.size()), crc32c(frames)};
  co_return encode_node(node);
}

io::Task<Result<void>> ZookeeperStore::apply(zookeeper::Node found) {
  const int64_t version = table_.version() + 1;
  const std::string where = layout_.commit(version);
  auto node = decode_node(found.data, where);
  if (!node) co_return fail(node.error());
  const Uuid id = node->id;
  auto frame = co_await content(std::move(*node), version, where, soon());
  if (!frame) co_return fail(frame.error());
  const auto body = frame_body(*frame);
  if (!body) co_return fail(Error::corrupt("zookeeper: " + where + " holds no commit"));
  auto commit = decode_body(*body, where);
  if (!commit) co_return fail(commit.error());
  if (commit->version != version) {
    co_return fail(Error::corrupt("zookeeper: " + where + " holds another version"));
  }
  if (id == awaited_) awaited_has_come_ = true;
  applied_up_to_ = version;
  position_ = {version, id};
  const std::vector<Change> changes = table_.apply(std::move(*commit));
  if (watcher_) watcher_(changes);
  co_return Result<void>{};
}

io::Task<Result<void>> ZookeeperStore::catch_up(io::Instant deadline) {
  for (;;) {
    auto next = co_await read(layout_.commit(table_.version() + 1), deadline);
    if (!next) co_return fail(next.error());
    if (*next) {
      auto applied = co_await apply(std::move(**next));
      const bool is_late = !applied && applied.error().kind == Error::Kind::timeout;
      if (is_late && loop_.now() < deadline && !stop_.closed()) continue;
      if (!applied) co_return applied;
      continue;
    }
    // It is not there yet, or not there any more.
    auto newer = co_await read_newer_snapshot(deadline);
    if (!newer) co_return fail(newer.error());
    if (!*newer) co_return Result<void>{};
  }
}

io::Task<Result<bool>> ZookeeperStore::read_newer_snapshot(io::Instant deadline) {
  auto names = co_await names_in(layout_.snapshots(), deadline);
  if (!names) co_return fail(names.error());
  int64_t newest = 0;
  for (const std::string& name : *names) {
    newest = std::max(newest, ZookeeperLayout::version_of(name).value_or(0));
  }
  snapshot_version_ = std::max(snapshot_version_, newest);
  if (newest <= table_.version()) co_return false;
  const std::string where = layout_.snapshot(newest);
  auto found = co_await read(where, deadline);
  if (!found) co_return fail(found.error());
  if (!*found) co_return true;  // a newer one has taken its place
  auto node = decode_node((*found)->data, where);
  if (!node) co_return fail(node.error());
  auto frames = co_await content(std::move(*node), newest, where, deadline);
  const bool is_late = !frames && frames.error().kind == Error::Kind::timeout;
  if (is_late && loop_.now() < deadline && !stop_.closed()) co_return true;
  if (!frames) co_return fail(frames.error());
  StoredTable table;
  Bytes rest = *frames;
  while (auto body = frame_body(rest)) {
    auto commit = decode_body(*body, where);
    if (!commit) co_return fail(commit.error());
    table.apply(std::move(*commit));
    rest = rest.subspan(frame_header_bytes + body->size());
  }
  if (!rest.empty() || table.version() != newest) {
    co_return fail(Error::corrupt("zookeeper: " + where + " is damaged"));
  }
  const std::vector<Change> changes = table_.changes_to(table);
  table_ = std::move(table);
  position_.reset();
  log_.info("read a snapshot version={} changes={}", newest, changes.size());
  if (watcher_) watcher_(changes);
  co_return true;
}

io::Task<Result<MetadataStore::Outcome>> ZookeeperStore::commit(std::vector<Check> checks,
                                                                std::vector<Put> puts) {
  // A decision reads more than it checks, and what is not the next commit has lost.
  const int64_t decided_on = table_.version();
  auto held = co_await turn_.lock();
  const io::Instant deadline = soon();
  if (table_.version() != decided_on || !table_.holds(checks)) co_return Outcome::conflict;
  const int64_t version = table_.version() + 1;
  const Uuid id = draw_id();
  StoredCommit commit{version, std::move(puts)};
  auto frame = encode_frame(commit);
  if (!frame) co_return fail(frame.error());
  auto node = co_await prepare(std::move(*frame), version, id, deadline);
  if (!node) co_return fail(node.error());
  awaited_ = id;
  awaited_has_come_ = false;
  for (;;) {
    std::vector<Op> ops = options_.demands;
    ops.push_back({Op::Kind::check, layout_.commits(), {}, folder_version_});
    ops.push_back(create(layout_.commit(version), *node));
    auto made = co_await insist(std::move(ops), deadline);
    if (!made) co_return fail(made.error());
    if (made->answer == Answer::ok) break;
    if (made->at < options_.demands.size()) {
      co_return fail(replaced(options_.demands[made->at].path));
    }
    // It may be there by an earlier attempt of ours, and others behind it.
    auto looked = co_await look_at_folder(deadline);
    if (!looked) co_return fail(looked.error());
    if (awaited_has_come_) co_return Outcome::committed;
    // Somebody has tidied up, and nobody has committed.
    const bool may_be_next = table_.version() + 1 == version && loop_.now() < deadline;
    if (may_be_next) continue;
    // A snapshot tells of what is there, and not of who made it: it may have been an attempt of
    // ours whose answer was lost.
    if (applied_up_to_ < version) co_return fail(unknown_outcome());
    co_return Outcome::conflict;
  }
  position_ = {version, id};
  const std::vector<Change> changes = table_.apply(std::move(commit));
  if (watcher_) watcher_(changes);
  const bool wants_snapshot =
      table_.version() - snapshot_version_ >= options_.commits_per_snapshot && !is_tidying_;
  if (wants_snapshot) is_tidying_ = gate_.spawn("tidy up metadata", tidy_up());
  co_return Outcome::committed;
}

io::Task<Result<bool>> ZookeeperStore::has(FollowedMetadata commit) {
  if (commit.version > table_.version()) co_return false;
  const std::string where = layout_.commit(commit.version);
  auto there = co_await read(where, soon());
  if (!there) co_return fail(there.error());
  if (!*there) co_return true;
  auto node = decode_node((*there)->data, where);
  if (!node) co_return fail(node.error());
  co_return node->id == commit.commit;
}

// Only what begins after the question answers it.
io::Task<bool> ZookeeperStore::confirmed(io::Instant since, io::Instant deadline) {
  Confirmations& all = confirmations_;
  if (all.latest_done > since) co_return true;
  const bool hangs = all.ended < all.begun && loop_.now() - all.latest >= confirms_within;
  if (hangs) co_return false;
  const uint64_t mine = all.begun + 1;
  all.wanted = std::max(all.wanted, mine);
  if (!all.running) all.running = gate_.spawn("confirm metadata", keep_confirming());
  while (all.ended < mine && all.running && !stop_.closed() && loop_.now() < deadline) {
    co_await confirmed_.wait_until(deadline);
  }
  co_return all.done >= mine;
}

io::Task<void> ZookeeperStore::keep_confirming() {
  Confirmations& all = confirmations_;
  while (all.begun < all.wanted && !stop_.closed()) {
    const io::Instant next = all.latest + between_confirmations;
    if (loop_.now() < next) co_await stop_.wait_until(next);
    if (stop_.closed()) break;
    const uint64_t number = ++all.begun;
    const io::Instant began = all.latest = loop_.now();
    const bool is_done = co_await confirm_once();
    all.ended = number;
    if (is_done) {
      all.done = number;
      all.latest_done = began;
    }
    confirmed_.notify_all();
  }
  all.running = false;
  confirmed_.notify_all();
}

// A transaction that changes nothing: a majority has to take part, and what a server answers
// afterwards is no older than it. A read alone might come from a server that is behind.
io::Task<bool> ZookeeperStore::confirm_once() {
  if (client_.state() != zookeeper::SessionState::connected) co_return false;
  std::vector<Op> ops = options_.demands;
  ops.push_back({Op::Kind::check, layout_.commits()});
  auto there = co_await client_.transact(std::move(ops));
  if (there && there->answer != Answer::ok && there->at < options_.demands.size()) {
    (void)replaced(options_.demands[there->at].path);
  }
  if (!there || there->answer != Answer::ok) co_return false;
  auto held = co_await turn_.lock();
  auto read = co_await catch_up(soon());
  co_return read.has_value();
}

// Reads what others have committed, as it comes.
io::Task<void> ZookeeperStore::follow() {
  bool may_have_missed = false;  // by a lost line: what comes next may have come, and be gone
  while (!stop_.closed()) {
    const std::string next = layout_.commit(table_.version() + 1);
    Result<bool> there = false;
    // What is watched already is not watched once more.
    if (wake_->watched != next) {
      wake_->watched = next;
      there = co_await client_.watch(next, [wake = wake_, next] {
        if (wake->watched == next) wake->watched.clear();
        wake->wake();
      });
      if (!there) wake_->watched.clear();
    }
    if (!there && there.error().kind != Error::Kind::timeout) {
      co_return give_up(there.error());
    }
    if (!there) may_have_missed = true;
    const bool looks_now = there && (*there || std::exchange(may_have_missed, false));
    if (!looks_now) {
      const auto patience = there ? io::Duration(look_anyway_after) : pause_between_attempts;
      const io::Instant until = loop_.now() + patience;
      while (!wake_->is_due && !stop_.closed()) {
        const bool woken = co_await wake_->event.wait_until(until);
        if (!woken) break;
      }
      wake_->is_due = false;
      if (!there) continue;
    }
    if (stop_.closed()) break;
    auto held = co_await turn_.lock();
    auto read = co_await catch_up(soon());
    if (!read && read.error().kind != Error::Kind::timeout) co_return give_up(read.error());
  }
}

io::Task<void> ZookeeperStore::tidy_up() {
  auto done = co_await leave_snapshot(soon());
  if (!done && !stop_.closed()) log_.warn("no snapshot of metadata: {}", done.error().text);
  is_tidying_ = false;
}

io::Task<Result<void>> ZookeeperStore::leave_snapshot(io::Instant deadline) {
  const int64_t version = table_.version();
  const int64_t before = snapshot_version_;
  std::vector<uint8_t> all;
  for (const StoredCommit& commit : table_.compacted()) {
    auto frame = encode_frame(commit);
    if (!frame) co_return fail(frame.error());
    const Bytes bytes = *frame;
    all.insert(all.end(), bytes.begin(), bytes.end());
  }
  auto node = co_await prepare(Slice::take(std::move(all)), version, draw_id(), deadline);
  if (!node) co_return fail(node.error());
  auto made = co_await insist({create(layout_.snapshot(version), std::move(*node))}, deadline);
  if (!made) co_return fail(made.error());
  snapshot_version_ = std::max(snapshot_version_, version);
  log_.debug("left a snapshot version={}", version);
  // The one before stays, for who is reading it.
  auto told = co_await insist({{Op::Kind::set, layout_.commits(), {}}}, deadline);
  if (!told) co_return fail(told.error());
  auto removed = co_await remove_before(before, deadline);
  co_return removed;
}

// Where a broker dies in between, the next one removes what is left.
io::Task<Result<void>> ZookeeperStore::remove_before(int64_t version, io::Instant deadline) {
  std::vector<std::string> paths;
  const auto add_old = [&](const std::string& folder, const std::vector<std::string>& names) {
    for (const std::string& name : names) {
      const auto of = ZookeeperLayout::version_of(name);
      if (of && *of < version) paths.push_back(folder + "/" + name);
    }
  };
  for (const std::string& folder : {layout_.snapshots(), layout_.commits()}) {
    auto names = co_await names_in(folder, deadline);
    if (!names) co_return fail(names.error());
    add_old(folder, *names);
  }
  auto folders = co_await names_in(layout_.parts(), deadline);
  if (!folders) co_return fail(folders.error());
  for (const std::string& name : *folders) {
    const auto of = ZookeeperLayout::version_of(name);
    if (!of || *of >= version) continue;
    const std::string folder = layout_.parts() + "/" + name;
    auto parts = co_await names_in(folder, deadline);
    if (!parts) co_return fail(parts.error());
    for (const std::string& part : *parts) {
      paths.push_back(folder + "/" + part);
    }
    paths.push_back(folder);
  }
  auto removed = co_await remove_all(std::move(paths), deadline);
  co_return removed;
}

io::Task<Result<void>> ZookeeperStore::remove_all(std::vector<std::string> paths,
                                                  io::Instant deadline) {
  for (size_t at = 0; at < paths.size();) {
    const size_t end = std::min(paths.size(), at + removals_at_once);
    std::vector<Op> ops;
    for (size_t i = at; i < end; ++i) ops.push_back({Op::Kind::remove, paths[i]});
    auto done = co_await insist(std::move(ops), deadline);
    if (!done) co_return fail(done.error());
    if (done->answer == Answer::ok) {
      at = end;
      continue;
    }
    // Another broker was faster with this one.
    paths.erase(paths.begin() + static_cast<std::ptrdiff_t>(at + done->at));
    if (done->answer != Answer::no_node) co_return Result<void>{};
  }
  co_return Result<void>{};
}

}  // namespace isthmus::broker
