#include "broker/store/zookeeper_layout.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "base/crc32c.h"
#include "kafka/wire.h"

namespace isthmus::broker {

namespace {
constexpr size_t version_digits = 19;
constexpr int8_t is_whole = 'w';
constexpr int8_t is_in_parts = 'p';
constexpr size_t checksum_bytes = 4;
}  // namespace

std::string ZookeeperLayout::digits(int64_t version) {
  return fmt::format("{:0{}}", version, version_digits);
}

std::optional<int64_t> ZookeeperLayout::version_of(const std::string& name) {
  const size_t end = std::min(name.find('-'), name.size());
  if (end != version_digits) return std::nullopt;
  int64_t version = 0;
  const char* last = name.data() + end;
  const auto [at, error] = std::from_chars(name.data(), last, version);
  if (error != std::errc{} || at != last || version < 0) return std::nullopt;
  return version;
}

Slice encode_node(const StoredNode& node) {
  kafka::Writer rest;
  rest.uuid(node.id);
  rest.int8(node.parts ? is_in_parts : is_whole);
  if (node.parts) {
    rest.int32(node.parts->count);
    rest.int64(node.parts->bytes);
    rest.uint32(node.parts->crc);
  } else {
    rest.raw(node.whole);
  }
  const Bytes bytes = rest.unsealed();
  kafka::Writer all;
  all.uint32(crc32c(bytes));
  all.raw(bytes);
  return Slice::copy_of(all.unsealed());
}

Result<StoredNode> decode_node(const Slice& data, const std::string& where) {
  const auto damaged = [&where] {
    return fail(Error::corrupt("zookeeper: " + where + " is damaged, or not ours"));
  };
  constexpr size_t head = checksum_bytes + sizeof(Uuid::bytes) + 1;
  if (data.size() < head) return damaged();
  const Bytes rest = Bytes(data.data(), data.size()).subspan(checksum_bytes);
  if (crc32c(rest) != load_be<uint32_t>(data.data())) return damaged();
  kafka::Reader reader(data.sub(checksum_bytes, data.size() - checksum_bytes));
  StoredNode node;
  node.id = reader.uuid();
  const int8_t kind = reader.int8();
  if (kind == is_whole) {
    node.whole = data.sub(head, data.size() - head);
    return node;
  }
  if (kind != is_in_parts) return damaged();
  StoredNode::Parts parts;
  parts.count = reader.int32();
  parts.bytes = reader.int64();
  parts.crc = reader.uint32();
  const bool is_plausible =
      reader.ok() && parts.count > 0 && parts.count <= max_parts && parts.bytes > 0 &&
      parts.bytes <= static_cast<int64_t>(parts.count) * static_cast<int64_t>(bytes_per_node);
  if (!is_plausible) return damaged();
  node.parts = parts;
  return node;
}

}  // namespace isthmus::broker
