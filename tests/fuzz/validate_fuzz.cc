// What producers send: what is taken is read to its end by every record, at dense offsets; and the
// pass over a stored batch sees what its reader sees.
#include <vector>

#include "base/check.h"
#include "kafka/batch.h"
#include "kafka/record_walk.h"
#include "kafka/validate.h"

namespace isthmus::kafka {
namespace {

constexpr size_t limit = 1 << 20;

// How many records a reader gets to, where it gets to the end.
std::optional<int32_t> read_through(Bytes batch, bool dense) {
  auto records = RecordReader::open(batch, limit);
  if (!records) return std::nullopt;
  Record record;
  int32_t count = 0;
  while (records->next(record)) {
    CHECK(!dense || record.offset == count, "offsets are 0, 1, 2, ...");
    ++count;
  }
  if (!records->ok()) return std::nullopt;
  return count;
}

void check_produced(Bytes batch, const RecordRules& rules) {
  const ProducedHeader read = read_produced_header(batch);
  if (!read.verdict.accepted()) return;
  const Verdict verdict = validate_records(batch, read.header, rules, 1'000'000);
  CHECK(verdict.faults.size() <= Verdict::max_faults, "an answer is bounded");
  for (const RecordFault& fault : verdict.faults) {
    CHECK(fault.index >= 0 && fault.index < read.header.record_count, "it names a record");
  }
  if (!verdict.accepted()) return;
  const auto count = read_through(batch, true);
  CHECK(count && *count == read.header.record_count, "what is taken can be read");
}

void check_stored(Bytes batch) {
  const auto header = check_batch(batch);
  if (!header || header->record_count == 0) return;
  const auto read = read_through(batch, false);
  if (!read) return;
  RecordWalk walk(batch, *header, limit, Framing::any);
  WalkedRecord record;
  while (walk.next(record)) {
  }
  CHECK(walk.ok() && walk.index() + 1 == *read, "what can be read can be walked");
}

}  // namespace
}  // namespace isthmus::kafka

// The first byte chooses the rules; length and CRC are made good, or nearly all would end there.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace isthmus;
  if (size < 1 + kafka::batch_header_size) return 0;
  kafka::RecordRules rules;
  rules.keys_required = data[0] & 1;
  rules.after_max_ms = data[0] & 2 ? 0 : kafka::RecordRules::any;
  rules.max_unpacked = kafka::limit;
  std::vector<uint8_t> batch(data + 1, data + size);
  store_be(batch.data() + 8, static_cast<int32_t>(batch.size() - kafka::batch_length_end));
  kafka::renew_batch_crc(batch);
  kafka::check_produced(batch, rules);
  kafka::check_stored(batch);
  return 0;
}
