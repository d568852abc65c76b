// AppendGroup: the batches of clients that wait on a partition to be written together. A pwrite
// for each small batch is most of what such a batch costs; one write for all that arrived in one
// turn of the loop, on however many connections, costs little more than one.
//
// A plain decision, owned by a Partition, on its loop. What waits here is as if it had not arrived:
// it has no offset, nobody was told anything, and the gate judges it when its turn comes. So it is
// written before anything looks at the log (a read, a fence, another writer), at the end of the
// turn, or when enough waits that more would not make the write cheaper.
#pragma once

#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "broker/replica/partition_verbs.h"

namespace isthmus::broker {

struct PendingAppend {
  ClientWriter writer;
  Slice batch;
  std::optional<Result<Appended>> outcome;  // once it was written, or refused
};

class AppendGroup {
 public:
  static constexpr size_t enough_bytes = size_t{256} << 10;

  // True if it is time to write.
  bool add(std::shared_ptr<PendingAppend> append) {
    bytes_ += append->batch.size();
    waiting_.push_back(std::move(append));
    return bytes_ >= enough_bytes;
  }
  bool empty() const { return waiting_.empty(); }
  // All, in order of arrival.
  std::vector<std::shared_ptr<PendingAppend>> take() {
    bytes_ = 0;
    return std::exchange(waiting_, {});
  }

 private:
  std::vector<std::shared_ptr<PendingAppend>> waiting_;
  size_t bytes_ = 0;
};

}  // namespace isthmus::broker
