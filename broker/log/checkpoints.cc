#include "broker/log/checkpoints.h"

#include <cerrno>
#include <nlohmann/json.hpp>

#include "base/json.h"
#include "broker/log/text_checkpoint.h"

namespace isthmus::broker {

namespace {

using Properties = std::map<std::string, std::string>;

// `key=value` or `key: value` lines; comments and blank lines are skipped.
Properties parse_properties(std::string_view text, char separator) {
  Properties found;
  while (!text.empty()) {
    const size_t end = text.find('\n');
    std::string_view line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    const size_t divide = line.find(separator);
    if (line.starts_with('#') || divide == std::string_view::npos) continue;
    std::string_view value = line.substr(divide + 1);
    while (value.starts_with(' ')) value.remove_prefix(1);
    while (value.ends_with('\r') || value.ends_with(' ')) value.remove_suffix(1);
    found.emplace(line.substr(0, divide), value);
  }
  return found;
}

template <typename T>
Result<T> property(const Properties& all, const char* key, const std::string& path) {
  const auto at = all.find(key);
  if (at == all.end()) return fail(Error::corrupt(path + ": no " + key));
  return parse_number<T>(at->second, path);
}

}  // namespace

Result<OffsetCheckpoint::Offsets> OffsetCheckpoint::read() const {
  auto lines = read_checkpoint(disk_, path_, 3);
  if (!lines) return fail(lines.error());
  Offsets offsets;
  for (const CheckpointLine& line : *lines) {
    auto partition = parse_number<PartitionIndex>(line[1], path_);
    if (!partition) return fail(partition.error());
    auto offset = parse_number<Offset>(line[2], path_);
    if (!offset) return fail(offset.error());
    offsets[{line[0], *partition}] = *offset;
  }
  return offsets;
}

Result<void> OffsetCheckpoint::write(const Offsets& offsets) {
  std::vector<std::string> lines;
  lines.reserve(offsets.size());
  for (const auto& [tp, offset] : offsets) {
    lines.push_back(tp.topic + " " + std::to_string(tp.partition) + " " + std::to_string(offset));
  }
  return write_checkpoint(disk_, path_, lines);
}

Result<CleanShutdownMark::Found> CleanShutdownMark::take() {
  if (!disk_.exists(path())) return Found{};
  auto content = io::read_whole(disk_, path());
  if (!content) return fail(content.error());
  if (auto done = disk_.remove(path()); !done) return fail(done.error());
  if (auto done = disk_.sync_folder(folder_); !done) return fail(done.error());
  Found found{.clean = true};
  const auto json = nlohmann::json::parse(as_text(*content), nullptr, false);
  // Older Kafkas leave an empty file: clean, of an unknown epoch.
  if (json.is_object() && json.contains("brokerEpoch") && json["brokerEpoch"].is_number_integer()) {
    found.broker_epoch = json["brokerEpoch"].get<int64_t>();
  }
  if (json.is_object() && json.contains("except") && json["except"].is_array()) {
    for (const auto& name : json["except"]) {
      if (name.is_string()) found.except.insert(name.get<std::string>());
    }
  }
  return found;
}

Result<void> CleanShutdownMark::leave(int64_t broker_epoch, const std::set<std::string>& except) {
  nlohmann::json json{{"version", 0}, {"brokerEpoch", broker_epoch}};
  if (!except.empty()) json["except"] = except;
  const std::string text = write_json(json);
  return io::replace_file(disk_, path(), as_bytes(text));
}

Result<std::optional<MetaProperties>> MetaProperties::read(io::Disk& disk,
                                                           const std::string& log_dir) {
  const std::string path = log_dir + "/meta.properties";
  if (!disk.exists(path)) return std::nullopt;
  auto content = io::read_whole(disk, path);
  if (!content) return fail(content.error());
  const Properties all = parse_properties(as_text(*content), '=');
  auto node = property<NodeId>(all, "node.id", path);
  if (!node) return fail(node.error());
  auto number = property<ClusterNumber>(all, "cluster.number", path);
  if (!number) return fail(number.error());
  auto incarnation = property<int>(all, "incarnation", path);
  if (!incarnation) return fail(incarnation.error());
  const auto id = all.find("cluster.id");
  if (id == all.end()) return fail(Error::corrupt(path + ": no cluster.id"));
  MetaProperties properties{id->second, *node, *number, *incarnation, {}};
  if (const auto own = all.find("directory.id"); own != all.end()) {
    auto parsed = Uuid::parse(own->second);
    if (!parsed) return fail(Error::corrupt(path + ": directory.id: " + parsed.error().text));
    properties.directory_id = *parsed;
  }
  return properties;
}

Result<void> MetaProperties::write(io::Disk& disk, const std::string& log_dir) const {
  std::string text = "version=1\ncluster.id=" + cluster_id +
                     "\nnode.id=" + std::to_string(node_id) +
                     "\ncluster.number=" + std::to_string(cluster_number) +
                     "\nincarnation=" + std::to_string(incarnation) + "\n";
  if (!directory_id.is_zero()) text += "directory.id=" + directory_id.to_string() + "\n";
  return io::replace_file(disk, log_dir + "/meta.properties", as_bytes(text));
}

Result<std::optional<Uuid>> read_partition_topic_id(io::Disk& disk, const std::string& folder) {
  const std::string path = folder + "/partition.metadata";
  auto content = io::read_whole(disk, path);
  if (!content) {
    // Not from exists(), which takes a disk that errs for one that has nothing.
    const int error = content.error().code;
    if (error == ENOENT || error == ENOTDIR) return std::nullopt;
    return fail(content.error());
  }
  const Properties all = parse_properties(as_text(*content), ':');
  const auto version = all.find("version");
  const auto id = all.find("topic_id");
  if (version == all.end() || version->second != "0" || id == all.end()) {
    return fail(Error::corrupt(path + ": expected \"version: 0\" and \"topic_id: ...\""));
  }
  auto parsed = Uuid::parse(id->second);
  if (!parsed) return fail(Error::corrupt(path + ": " + parsed.error().text));
  return *parsed;
}

Result<void> write_partition_topic_id(io::Disk& disk, const std::string& folder, Uuid topic_id) {
  const std::string text = "version: 0\ntopic_id: " + topic_id.to_string() + "\n";
  return io::replace_file(disk, folder + "/partition.metadata", as_bytes(text));
}

}  // namespace isthmus::broker
