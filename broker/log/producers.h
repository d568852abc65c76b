// ProducerStates: what a partition knows of the idempotent and transactional producers that write
// to it (KIP-98, KIP-360): their last five batches, so that a retry is recognised, and their open
// transactions, which hold the last stable offset back.
//
// Pure, owned by a Log, on its loop. Everything in it follows from the batches in the log: it is
// rebuilt from a snapshot (producer_snapshot.h) and the batches after it, so a follower, a mirror
// and a restarted leader know the same. Bounded: idle producers expire, and above max_producers
// those without an open transaction that were silent longest give way.
#pragma once

#include <array>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/ids.h"
#include "kafka/batch.h"

namespace isthmus::broker {

// Who brings a batch. A client's and a coordinator's are judged; what a leader or a mirror's source
// has accepted is never judged again, only noted.
enum class AppendOrigin : uint8_t { client, coordinator, replication };

struct ProducerVerdict {
  enum class Kind : uint8_t {
    ok,
    gap,        // ok, but batches before it were lost with another site
    too_early,  // it seems to be ahead, but the retry of a refused batch may come first
    duplicate,  // already in the log, at first_offset..last_offset
    out_of_order_sequence,
    invalid_producer_epoch,  // a newer instance of the producer exists
    invalid_txn_state,       // not transactional, inside a transaction
    coordinator_fenced,      // a marker of an older coordinator
  };
  Kind kind = Kind::ok;
  Offset first_offset = -1;
  Offset last_offset = -1;
  int64_t timestamp = -1;
  std::string reason;  // for the log; empty if accepted

  bool accepted() const { return kind == Kind::ok || kind == Kind::gap; }
  // What the client is answered. REQUIRES: neither accepted nor a duplicate.
  kafka::ErrorCode error() const;
};

// A transaction whose marker was appended.
struct CompletedTxn {
  ProducerId producer_id = -1;
  Offset first_offset = 0;
  Offset last_offset = 0;  // of the marker
  bool aborted = false;
  Offset last_stable_offset = 0;  // just after the marker
  friend bool operator==(const CompletedTxn&, const CompletedTxn&) = default;
};

struct BatchMark {
  int32_t last_sequence = -1;
  int32_t offset_delta = 0;
  Offset last_offset = -1;
  int64_t timestamp = -1;

  int32_t first_sequence() const {
    return static_cast<int32_t>((int64_t{last_sequence} - offset_delta) & 0x7fffffff);
  }
  Offset first_offset() const { return last_offset - offset_delta; }
  friend bool operator==(const BatchMark&, const BatchMark&) = default;
};

struct ProducerState {
  static constexpr size_t max_batches = 5;  // as many as a client may have in flight

  ProducerEpoch epoch = -1;
  int32_t coordinator_epoch = -1;
  int64_t last_timestamp = -1;
  Offset txn_first_offset = -1;  // of the open transaction; -1 = none
  bool gap_allowed = false;      // see allow_one_gap()
  uint8_t batch_count = 0;
  std::array<BatchMark, max_batches> batches;  // oldest first

  std::span<const BatchMark> known() const { return {batches.data(), batch_count}; }
  int32_t last_sequence() const {
    return batch_count == 0 ? -1 : batches[batch_count - 1].last_sequence;
  }
  void add(BatchMark mark);
  friend bool operator==(const ProducerState& a, const ProducerState& b);
};

class ProducerStates {
 public:
  static constexpr size_t default_max_producers = 100'000;
  explicit ProducerStates(size_t max_producers = default_max_producers)
      : max_producers_(max_producers) {}

  // Whether the batch may be appended. A client pipelines: while a batch was refused and is on its
  // way again, those that it had sent behind it, on the same connection, arrive. To call them out
  // of order would end the producer for good, and to give them the allowed gap would shut the first
  // one out. So who comes `behind_a_refusal` and is ahead is told to try again.
  ProducerVerdict check(const kafka::BatchHeader& batch, AppendOrigin origin,
                        bool behind_a_refusal = false) const;
  // The same for a control batch.
  ProducerVerdict check_marker(const kafka::BatchHeader& batch,
                               const kafka::EndTransactionMarker& marker) const;

  // Notes a batch that is in the log now, at its final offsets. `now_ms` keeps a producer of old
  // timestamps from expiring at once; -1 in a replay.
  void appended(const kafka::BatchHeader& batch, int64_t now_ms);
  // Notes a marker; nothing is completed if the producer had no transaction open here.
  std::optional<CompletedTxn> appended_marker(const kafka::BatchHeader& batch,
                                              const kafka::EndTransactionMarker& marker,
                                              int64_t now_ms);

  // Below it, everything is decided and its decision replicated: the first offset of an open
  // transaction, or of one whose marker lies at or above the high watermark; else that itself.
  Offset last_stable_offset(Offset high_watermark);

  // The log has come to the gap of a failover: what producers had acknowledged last may be lost
  // with the old site. Each producer known now may step forward once, in sequence or epoch; that
  // lapses with its next batch, however long that takes and wherever it is written: both sites, and
  // every restart of them, come to the gap at the same place between the batches.
  void allow_one_gap();
  uint64_t gaps_taken() const { return gaps_taken_; }

  // Forgets producers that were silent for `expiration_ms` and have no open transaction.
  void expire(int64_t now_ms, int64_t expiration_ms);

  const std::unordered_map<ProducerId, ProducerState>& all() const { return states_; }
  const ProducerState* find(ProducerId id) const;
  // Puts a state as it is, from a snapshot.
  void restore(ProducerId id, const ProducerState& state);
  // First offset -> producer id.
  const std::map<Offset, ProducerId>& open_transactions() const { return open_; }

 private:
  ProducerState& enter(const kafka::BatchHeader& batch, int64_t now_ms);
  void make_room();

  size_t max_producers_;
  std::unordered_map<ProducerId, ProducerState> states_;
  std::map<Offset, ProducerId> open_;
  std::map<Offset, Offset> undecided_;  // first offset -> marker, until that is below the HW
  uint64_t gaps_taken_ = 0;
};

}  // namespace isthmus::broker
