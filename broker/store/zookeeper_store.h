// ZookeeperStore: the metadata of a cluster of several brokers, as a log of commits in ZooKeeper
// (zookeeper_layout.h). Every broker has one and reads all of it; whoever commits makes the node
// that comes next, and has lost where it is there already.
//
// The line may be lost while a commit is under way. Then nobody knows whether it happened, and the
// same is asked again, under the same id, until a server says; after `patience` the caller is told
// that it is not known (Error::timeout), and whatever became of it shows when the line is back: the
// table follows what stands in ZooKeeper, never what was sent.
//
// Every `commits_per_snapshot` commits the writer leaves a snapshot, and removes what lies before
// the one before it. Who was away for longer reads the snapshot, and its watcher hears what has
// changed in between as one commit. The folder of commits is written to before any is removed, and
// each commit demands that it was not since it was read: else a broker that was away could make
// again, as its own, a node that had been there and is not any more.
//
// Lives on the main loop. REQUIRES: the client outlives it, and close() has returned before
// destruction, unless the loop has ended.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/log.h"
#include "broker/store/metadata_store.h"
#include "broker/store/stored_table.h"
#include "broker/store/zookeeper_layout.h"
#include "io/env.h"
#include "io/event.h"
#include "io/gate.h"
#include "io/mutex.h"
#include "zookeeper/client.h"

namespace isthmus::broker {

struct ZookeeperStoreOptions {
  std::string root = "/isthmus";
  int64_t commits_per_snapshot = 1000;
  io::Duration patience = std::chrono::seconds(30);
  // Part of each commit. Where one of them does not hold, this process may write no more.
  std::vector<zookeeper::Op> demands = {};
};

class ZookeeperStore final : public MetadataStore {
 public:
  ZookeeperStore(io::Loop& loop, io::Random& random, zookeeper::Client& client,
                 ZookeeperStoreOptions options);

  // Reads all there is, making the folders where this is the first broker, and begins to follow.
  // Error::timeout: no server has answered in time; what was done may be done again.
  io::Task<Result<void>> open();
  // Nobody waits for servers any more: what was asked is answered with what is known.
  void begin_close();
  // Follows no longer.
  io::Task<void> close();

  bool is_shared() const override { return true; }
  io::Task<Result<Outcome>> commit(std::vector<Check> checks, std::vector<Put> puts) override;
  // With all who ask meanwhile, so often at most. At once, where no server answers, or another was
  // confirmed that began later than `since`.
  io::Task<bool> confirmed(io::Instant since, io::Instant deadline) override;
  std::optional<FollowedMetadata> position() const override { return position_; }
  io::Task<Result<bool>> has(FollowedMetadata commit) override;
  void watch(Watcher watcher) override;
  void on_session_lost(std::function<void()> lost) override;

 private:
  // Asks until there is an answer, the session is lost, or `deadline` has passed.
  io::Task<Result<zookeeper::Outcome>> insist(std::vector<zookeeper::Op> ops, io::Instant deadline);
  io::Task<Result<std::optional<zookeeper::Node>>> read(std::string path, io::Instant deadline);
  io::Task<Result<std::vector<std::string>>> names_in(std::string folder, io::Instant deadline);
  io::Task<bool> pause(const Error& error, io::Instant deadline);

  io::Task<Result<void>> make_folders(io::Instant deadline);
  io::Task<Result<void>> look_at_folder(io::Instant deadline);
  // All commits that are there and not in the table yet. REQUIRES: turn_ is held.
  io::Task<Result<void>> catch_up(io::Instant deadline);
  io::Task<Result<bool>> read_newer_snapshot(io::Instant deadline);
  // The frames of a node, whole.
  io::Task<Result<Slice>> content(StoredNode node, int64_t version, std::string where,
                                  io::Instant deadline);
  io::Task<Result<void>> apply(zookeeper::Node node);
  // The node for `frames`, after their parts where it needs any.
  io::Task<Result<Slice>> prepare(Slice frames, int64_t version, Uuid id, io::Instant deadline);
  Uuid draw_id();

  io::Task<void> keep_confirming();
  io::Task<bool> confirm_once();
  io::Task<void> follow();
  void give_up(const Error& error);
  Error replaced(const std::string& demanded);
  io::Task<void> tidy_up();
  io::Task<Result<void>> leave_snapshot(io::Instant deadline);
  io::Task<Result<void>> remove_before(int64_t version, io::Instant deadline);
  io::Task<Result<void>> remove_all(std::vector<std::string> paths, io::Instant deadline);
  io::Instant soon() const { return loop_.now() + options_.patience; }

  io::Loop& loop_;
  io::Random& random_;
  zookeeper::Client& client_;
  const ZookeeperStoreOptions options_;
  const ZookeeperLayout layout_;
  Logger log_{LogComponent::metadata};
  StoredTable table_;
  std::optional<FollowedMetadata> position_;  // a snapshot does not tell it
  // The commit that is under way, and whether it was met among those that are there.
  Uuid awaited_;
  bool awaited_has_come_ = false;
  int64_t applied_up_to_ = 0;  // version of the latest commit that was read one by one
  int64_t snapshot_version_ = 0;
  int32_t folder_version_ = 0;  // of the commits' folder, when it was read
  Watcher watcher_;
  std::function<void()> lost_;
  bool has_given_up_ = false;
  io::Mutex turn_;  // of who changes the table
  // Shared with the watches, which the client may still call.
  struct Wake {
    explicit Wake(io::Loop& loop) : event(loop) {}
    void wake() {
      is_due = true;
      event.notify_all();
    }
    io::Event event;
    bool is_due = false;
    std::string watched;  // the node whose watch has not fired
  };
  std::shared_ptr<Wake> wake_;
  bool is_tidying_ = false;
  // Confirmations, by their numbers: which is wanted, has begun, has ended, and was well.
  struct Confirmations {
    uint64_t wanted = 0, begun = 0, ended = 0, done = 0;
    io::Instant latest{};       // when it began
    io::Instant latest_done{};  // when the latest that was well began
    bool running = false;
  };
  Confirmations confirmations_;
  io::Event confirmed_;  // one has ended
  io::Event stop_;
  io::Gate gate_;
};

}  // namespace isthmus::broker
