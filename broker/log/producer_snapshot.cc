#include "broker/log/producer_snapshot.h"

#include <algorithm>

#include "base/crc32c.h"
#include "kafka/wire.h"

namespace isthmus::broker {

namespace {

constexpr int16_t snapshot_version = 1;
constexpr size_t crc_end = 6;
constexpr size_t entry_size = 46;
constexpr std::string_view extension_mark = "ISTH";
constexpr int8_t gap_flag = 1;

void write_mark(kafka::Writer& w, const BatchMark& mark) {
  w.int32(mark.last_sequence);
  w.int64(mark.last_offset);
  w.int32(mark.offset_delta);
  w.int64(mark.timestamp);
}

BatchMark read_mark(kafka::Reader& r) {
  BatchMark mark;
  mark.last_sequence = r.int32();
  mark.last_offset = r.int64();
  mark.offset_delta = r.int32();
  mark.timestamp = r.int64();
  return mark;
}

struct Entry {
  ProducerId id = -1;
  ProducerState state;
  BatchMark last;  // last_sequence = -1: no batch
};

Entry read_entry(kafka::Reader& r) {
  Entry entry;
  entry.id = r.int64();
  entry.state.epoch = r.int16();
  entry.last.last_sequence = r.int32();
  entry.last.last_offset = r.int64();
  entry.last.offset_delta = r.int32();
  entry.last.timestamp = r.int64();
  entry.state.last_timestamp = entry.last.timestamp;
  entry.state.coordinator_epoch = r.int32();
  entry.state.txn_first_offset = r.int64();
  return entry;
}

void read_extension(kafka::Reader& r, std::vector<Entry>& entries) {
  if (as_text(r.raw(extension_mark.size())) != extension_mark) r.fail("unknown extension");
  for (Entry& entry : entries) {
    entry.state.gap_allowed = r.int8() & gap_flag;
    const int8_t known = r.int8();
    if (known < 0 || known > static_cast<int8_t>(ProducerState::max_batches)) {
      r.fail("too many batches of one producer");
    }
    for (int8_t i = 0; r.ok() && i < known; ++i) entry.state.add(read_mark(r));
  }
}

}  // namespace

std::vector<uint8_t> encode_snapshot(const ProducerStates& states) {
  // In order of id: equal states give equal files.
  std::vector<std::pair<ProducerId, const ProducerState*>> sorted;
  for (const auto& [id, state] : states.all()) sorted.emplace_back(id, &state);
  std::ranges::sort(sorted);

  kafka::Writer w;
  w.int16(snapshot_version);
  w.uint32(0);
  w.int32(static_cast<int32_t>(sorted.size()));
  for (const auto& [id, state] : sorted) {
    const BatchMark last = state->batch_count ? state->known().back() : BatchMark{};
    w.int64(id);
    w.int16(state->epoch);
    w.int32(last.last_sequence);
    w.int64(last.last_offset);
    w.int32(last.offset_delta);
    w.int64(state->last_timestamp);
    w.int32(state->coordinator_epoch);
    w.int64(state->txn_first_offset);
  }
  w.raw(as_bytes(extension_mark));
  for (const auto& [id, state] : sorted) {
    w.int8(state->gap_allowed ? gap_flag : 0);
    w.int8(static_cast<int8_t>(state->batch_count));
    for (const BatchMark& mark : state->known()) write_mark(w, mark);
  }
  const Bytes written = w.unsealed();
  std::vector<uint8_t> bytes(written.begin(), written.end());
  store_be(bytes.data() + 2, crc32c(Bytes(bytes).subspan(crc_end)));
  return bytes;
}

Result<ProducerStates> decode_snapshot(Bytes bytes, const std::string& name) {
  kafka::Reader r(Slice(nullptr, bytes));
  const int16_t version = r.int16();
  const uint32_t crc = r.uint32();
  if (!r.ok() || version != snapshot_version) {
    return fail(Error::corrupt(name + ": not a producer snapshot of version 1"));
  }
  if (crc != crc32c(bytes.subspan(crc_end))) {
    return fail(Error::corrupt(name + ": the CRC does not match"));
  }
  const int32_t count = r.int32();
  if (count < 0 || static_cast<size_t>(count) > r.remaining() / entry_size) {
    r.fail("more producers than bytes are left for");
  }
  // Not as an array of a message, whose size in memory is limited: a file of ours may be larger.
  std::vector<Entry> entries(r.ok() ? static_cast<size_t>(count) : 0);
  for (Entry& entry : entries) entry = read_entry(r);
  const bool extended = r.remaining() > 0;
  if (extended) read_extension(r, entries);
  if (!r.ok()) return fail(Error::corrupt(name + ": " + r.error().text));
  ProducerStates states;
  for (Entry& entry : entries) {
    if (!extended && entry.last.last_sequence >= 0) entry.state.add(entry.last);
    states.restore(entry.id, entry.state);
  }
  return states;
}

}  // namespace isthmus::broker
