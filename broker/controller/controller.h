// Controller: what of this process writes to the metadata store; where the store is shared, each
// broker has one.
//
// Every change is a pure decision on the image in force (topic_plans.h, link/switchover_plans.h),
// committed under the condition that nothing it looked at has changed; if something has, it is
// decided again. When update() returns, the change is durable and the image shows it, and the
// partitions have followed it.
//
// Lives on the main loop; handlers of other loops hop here.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/log.h"
#include "broker/image/image.h"
#include "broker/image/records.h"
#include "broker/store/metadata_store.h"
#include "io/env.h"
#include "io/event.h"
#include "io/mutex.h"
#include "io/task.h"

namespace isthmus::broker {

// What this process is told to be, checked against what metadata and data directory say it is.
struct Identity {
  std::string cluster_name;
  ClusterNumber cluster_number = 0;
  NodeId node_id = 0;
  std::vector<BrokerEndpoint> endpoints = {};
  std::string directory_cluster = {};  // the id of the directory's cluster; empty: it is new
  std::string metadata_at = {};        // of a shared store, for people
  Uuid directory_id = {};              // of the first of its directories
  std::string rack = {};
};

class Controller {
 public:
  using Decision = std::function<Result<Plan>(const Image&)>;
  // Brings the process in line with a new image (partitions opened, gates moved). Runs on the main
  // loop, one image after the other.
  using Follower = std::function<io::Task<Result<void>>(std::shared_ptr<const Image>)>;
  // Tells of a new image those who need to know at once who leads and who is in sync, and waits for
  // no disk. Runs on the main loop, one image after the other; each before its follower.
  using Hearer = std::function<io::Task<void>(std::shared_ptr<const Image>)>;

  Controller(io::Env& env, PublishedImage& image);
  // REQUIRES: before start(), once.
  void use(std::unique_ptr<MetadataStore> store) { store_ = std::move(store); }

  // Reads what is stored, and checks that it is the cluster that the options name. Writes nothing.
  Result<void> read(const Identity& identity);
  // read(); founds the cluster if there is none, and records this start: an election for every
  // partition that is led here. In a shared store the broker is registered as one that is fenced,
  // if it is not there yet. May be repeated after Error::timeout.
  io::Task<Result<void>> start(Identity identity);
  // This broker. REQUIRES: start() was called.
  NodeId self() const { return self_; }
  void follow(Follower follower) { follower_ = std::move(follower); }
  void hear(Hearer hearer) { hearer_ = std::move(hearer); }
  // Whether others commit.
  bool is_shared() const { return store_ != nullptr && store_->is_shared(); }
  // Runs the follower on the image in force.
  io::Task<Result<void>> settle();

  // Settles what other brokers have committed: where the store is shared, until stop_settling().
  io::Task<void> keep_settling();
  // The same of what is to be heard at once, while the follower may be busy.
  io::Task<void> keep_hearing();
  void stop_settling() { changed_.close(); }
  // Called once, when others have committed what this release cannot read, and so cannot serve by.
  void on_unreadable(std::function<void(Error)> told) { told_unreadable_ = std::move(told); }

  // The latest image that those have heard who need to know at once: partitions that are open go by
  // it, also while the follower is busy. settled() tells of each, and of each that was followed; it
  // is closed by a stop.
  std::shared_ptr<const Image> heard() const { return heard_ ? heard_ : current_; }
  io::Event& settled() { return settled_event_; }

  // An empty plan is a success that writes nothing.
  io::Task<Result<void>> update(Decision decision);
  // The same, without waiting for the follower: it is heard when this returns. For what must not
  // wait until a thousand partitions are open: who is dead, and who is in sync.
  io::Task<Result<void>> commit(Decision decision);
  // Whether update() would refuse it now; writes nothing (validate_only).
  Result<void> check(const Decision& decision) const;

  // Whether all that anybody had committed by `since` has been heard here, so that this broker
  // knows what it leads. False: nobody can say by `deadline`. Any loop.
  io::Task<bool> confirmed(io::Instant since, io::Instant deadline);

  // See MetadataStore. REQUIRES: read() was called.
  std::optional<FollowedMetadata> position() const { return store_->position(); }
  io::Task<Result<bool>> has(FollowedMetadata commit) { return store_->has(commit); }

  // A producer id that no other cluster, and no earlier life of this one, has given out.
  io::Task<Result<ProducerId>> allocate_producer_id();

  // The image in force. Kept by value wherever something may be awaited: the next commit replaces
  // it.
  std::shared_ptr<const Image> snapshot() const { return current_; }

 private:
  void on_changes(const std::vector<MetadataStore::Change>& changes);
  Result<void> check_cluster(const Identity& identity) const;
  io::Task<void> hear_latest();
  io::Task<bool> confirm(io::Instant since, io::Instant deadline);
  enum class Decided : uint8_t { done, again };
  io::Task<Result<Decided>> decide(const Decision& decision);
  Plan plan_found(const Identity& identity, const Uuid& new_cluster) const;
  io::Task<Result<void>> found(Identity identity);

  io::Env& env_;
  Logger log_{LogComponent::controller};
  std::unique_ptr<MetadataStore> store_;
  NodeId self_ = -1;
  bool is_read_ = false;
  PublishedImage& published_;
  std::shared_ptr<const Image> current_ = std::make_shared<const Image>();
  std::optional<Error> unreadable_;
  std::function<void(Error)> told_unreadable_;
  io::Event changed_;
  Follower follower_;
  Hearer hearer_;
  std::shared_ptr<const Image> heard_;
  io::Mutex hearing_;
  std::shared_ptr<const Image> settled_;
  io::Event settled_event_;
  io::Mutex settling_;
  io::Mutex deciding_;  // where the store is shared: decisions of this broker wait for one another
  int64_t next_producer_ = 0;
  int64_t producer_block_end_ = 0;
};

// Producer ids: 15 bits of cluster number, 8 of incarnation, 40 of counter. Batches keep theirs
// when they are mirrored, so no two clusters may ever give out the same.
ProducerId make_producer_id(ClusterNumber number, int8_t incarnation, int64_t counter);

}  // namespace isthmus::broker
