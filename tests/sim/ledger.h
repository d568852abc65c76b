// Ledger: what clients were promised, to be held against what the sites have.
//
// Every record of a run has a name, "<producer>/<number>", numbered per producer and partition; its
// value is made from the name, so a changed record shows. A site's log is read whole through the
// client protocol (operator.h) and compared here:
//
//   promised   an acknowledged record, and one that a consumer has seen, is at its offset for ever
//   once       an idempotent producer's records appear once, in the order of sending, none missing
//   nothing else is there: no record that was never sent, none changed
//   from the start: a log begins where it may (allowed_start.h)
//
// Failovers may lose what was acknowledged, if it then is in an export: missing() says what is
// gone, and the scenario where else it must be.
#pragma once

#include <compare>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/ids.h"
#include "io/loop.h"
#include "io/stream.h"
#include "tests/sim/allowed_start.h"

namespace isthmus::sim {

struct RecordName {
  int producer = 0;
  int64_t number = 0;
  friend auto operator<=>(const RecordName&, const RecordName&) = default;
  std::string to_string() const { return std::to_string(producer) + "/" + std::to_string(number); }
};
std::string value_of(RecordName name);
// Nothing if the value is not, byte for byte, what value_of() makes.
std::optional<RecordName> name_of(std::string_view value);

struct StoredRecord {
  Offset offset = -1;
  LeaderEpoch epoch = -1;
  RecordName name;
};

// One partition as one site has it, up to its high watermark.
struct LogContents {
  Offset start = 0;
  Offset high_watermark = 0;
  Offset end = 0;
  std::vector<StoredRecord> records;
  std::string bytes;  // of all batches
  const StoredRecord* at(Offset offset) const;
  // Of the batches from the one that holds `from` on.
  std::string_view bytes_from(Offset from) const;
};

class Ledger {
 public:
  explicit Ledger(Judge& judge) : judge_(judge) {}
  // Called with each promise, as it is made.
  using Told = std::function<void(const TopicPartition&, Offset)>;
  void on_promise(Told told) { told_ = std::move(told); }

  void add_producer(int id, bool idempotent) { idempotent_[id] = idempotent; }
  // A producer id that a site has given out: never to two producers.
  void given(ProducerId id);
  // `made_ms` is the record's timestamp.
  void sending(const TopicPartition& partition, RecordName name, int64_t made_ms);
  void acknowledged(const TopicPartition& partition, Offset offset, RecordName name);
  // From this instant on the site acknowledges nothing that is sent to it.
  void no_writes_at(const io::Address& site, io::Instant since) { closed_[site] = since; }
  void writes_again_at(const io::Address& site) { closed_.erase(site); }
  // It has acknowledged what was sent at that instant.
  void taken_at(const io::Address& site, const TopicPartition& partition, io::Instant sent);
  // A consumer below the high watermark was given it.
  void seen(const TopicPartition& partition, const StoredRecord& record);

  AllowedStart& starts() { return starts_; }

  struct Promise {
    Offset offset;
    RecordName name;
  };
  // Promises from `log.start` to `end` that `log` does not keep. While clients go on, `end` is what
  // ends() said before the log was read: it then holds everything below, also what was promised
  // since.
  std::vector<Promise> missing(const TopicPartition& partition, const LogContents& log,
                               Offset end) const;
  // Reports broken promises, and whatever check_sanity() finds.
  void check(const std::string& where, const TopicPartition& partition, const LogContents& log,
             Offset end);
  // What holds even where records were lost. `whole`: idempotent producers' records have no holes.
  void check_sanity(const std::string& where, const TopicPartition& partition,
                    const LogContents& log, bool whole);
  // One above the highest offset that was promised, by partition.
  std::map<TopicPartition, Offset> ends() const;
  Offset end(const TopicPartition& partition) const;
  size_t promises() const;
  // Of which producers were told so; the others were only seen.
  size_t acknowledgements() const { return acknowledgements_; }

 private:
  struct Known {
    std::map<Offset, RecordName> promised;
    std::map<int, int64_t> sent;  // by producer: the highest number
    std::map<RecordName, int64_t> made_ms;
  };
  void promise(const TopicPartition& partition, Offset offset, RecordName name,
               const std::string& by);

  Judge& judge_;
  std::map<TopicPartition, Known> known_;
  std::map<int, bool> idempotent_;
  std::set<ProducerId> given_;
  std::map<io::Address, io::Instant> closed_;
  size_t acknowledgements_ = 0;
  Told told_;
  AllowedStart starts_{judge_};
};

}  // namespace isthmus::sim
