#include "tests/sim/ledger.h"

#include <algorithm>
#include <charconv>

#include "kafka/batch.h"

namespace isthmus::sim {

std::string value_of(RecordName name) {
  std::string value = name.to_string() + "|";
  // Sizes from nothing to some hundred bytes, so that batches and segments differ in size.
  const auto producer = static_cast<int32_t>(static_cast<uint32_t>(name.producer) * 1'000'003);
  const auto mixed =
      (static_cast<uint64_t>(producer) + static_cast<uint64_t>(name.number)) * 0x9e3779b97f4a7c15;
  value.append((mixed >> 40) % 300, static_cast<char>('a' + (mixed >> 32) % 26));
  return value;
}

std::optional<RecordName> name_of(std::string_view value) {
  RecordName name;
  const char* end = value.data() + value.size();
  auto producer = std::from_chars(value.data(), end, name.producer);
  if (producer.ec != std::errc() || producer.ptr == end || *producer.ptr != '/') return {};
  auto number = std::from_chars(producer.ptr + 1, end, name.number);
  if (number.ec != std::errc() || value != value_of(name)) return {};
  return name;
}

const StoredRecord* LogContents::at(Offset offset) const {
  auto found = std::ranges::lower_bound(records, offset, {}, &StoredRecord::offset);
  return found != records.end() && found->offset == offset ? &*found : nullptr;
}

std::string_view LogContents::bytes_from(Offset from) const {
  kafka::BatchIterator walk(as_bytes(bytes), false);
  while (auto batch = walk.next()) {
    if (batch->header.last_offset() >= from) {
      return std::string_view(bytes).substr(batch->position);
    }
  }
  return {};
}

void Ledger::given(ProducerId id) {
  if (given_.insert(id).second) return;
  judge_.broken("a producer id is given once", std::to_string(id));
}

void Ledger::sending(const TopicPartition& partition, RecordName name, int64_t made_ms) {
  known_[partition].made_ms[name] = made_ms;
  int64_t& highest = known_[partition].sent.try_emplace(name.producer, -1).first->second;
  highest = std::max(highest, name.number);
}

void Ledger::promise(const TopicPartition& partition, Offset offset, RecordName name,
                     const std::string& by) {
  if (told_) told_(partition, offset);
  Known& known = known_[partition];
  auto [place, fresh] = known.promised.try_emplace(offset, name);
  if (fresh) starts_.promised(partition, offset, known.made_ms[name]);
  if (fresh || place->second == name) return;
  judge_.broken("an offset means one record",
                partition.to_string() + " offset " + std::to_string(offset) + ": " +
                    place->second.to_string() + ", later " + name.to_string() + " " + by);
}

void Ledger::acknowledged(const TopicPartition& partition, Offset offset, RecordName name) {
  ++acknowledgements_;
  promise(partition, offset, name, "acknowledged");
}

void Ledger::seen(const TopicPartition& partition, const StoredRecord& record) {
  promise(partition, record.offset, record.name, "read by a consumer");
}

void Ledger::taken_at(const io::Address& site, const TopicPartition& partition, io::Instant sent) {
  const auto closed = closed_.find(site);
  if (closed == closed_.end() || sent <= closed->second) return;
  judge_.broken("a site that has stepped down takes nothing",
                site.to_string() + " took records of " + partition.to_string());
}

std::map<TopicPartition, Offset> Ledger::ends() const {
  std::map<TopicPartition, Offset> ends;
  for (const auto& [partition, known] : known_) {
    ends[partition] = known.promised.empty() ? 0 : known.promised.rbegin()->first + 1;
  }
  return ends;
}

Offset Ledger::end(const TopicPartition& partition) const {
  const auto known = known_.find(partition);
  const bool any = known != known_.end() && !known->second.promised.empty();
  return any ? known->second.promised.rbegin()->first + 1 : 0;
}

size_t Ledger::promises() const {
  size_t sum = 0;
  for (const auto& [_, known] : known_) sum += known.promised.size();
  return sum;
}

std::vector<Ledger::Promise> Ledger::missing(const TopicPartition& partition,
                                             const LogContents& log, Offset end) const {
  std::vector<Promise> missing;
  auto known = known_.find(partition);
  if (known == known_.end()) return missing;
  const auto& promised = known->second.promised;
  const auto last = promised.lower_bound(end);
  for (auto it = promised.lower_bound(std::min(end, log.start)); it != last; ++it) {
    const StoredRecord* record = log.at(it->first);
    if (record == nullptr || record->name != it->second) missing.push_back({it->first, it->second});
  }
  return missing;
}

void Ledger::check(const std::string& where, const TopicPartition& partition,
                   const LogContents& log, Offset end) {
  auto gone = missing(partition, log, end);
  if (!gone.empty()) {
    const Promise& first = gone.front();
    const StoredRecord* instead = log.at(first.offset);
    judge_.broken("acknowledged records are kept",
                  where + " " + partition.to_string() + ": record " + first.name.to_string() +
                      " is not at offset " + std::to_string(first.offset) + " but " +
                      (instead ? instead->name.to_string() : "nothing") + "; " +
                      std::to_string(gone.size()) + " such; the log goes to " +
                      std::to_string(log.high_watermark));
  }
  check_sanity(where, partition, log, true);
}

void Ledger::check_sanity(const std::string& where, const TopicPartition& partition,
                          const LogContents& log, bool whole) {
  starts_.check(where, partition, log.start, log.bytes.size());
  const std::string place = where + " " + partition.to_string() + ": record ";
  std::map<int, int64_t> latest;
  const Known& known = known_[partition];
  for (const StoredRecord& record : log.records) {
    const RecordName& name = record.name;
    auto sent = known.sent.find(name.producer);
    if (sent == known.sent.end() || name.number > sent->second) {
      judge_.broken("only what was sent is there", place + name.to_string());
    }
    if (!idempotent_[name.producer]) continue;
    int64_t before = latest.try_emplace(name.producer, -1).first->second;
    if (name.number <= before) {
      judge_.broken("idempotent records appear once and in order",
                    place + name.to_string() + " after " + std::to_string(before) + " at offset " +
                        std::to_string(record.offset));
    }
    if (whole && log.start == 0 && name.number > before + 1) {
      judge_.broken("idempotent records have no holes", place + name.to_string() + " after " +
                                                            std::to_string(before) + " at offset " +
                                                            std::to_string(record.offset));
    }
    latest[name.producer] = name.number;
  }
  for (size_t i = 1; i < log.records.size(); ++i) {
    if (log.records[i].epoch >= log.records[i - 1].epoch) continue;
    judge_.broken("epochs never go back", place + log.records[i].name.to_string());
  }
}

}  // namespace isthmus::sim
