// A partition's folder with everything in it (segments of batches with and without producers and
// transactions, indexes, snapshots, epochs, the slot of what is synced), changed on the disk while
// nobody looks, then opened: as after a clean stop, a killed process, or a power loss.
//
// The input: flags, then changes: file, what to do, where (two bytes), how long, bytes. A changed
// batch may get its checksum renewed, so that what it covers is looked at, too.
#include <vector>

#include "base/check.h"
#include "tests/broker/log/log_world.h"
#include "tests/fuzz/input.h"

namespace {

using namespace isthmus;
using broker::LogWorld;

enum Flags : uint8_t { clean = 1, believed_end = 2, page_cache = 4, power_loss = 8 };
enum class What : uint8_t { overwrite, truncate, append, remove, renew_crc, end };
constexpr int batches = 24;

void write_log(LogWorld& w) {
  w.config.segment_bytes = 700;
  w.config.index_interval_bytes = 150;
  w.open();
  int32_t sequence = 0;
  for (int i = 0; i < batches; ++i) {
    const LeaderEpoch epoch = 1 + i / 8;
    if (i % 4 == 3) {
      w.append(broker::make_marker(
                   9, 0, i % 8 == 3 ? kafka::ControlType::abort : kafka::ControlType::commit),
               epoch, {.origin = broker::AppendOrigin::coordinator});
    } else if (i % 4 == 2) {
      w.append(broker::make_batch({.producer_id = 9, .sequence = sequence, .transactional = true}),
               epoch);
      ++sequence;
    } else {
      w.append(broker::make_batch({.records = 2, .timestamp = 1000 + 10 * i}), epoch);
    }
    if (i == batches / 2) w.sync();
  }
}

void renew_crc(std::vector<uint8_t>& file, size_t position) {
  size_t at = 0;
  while (at + kafka::batch_header_size <= file.size()) {
    const MutableBytes rest = MutableBytes(file).subspan(at);
    const auto header = kafka::read_batch_header(rest);
    if (!header || header->total_size() > rest.size()) return;
    if (position < at + header->total_size()) {
      return kafka::renew_batch_crc(rest.first(header->total_size()));
    }
    at += header->total_size();
  }
}

void change(io::Disk& disk, const std::string& path, fuzz::Input& input) {
  const auto what = static_cast<What>(input.byte() % static_cast<int>(What::end));
  const size_t where = input.word();
  const Bytes bytes = input.bytes(input.byte());
  if (what == What::remove) return disk.remove(path).value();
  std::vector<uint8_t> content = io::read_whole(disk, path).value();
  const size_t at = content.empty() ? 0 : where % content.size();
  if (what == What::truncate) content.resize(at);
  if (what == What::append) content.insert(content.end(), bytes.begin(), bytes.end());
  if (what == What::overwrite || what == What::renew_crc) {
    for (size_t i = 0; i < bytes.size() && at + i < content.size(); ++i) content[at + i] = bytes[i];
  }
  if (what == What::renew_crc) renew_crc(content, at);
  io::replace_file(disk, path, content).value();
}

void change_files(LogWorld& w, fuzz::Input& input) {
  while (!input.empty()) {
    const auto names = w.disk().list(w.folder).value();
    if (names.empty()) return;
    change(w.disk(), w.folder + "/" + names[input.byte() % names.size()], input);
  }
}

// Reads all of it.
void use(LogWorld& w) {
  broker::Log& log = *w.log;
  CHECK(log.start_offset() <= log.end_offset(), "a log ends behind its start");
  Offset next = log.start_offset();
  while (next < log.end_offset()) {
    auto read = log.read(next, 1, INT64_MAX, true);
    const auto bytes = read ? read->flatten() : fail(read.error());
    const auto header = bytes ? kafka::read_batch_header(*bytes) : fail(bytes.error());
    if (!header || header->next_offset() <= next) return;
    next = header->next_offset();
  }
  (void)w.find_time(1100);
  (void)w.find_latest();
}

// What is appended and synced behind it is there at the next start.
void build_upon(LogWorld& w) {
  const Offset end = w.log->end_offset();
  const auto info = w.log->append_as_leader(broker::make_batch({}), 1000, w.now_ms, {});
  if (!info) return;
  CHECK(info->first_offset == end, "offsets go on where the log ends");
  const auto synced = w.run(w.log->sync());
  if (!synced) return;
  w.kill();
  const auto opened = w.try_open();
  if (!opened) fmt::print(stderr, "{}\n", opened.error().text);
  CHECK(opened, "it has not become worse");
  CHECK(w.log->end_offset() == end + 1, "what was synced is there");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  fuzz::Input input(data, size);
  const uint8_t flags = input.byte();
  LogWorld w;
  if (flags & page_cache) w.config.durability = broker::Durability::page_cache;
  write_log(w);
  if (flags & clean) {
    w.stop();
  } else if (flags & power_loss) {
    w.crash();
  } else {
    w.kill();
  }
  if (flags & believed_end) w.hints.recovery_point = batches / 2;
  change_files(w, input);
  if (!w.try_open()) return 0;
  use(w);
  if (!(flags & clean)) build_upon(w);
  return 0;
}
