#include "broker/coordinator/snapshot.h"

#include <algorithm>

#include "base/crc32c.h"
#include "kafka/wire.h"

namespace isthmus::broker {

namespace {

constexpr std::string_view magic = "ISGS";
constexpr int16_t version = 0;
constexpr size_t frame_size = 8;  // length and checksum
constexpr size_t good_block = size_t{64} << 10;
// A block ends behind the record with which it is good; a record is a batch's at most.
constexpr size_t largest_block = size_t{256} << 20;
constexpr uint8_t of_records = 'r';
constexpr uint8_t of_end = 'e';

std::unexpected<Error> damaged(const std::string& what) {
  return fail(Error::corrupt("the snapshot " + what));
}

void append(std::vector<uint8_t>& to, std::string_view bytes) {
  to.insert(to.end(), bytes.begin(), bytes.end());
}

void append_field(std::vector<uint8_t>& to, std::string_view bytes) {
  uint8_t length[4];
  store_be(length, static_cast<int32_t>(bytes.size()));
  append(to, as_text(length));
  append(to, bytes);
}

// Makes what follows `at` a block.
void frame(std::vector<uint8_t>& part, size_t at) {
  const Bytes content = Bytes(part).subspan(at + frame_size);
  store_be(&part[at], static_cast<uint32_t>(content.size()));
  store_be(&part[at + 4], crc32c(content));
}

std::vector<uint8_t> encode_head(const SnapshotHead& head) {
  std::vector<uint8_t> part;
  append(part, magic);
  part.resize(magic.size() + frame_size);
  kafka::Writer writer;
  writer.int16(version);
  writer.uuid(head.topic_id);
  writer.int32(head.partition);
  writer.int64(head.offset);
  writer.int32(head.epoch);
  append(part, as_text(writer.unsealed()));
  frame(part, magic.size());
  return part;
}

}  // namespace

void Fold::add(Bytes key, std::optional<Bytes> value) {
  if (value) {
    values_[std::string(as_text(key))] = as_text(*value);
  } else {
    values_.erase(std::string(as_text(key)));
  }
}

SnapshotWriter::SnapshotWriter(const SnapshotHead& head, const Fold& fold)
    : head_(head), fold_(fold), at_(fold.values_.begin()) {}

std::vector<uint8_t> SnapshotWriter::next() {
  if (!std::exchange(begun_, true)) return encode_head(head_);
  if (ended_) return {};
  std::vector<uint8_t> part(frame_size);
  part.push_back(of_records);
  for (; at_ != fold_.values_.end() && part.size() < good_block; ++at_) {
    append_field(part, at_->first);
    append_field(part, at_->second);
  }
  if (part.size() == frame_size + 1) {
    ended_ = true;
    part.back() = of_end;
    part.resize(part.size() + sizeof(int64_t));
    store_be(&part[frame_size + 1], static_cast<int64_t>(fold_.values_.size()));
  }
  frame(part, 0);
  return part;
}

Result<std::vector<uint8_t>> SnapshotReader::block() {
  uint8_t header[frame_size];
  auto n = file_->read_at(position_, header);
  if (!n) return fail(n.error());
  const auto size = load_be<uint32_t>(header);
  if (*n < frame_size || size > largest_block) return damaged("ends too soon");
  std::vector<uint8_t> content(std::min<size_t>(size, good_block));
  for (size_t at = 0; at < size; at = content.size()) {
    // As it comes: a damaged length must not take the memory.
    content.resize(std::min<size_t>(size, std::max(content.size(), 2 * at)));
    auto more = file_->read_at(position_ + frame_size + at, MutableBytes(content).subspan(at));
    if (!more) return fail(more.error());
    if (*more < content.size() - at) return damaged("ends too soon");
  }
  content.resize(size);
  if (crc32c(content) != load_be<uint32_t>(header + 4)) return damaged("is damaged");
  position_ += frame_size + size;
  return content;
}

Result<SnapshotHead> SnapshotReader::head() {
  uint8_t begin[4];
  auto n = file_->read_at(0, begin);
  if (!n) return fail(n.error());
  if (*n < magic.size() || as_text(begin) != magic) return damaged("is none");
  position_ = magic.size();
  auto content = block();
  if (!content) return fail(content.error());
  kafka::Reader reader(Slice::take(std::move(*content)));
  const int16_t found = reader.int16();
  SnapshotHead head;
  head.topic_id = reader.uuid();
  head.partition = reader.int32();
  head.offset = reader.int64();
  head.epoch = reader.int32();
  if (!reader.ok() || found != version) return damaged("has a format that is not known here");
  if (head.partition < 0 || head.offset < 0 || head.epoch < -1) return damaged("is of no log");
  return head;
}

Result<bool> SnapshotReader::next(const Visit& visit) {
  auto content = block();
  if (!content) return fail(content.error());
  if (content->size() == 1 + sizeof(int64_t) && content->front() == of_end) {
    if (load_be<int64_t>(&(*content)[1]) != records_) return damaged("lacks records");
    return false;
  }
  if (content->empty() || content->front() != of_records) return damaged("has an unknown part");
  Bytes rest = Bytes(*content).subspan(1);
  const auto field = [&rest]() -> std::optional<Bytes> {
    if (rest.size() < 4) return std::nullopt;
    const auto length = load_be<int32_t>(rest.data());
    if (length < 0 || static_cast<size_t>(length) > rest.size() - 4) return std::nullopt;
    const Bytes bytes = rest.subspan(4, static_cast<size_t>(length));
    rest = rest.subspan(4 + static_cast<size_t>(length));
    return bytes;
  };
  while (!rest.empty()) {
    const auto key = field();
    const auto value = field();
    if (!key || !value) return damaged("has a record that does not end");
    ++records_;
    if (auto ok = visit(*key, *value); !ok) return fail(ok.error());
  }
  return true;
}

}  // namespace isthmus::broker
