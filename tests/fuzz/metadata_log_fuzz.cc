// The metadata log (broker/store/embedded.h): commits as the input says, each with a flag that its
// checksum or length is wrong. What is opened can be written, and is the same when opened again.
#include "base/check.h"
#include "base/crc32c.h"
#include "broker/store/embedded.h"
#include "tests/broker/task_world.h"
#include "tests/fuzz/input.h"

namespace {

using namespace isthmus;
using broker::EmbeddedStore;
using broker::MetadataStore;

std::vector<uint8_t> file_of(fuzz::Input& input) {
  enum Flags : uint8_t { wrong_crc = 1, wrong_length = 2, numbered = 4 };
  std::vector<uint8_t> file;
  int64_t version = 0;
  while (!input.empty()) {
    const uint8_t flags = input.byte();
    const Bytes given = input.bytes(input.byte());
    std::vector<uint8_t> body(flags & numbered ? 8 : 0);
    if (flags & numbered) store_be(body.data(), ++version);
    body.insert(body.end(), given.begin(), given.end());
    uint8_t head[8];
    store_be(head, static_cast<uint32_t>(body.size() + (flags & wrong_length ? flags : 0)));
    store_be(head + 4, crc32c(body) ^ (flags & wrong_crc));
    file.insert(file.end(), head, head + 8);
    file.insert(file.end(), body.begin(), body.end());
  }
  return file;
}

class Opened {
 public:
  explicit Opened(broker::TaskWorld& world) : world_(world) {
    auto opened = EmbeddedStore::open(world.disk(), world.loop(), "/data");
    if (!opened) return;
    store_ = std::move(*opened);
    store_->watch([this](const auto& changes) {
      for (const auto& change : changes) {
        content_[change.key] = change.value ? std::string(as_text(change.value->view())) : "gone";
        versions_[change.key] = change.version;
      }
    });
  }
  bool is_open() const { return store_ != nullptr; }
  void put(const std::string& key, const std::string& value) {
    auto done = world_.run(store_->commit({}, {{key, Slice::copy_of(value)}}));
    CHECK(done && *done == MetadataStore::Outcome::committed, "an open store can be written");
  }
  bool operator==(const Opened& other) const {
    return content_ == other.content_ && versions_ == other.versions_;
  }

 private:
  broker::TaskWorld& world_;
  std::unique_ptr<EmbeddedStore> store_;
  std::map<std::string, std::string> content_;
  std::map<std::string, int64_t> versions_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  fuzz::Input input(data, size);
  broker::TaskWorld world;
  io::replace_file(world.disk(), "/data/metadata.log", file_of(input)).value();
  auto first = std::make_unique<Opened>(world);
  if (!first->is_open()) return 0;
  first->put("/fuzz", "value");
  auto second = std::make_unique<Opened>(world);
  CHECK(second->is_open() && *first == *second, "what was open opens again, and is the same");
  return 0;
}
