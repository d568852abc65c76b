// A snapshot of groups (broker/coordinator/snapshot.h), and the records in it. By the first byte
// the input is the file, or the blocks of one, with checksums that are right unless a flag says
// otherwise. What is read to its end is written and read again as the same; so is each record; and
// a coordinator that loads them answers, lets members and offsets expire, and stops.
#include <map>

#include "base/check.h"
#include "base/crc32c.h"
#include "broker/coordinator/snapshot.h"
#include "tests/broker/group/fixture.h"
#include "tests/broker/task_world.h"
#include "tests/fuzz/input.h"

namespace isthmus::broker {
namespace {

constexpr size_t head_size = 34;
constexpr size_t good_read = size_t{64} << 10;

class MemoryFile final : public ReadableFile {
 public:
  explicit MemoryFile(std::vector<uint8_t> content) : bytes(std::move(content)) {}
  Result<size_t> read_at(uint64_t position, MutableBytes into) const override {
    CHECK(into.size() <= std::max(good_read, bytes.size()), "a length is not believed");
    if (position >= bytes.size()) return 0;
    const size_t n = std::min<size_t>(into.size(), bytes.size() - position);
    std::copy_n(bytes.begin() + static_cast<ptrdiff_t>(position), n, into.begin());
    return n;
  }
  int native_handle() const override { return -1; }

  const std::vector<uint8_t> bytes;
};

class FileBuilder {
 public:
  explicit FileBuilder(fuzz::Input& input) : input_(input) {}

  std::vector<uint8_t> build() {
    enum Kind : uint8_t { records, raw, wrong_crc, wrong_length, kinds };
    add(as_bytes("ISGS"));
    std::vector<uint8_t> head(head_size);
    std::ranges::copy(input_.bytes(head_size), head.begin());
    block(head);
    while (!input_.empty()) {
      switch (input_.byte() % kinds) {
        case records: block(some_records()); break;
        case raw: block(input_.bytes(input_.word())); break;
        case wrong_crc: block(input_.bytes(input_.byte()), 1); break;
        default: block(input_.bytes(input_.byte()), 0, 1u << input_.byte() % 32); break;
      }
    }
    uint8_t end[9] = {'e'};
    store_be(end + 1, records_);
    block(end);
    return std::move(file_);
  }

 private:
  std::vector<uint8_t> some_records() {
    std::vector<uint8_t> content{'r'};
    for (size_t left = input_.byte() % 8; left > 0; --left, ++records_) {
      for (Bytes field : {input_.bytes(input_.byte()), input_.bytes(input_.byte())}) {
        uint8_t length[4];
        store_be(length, static_cast<int32_t>(field.size()));
        content.insert(content.end(), length, length + 4);
        content.insert(content.end(), field.begin(), field.end());
      }
    }
    return content;
  }
  void block(Bytes content, uint32_t crc_off = 0, uint32_t length_off = 0) {
    uint8_t frame[8];
    store_be(frame, static_cast<uint32_t>(content.size()) ^ length_off);
    store_be(frame + 4, crc32c(content) ^ crc_off);
    add(frame);
    add(content);
  }
  void add(Bytes bytes) { file_.insert(file_.end(), bytes.begin(), bytes.end()); }

