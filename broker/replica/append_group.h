// AppendGroup: the batches of clients that wait on a partition to be written together. A pwrite
// for each small batch is most of what such a batch costs; one write for all that arrived in one
// turn of the loop, on however many connections, costs little more than one.
//
// A plain decision, owned by a Partition, on its loop. What waits here is as if it had not arrived:
// it has no offset, nobody was told anything, and the gate judges it when its turn comes. So it is
// written before anything looks at the log (a read, a fence, another writer), at the end of the
// turn, or when enough waits that more would not make the write cheaper.
//
// While a fence holds, all of it waits for the gate to open, and what arrives later stands behind:
// so the order of arrival holds, also of batches that one producer has sent one after the other.
#pragma once

#include <algorithm>
#include <memory>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "broker/replica/partition_verbs.h"
#include "kafka/batch_header.h"

namespace isthmus::broker {

struct PendingAppend {
  ClientWriter writer;
  Slice batch;
  std::optional<Result<Appended>> outcome;  // once it was written, or refused
  bool held = false;                        // a fence held when it arrived
  io::Instant at{};                         // when that came to be,
  uint64_t tenure = 0;                      // and in which of the leader's
  bool is_confirmed = false;                // see verdicts.h
};

class AppendGroup {
 public:
  static constexpr size_t enough_bytes = size_t{256} << 10;

  // True if it is time to write.
  bool add(std::shared_ptr<PendingAppend> append) {
    bytes_ += append->batch.size();
    next_late_ = std::min(next_late_, append->writer.waits_until);
    waiting_.push_back(std::move(append));
    return bytes_ >= enough_bytes;
  }
  bool empty() const { return waiting_.empty(); }
  // All, in order of arrival.
  std::vector<std::shared_ptr<PendingAppend>> take() {
    bytes_ = 0;
    next_late_ = io::Instant::max();
    return std::exchange(waiting_, {});
  }
  // Those that have waited enough, and what their producers have sent behind them: it would come
  // out of sequence. REQUIRES: all are batches with a header that was checked.
  std::vector<std::shared_ptr<PendingAppend>> take_late(io::Instant now) {
    std::vector<std::shared_ptr<PendingAppend>> late;
    if (now < next_late_) return late;
    std::set<ProducerId> of;
    next_late_ = io::Instant::max();
    std::erase_if(waiting_, [&](const auto& append) {
      const ProducerId producer = kafka::decode_batch_header(append->batch.view()).producer_id;
      if (append->writer.waits_until > now && !of.contains(producer)) {
        next_late_ = std::min(next_late_, append->writer.waits_until);
        return false;
      }
      if (producer >= 0) of.insert(producer);
      bytes_ -= append->batch.size();
      late.push_back(append);
      return true;
    });
    return late;
  }
  // When the first of them will have waited enough.
  io::Instant next_late() const { return next_late_; }

 private:
  std::vector<std::shared_ptr<PendingAppend>> waiting_;
  size_t bytes_ = 0;
  io::Instant next_late_ = io::Instant::max();
};

}  // namespace isthmus::broker
