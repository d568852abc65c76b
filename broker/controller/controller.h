// Controller: the only writer of the metadata store.
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

// What this process is told to be, checked against what the data directory says it is.
struct Identity {
  std::string cluster_name;
  ClusterNumber cluster_number = 0;
  NodeId node_id = 0;
};

class Controller {
 public:
  using Decision = std::function<Result<Plan>(const Image&)>;
  // Brings the process in line with a new image (partitions opened, gates moved). Runs on the main
  // loop, one image after the other.
  using Follower = std::function<io::Task<Result<void>>(std::shared_ptr<const Image>)>;

  Controller(io::Env& env, PublishedImage& image);
  // REQUIRES: before start(), once.
  void use(std::unique_ptr<MetadataStore> store) { store_ = std::move(store); }

  // Reads what is stored, founds the cluster or checks that it is the one the options name, and
  // records this start: an election for every partition that is led here.
  io::Task<Result<void>> start(Identity identity);
  void follow(Follower follower) { follower_ = std::move(follower); }
  // Runs the follower on the image in force.
  io::Task<Result<void>> settle();

  // The latest image that the partitions have followed, as far as they can; settled() tells of
  // each, and is closed by a stop.
  std::shared_ptr<const Image> followed() const { return followed_ ? followed_ : current_; }
  io::Event& settled() { return settled_event_; }

  // An empty plan is a success that writes nothing.
  io::Task<Result<void>> update(Decision decision);
  // Whether update() would refuse it now; writes nothing (validate_only).
  Result<void> check(const Decision& decision) const;

  // A producer id that no other cluster, and no earlier life of this one, has given out.
  io::Task<Result<ProducerId>> allocate_producer_id();

  // The image in force. Kept by value wherever something may be awaited: the next commit replaces
  // it.
  std::shared_ptr<const Image> snapshot() const { return current_; }

 private:
  void on_changes(const std::vector<MetadataStore::Change>& changes);
  io::Task<Result<void>> found(Identity identity);

  io::Env& env_;
  Logger log_{"controller"};
  std::unique_ptr<MetadataStore> store_;
  PublishedImage& published_;
  std::shared_ptr<const Image> current_ = std::make_shared<const Image>();
  std::optional<Error> unreadable_;
  Follower follower_;
  std::shared_ptr<const Image> settled_;
  std::shared_ptr<const Image> followed_;
  io::Event settled_event_;
  io::Mutex settling_;
  int64_t next_producer_ = 0;
  int64_t producer_block_end_ = 0;
};

// Producer ids: 15 bits of cluster number, 8 of incarnation, 40 of counter. Batches keep theirs
// when they are mirrored, so no two clusters may ever give out the same.
ProducerId make_producer_id(ClusterNumber number, int8_t incarnation, int64_t counter);

}  // namespace isthmus::broker