  fuzz::Input& input_;
  std::vector<uint8_t> file_;
  int64_t records_ = 0;
};

struct Snapshot {
  SnapshotHead head;
  Fold fold;
  std::map<std::string, std::string> values;  // what the fold should have
};

std::optional<Snapshot> read(const std::shared_ptr<const MemoryFile>& file) {
  Snapshot snapshot;
  SnapshotReader reader(file);
  const auto head = reader.head();
  if (!head) return std::nullopt;
  snapshot.head = *head;
  size_t shown = 0;
  for (;;) {
    const auto more = reader.next([&](Bytes key, Bytes value) -> Result<void> {
      shown += key.size() + value.size();
      snapshot.fold.add(key, value);
      snapshot.values[std::string(as_text(key))] = as_text(value);
      return {};
    });
    CHECK(reader.position() <= file->bytes.size(), "nothing is read behind the end");
    CHECK(shown <= file->bytes.size(), "no byte is shown twice");
    if (!more) return std::nullopt;
    if (!*more) return snapshot;
  }
}

void check_snapshot(const Snapshot& snapshot) {
  CHECK(snapshot.head.partition >= 0 && snapshot.head.offset >= 0, "it has a place in a log");
  CHECK(snapshot.fold.size() == snapshot.values.size(), "each key has one value");
  std::vector<uint8_t> bytes;
  SnapshotWriter writer(snapshot.head, snapshot.fold);
  for (auto part = writer.next(); !part.empty(); part = writer.next()) {
    bytes.insert(bytes.end(), part.begin(), part.end());
  }
  const auto again = read(std::make_shared<MemoryFile>(std::move(bytes)));
  CHECK(again && again->head == snapshot.head && again->values == snapshot.values,
        "a snapshot is written as it is read");
}

void check_record(const JournalRecord& record) {
  const auto key = decode_key(record.key);
  if (!key) return;
  if (const auto* offset = std::get_if<OffsetKey>(&*key)) {
    const auto committed = decode_offset(*record.value);
    if (!committed) return;
    const JournalRecord again = encode_offset(*offset, *committed);
    CHECK(
        decode_key(again.key).value() == *key && decode_offset(*again.value).value() == *committed,
        "an offset is written as it is read");
  } else if (const auto* group = std::get_if<GroupKey>(&*key)) {
    const auto value = decode_group(*record.value);
    if (!value) return;
    const JournalRecord again = encode_group(group->group, *value);
    CHECK(decode_key(again.key).value() == *key && decode_group(*again.value).value() == *value,
          "a generation is written as it is read");
  }
}

io::Task<bool> and_true(io::Task<void> task) {
  co_await task;
  co_return true;
}

class Loaded {
 public:
  explicit Loaded(std::vector<JournalRecord> records) {
    config_.partitions = 1;
    config_.offsets_retention_ms = 3'600'000;
    journal_.loop = ownership_.loop = &world_.loop();
    journal_.logs[0] = std::move(records);
    coordinator_ = &world_.process->make<Coordinator>(
        world_.loop(), world_.env().random, config_,
        Coordinator::Seams{journal_, ownership_, topics_, ends_});
    world_.on_loop([this] { coordinator_->lead(0, 0); });
    world_.run_for(io::milliseconds(10));
  }

  void live() {
    const std::vector<std::string> names = coordinator_->names();
    for (const std::string& name : names) {
      kafka::DescribeGroupsRequest describe;
      describe.groups.push_back(name);
      CHECK(ask(coordinator_->describe_groups(caller_, describe)).groups.size() == 1, "described");
      kafka::OffsetFetchRequest fetch;
      fetch.groups.emplace_back().group_id = name;
      CHECK(ask(coordinator_->offset_fetch(caller_, fetch)).groups.size() == 1, "fetched");
      join(name);
    }
    // What is not loaded, for a damaged record, is tried again every few seconds.
    const bool loaded = ask(coordinator_->loaded(world_.loop().now()));
    world_.run_for(loaded ? io::Duration(std::chrono::hours(2)) : std::chrono::seconds(5));
    CHECK(ask(and_true(coordinator_->drain())), "it stops");
  }

 private:
  template <typename T>
  T ask(io::Task<T> task) {
    return world_.run(std::move(task));
  }
  void join(const std::string& group) {
    kafka::JoinGroupRequest request;
    request.group_id = group;
    request.session_timeout_ms = 10'000;
    request.rebalance_timeout_ms = 30'000;
    request.protocol_type = "consumer";
    request.protocols.push_back({"range", Slice::copy_of("any")});
    world_.start(coordinator_->join_group({"client", "/10.0.0.1", 3}, std::move(request)));
  }

  Caller caller_{"client", "/10.0.0.1", 8};
  GroupConfig config_;
  MemoryJournal journal_;
  MemoryOwnership ownership_;
  MemoryTopics topics_;
  MemoryEnds ends_;
  TaskWorld world_;
  Coordinator* coordinator_ = nullptr;
};

void check(std::vector<uint8_t> file) {
  const auto snapshot = read(std::make_shared<MemoryFile>(std::move(file)));
  if (!snapshot) return;
  check_snapshot(*snapshot);
  std::vector<JournalRecord> records;
  for (const auto& [key, value] : snapshot->values) {
    records.push_back({Slice::copy_of(key), Slice::copy_of(value)});
    check_record(records.back());
  }
  if (!records.empty()) Loaded(std::move(records)).live();
}

}  // namespace
}  // namespace isthmus::broker

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace isthmus;
  fuzz::Input input(data, size);
  if (input.byte() % 4 == 0) {
    const Bytes file = input.rest();
    broker::check({file.begin(), file.end()});
  } else {
    broker::check(broker::FileBuilder(input).build());
  }
  return 0;
}
