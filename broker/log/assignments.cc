#include "broker/log/assignments.h"

#include <filesystem>

#include "broker/log/text_checkpoint.h"

namespace isthmus::broker {

namespace {

constexpr size_t words = 4;
constexpr std::string_view no_path = "%";

std::string path_in(const std::string& dir) { return dir + "/directory-assignments"; }

void replace_all(std::string& text, std::string_view from, std::string_view to) {
  for (size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size()) {
    text.replace(at, from.size(), to);
  }
}

std::string as_word(std::string path) {
  if (path.empty()) return std::string(no_path);
  replace_all(path, "%", "%25");
  replace_all(path, " ", "%20");
  replace_all(path, "\n", "%0A");
  return path;
}

std::string as_path(std::string word) {
  if (word == no_path) return {};
  replace_all(word, "%0A", "\n");
  replace_all(word, "%20", " ");
  replace_all(word, "%25", "%");
  return word;
}

}  // namespace

const Assignments::Partition* Assignments::find(const Uuid& topic_id, PartitionIndex index) const {
  const auto found = partitions.find({topic_id, index});
  return found == partitions.end() ? nullptr : &found->second;
}

bool Assignments::is_given_up(const Uuid& directory) const {
  const auto known = directories.find(directory);
  return known != directories.end() && known->second.empty();
}

bool Assignments::is_same(const std::string& path, const std::string& other) {
  const auto normal = [](const std::string& text) {
    return (std::filesystem::path(text) / "").lexically_normal();
  };
  return path == other || (!path.empty() && !other.empty() && normal(path) == normal(other));
}

std::optional<Uuid> Assignments::held_at(const std::string& path) const {
  for (const auto& [key, partition] : partitions) {
    if (partition.topic == deleted) continue;
    const auto dir = directories.find(partition.directory);
    if (dir != directories.end() && is_same(dir->second, path)) return dir->first;
  }
  return std::nullopt;
}

Result<std::optional<Assignments>> Assignments::read(io::Disk& disk, const std::string& first_dir) {
  const std::string path = path_in(first_dir);
  if (!disk.exists(path)) return std::nullopt;
  auto lines = read_checkpoint(disk, path, words);
  if (!lines) return fail(lines.error());
  Assignments all;
  for (const CheckpointLine& line : *lines) {
    auto index = parse_number<PartitionIndex>(line[1], path);
    if (!index) return fail(index.error());
    auto id = Uuid::parse(line[2]);
    if (!id) return fail(Error::corrupt(path + ": " + id.error().text));
    if (line[0] == ".") {
      all.directories[*id] = as_path(line[3]);
      continue;
    }
    auto directory = Uuid::parse(line[3]);
    if (!directory) return fail(Error::corrupt(path + ": " + directory.error().text));
    all.partitions[{*id, *index}] = {line[0], *directory};
  }
  return all;
}

Result<void> Assignments::write(io::Disk& disk, const std::string& first_dir) const {
  std::vector<std::string> lines;
  lines.reserve(directories.size() + partitions.size());
  for (const auto& [id, path] : directories) {
    lines.push_back(". " + std::to_string(lines.size()) + " " + id.to_string() + " " +
                    as_word(path));
  }
  for (const auto& [key, partition] : partitions) {
    lines.push_back(partition.topic + " " + std::to_string(key.second) + " " +
                    key.first.to_string() + " " + partition.directory.to_string());
  }
  return write_checkpoint(disk, path_in(first_dir), lines);
}

}  // namespace isthmus::broker
