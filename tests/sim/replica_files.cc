#include "tests/sim/replica_files.h"

#include <algorithm>
#include <charconv>
#include <optional>

#include "kafka/batch.h"

namespace isthmus::sim {

namespace {

constexpr size_t offset_digits = 20;
constexpr std::string_view log_suffix = ".log";

uint64_t hash_of(Bytes bytes) {
  uint64_t hash = 0xcbf29ce484222325;
  for (const uint8_t byte : bytes) hash = (hash ^ byte) * 0x100000001b3;
  return hash;
}

// Of "00000000000000000042.log"; nothing for other names.
std::optional<Offset> base_of(std::string_view name) {
  Offset base = 0;
  const bool may_be =
      name.size() == offset_digits + log_suffix.size() && name.ends_with(log_suffix);
  if (!may_be) return std::nullopt;
  const char* end = name.data() + offset_digits;
  const auto read = std::from_chars(name.data(), end, base);
  return read.ec == std::errc() && read.ptr == end ? std::optional(base) : std::nullopt;
}

std::string name_of(Offset base) {
  std::string digits = std::to_string(base);
  return std::string(offset_digits - digits.size(), '0') + digits + std::string(log_suffix);
}

}  // namespace

// "" if it is not there.
std::string ReplicaFiles::folder_of(const TopicPartition& partition) const {
  for (const char* directory : {"/data/1/", "/data/2/"}) {
    std::string folder = directory + partition.to_string() + "/";
    if (disk_->is_folder(folder.substr(0, folder.size() - 1))) return folder;
  }
  return {};
}

std::optional<ReplicaFiles::Segment> ReplicaFiles::segment_at(std::string path) const {
  while (!path.empty()) {
    const auto base = base_of(std::string_view(path).substr(path.rfind('/') + 1));
    if (base) return Segment{*base, std::move(path)};
    path = disk_->first_above(path, log_suffix);
  }
  return std::nullopt;
}

bool ReplicaFiles::goes_on(const Place& known, Offset from) const {
  const auto inode =
      known.base < 0 || known.base > from ? nullptr : disk_->find(known.segment.path);
  if (!inode || known.position >= inode->data().size()) return false;
  const auto header = kafka::read_batch_header(Bytes(inode->data()).subspan(known.position));
  return header && header->base_offset == known.base;
}

bool ReplicaFiles::walk(const Segment& segment, uint64_t begin, Offset from, Offset to,
                        Place& place, std::vector<FiledBatch>& found) const {
  const auto inode = disk_->find(segment.path);
  const uint64_t durable = disk_->keeps_name(segment.path) ? inode->durable_size() : 0;
  kafka::BatchIterator walk(Bytes(inode->data()).subspan(begin), false);
  while (auto batch = walk.next()) {
    const auto& header = batch->header;
    if (header.next_offset() <= from) continue;
    if (header.base_offset >= to) return true;
    place = {segment, begin + batch->position, header.base_offset};
    const bool lasts = begin + batch->position + batch->bytes.size() <= durable;
    found.push_back({header.base_offset, header.next_offset(), hash_of(batch->bytes), lasts});
  }
  return !found.empty() && found.back().next >= to;
}

std::vector<FiledBatch> ReplicaFiles::batches(const TopicPartition& partition, Offset from,
                                              Offset to) {
  std::vector<FiledBatch> found;
  Place& place = places_[partition];
  if (goes_on(place, from)) {
    const Place known = place;
    if (walk(known.segment, known.position, from, to, place, found)) return found;
    found.clear();
  }
  const std::string folder = folder_of(partition);
  if (folder.empty()) return found;
  // Names are in order: they have leading zeros.
  std::string first = disk_->last_up_to(folder + name_of(from), log_suffix);
  if (first.empty()) first = disk_->first_above(folder, log_suffix);
  auto segment = segment_at(std::move(first));
  while (segment && segment->base < to) {
    if (walk(*segment, 0, from, to, place, found)) break;
    segment = segment_at(disk_->first_above(segment->path, log_suffix));
  }
  return found;
}

}  // namespace isthmus::sim
