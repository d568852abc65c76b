#include "broker/store/commit_frame.h"

#include "base/crc32c.h"
#include "kafka/wire.h"

namespace isthmus::broker {

namespace {
constexpr size_t least_body = 12;  // version and count
// What counts up by one cannot reach it, and one can still be added.
constexpr int64_t last_version = int64_t{1} << 62;
}  // namespace

Result<Slice> encode_frame(const StoredCommit& commit) {
  kafka::Writer body;
  body.int64(commit.version);
  body.int32(static_cast<int32_t>(commit.puts.size()));
  for (const auto& put : commit.puts) {
    body.string(put.key, false);
    body.nullable_bytes(put.value, false);
  }
  const Bytes bytes = body.unsealed();
  if (bytes.size() > max_commit_bytes) {
    return fail("a change of " + std::to_string(bytes.size()) + " bytes of metadata at once");
  }
  kafka::Writer frame;
  frame.uint32(static_cast<uint32_t>(bytes.size()));
  frame.uint32(crc32c(bytes));
  frame.raw(bytes);
  return Slice::copy_of(frame.unsealed());
}

std::optional<Bytes> frame_body(Bytes rest) {
  if (rest.size() < frame_header_bytes) return std::nullopt;
  const auto length = load_be<uint32_t>(rest.data());
  // A tail of zeros, which file systems leave at a power loss, has a length and a checksum that
  // agree.
  if (length < least_body || length > max_commit_bytes) return std::nullopt;
  if (length > rest.size() - frame_header_bytes) return std::nullopt;
  const Bytes body = rest.subspan(frame_header_bytes, length);
  if (crc32c(body) != load_be<uint32_t>(rest.data() + 4)) return std::nullopt;
  return body;
}

int64_t version_in(Bytes body) { return load_be<int64_t>(body.data()); }

Result<StoredCommit> decode_body(Bytes body, const std::string& where) {
  kafka::Reader reader(Slice::copy_of(body));
  StoredCommit commit;
  commit.version = reader.int64();
  const int32_t count = reader.int32();
  for (int32_t i = 0; i < count && reader.ok(); ++i) {
    std::string key = reader.string(false);
    auto value = reader.nullable_bytes(false);
    if (!reader.ok()) break;
    std::optional<Slice> kept;
    if (value) kept = Slice::copy_of(*value);
    commit.puts.push_back({std::move(key), std::move(kept)});
  }
  const bool is_version = commit.version >= 0 && commit.version <= last_version;
  if (!reader.ok() || !is_version) {
    return fail(Error::corrupt(where + ": a commit that breaks its own format"));
  }
  return commit;
}

}  // namespace isthmus::broker
