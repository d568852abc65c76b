#include "broker/log/text_checkpoint.h"

namespace isthmus::broker {

namespace {

// Takes the first line off `text`, without its end.
std::string_view take_line(std::string_view& text) {
  const size_t end = text.find('\n');
  const std::string_view line = text.substr(0, end);
  text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  return line;
}

CheckpointLine split_words(std::string_view line) {
  CheckpointLine words;
  while (!line.empty()) {
    const size_t end = line.find(' ');
    if (end != 0) words.emplace_back(line.substr(0, end));
    line.remove_prefix(end == std::string_view::npos ? line.size() : end + 1);
  }
  return words;
}

}  // namespace

std::string format_checkpoint(const std::vector<std::string>& lines) {
  std::string text = "0\n" + std::to_string(lines.size()) + "\n";
  for (const std::string& line : lines) text += line + "\n";
  return text;
}

Result<std::vector<CheckpointLine>> parse_checkpoint(std::string_view text, size_t words,
                                                     const std::string& path) {
  auto version = parse_number<int>(take_line(text), path);
  if (!version) return fail(version.error());
  if (*version != 0) {
    return fail(Error::corrupt(path + ": version " + std::to_string(*version) + ", expected 0"));
  }
  auto count = parse_number<uint32_t>(take_line(text), path);
  if (!count) return fail(count.error());
  std::vector<CheckpointLine> lines;
  while (!text.empty()) {
    CheckpointLine line = split_words(take_line(text));
    if (line.empty()) continue;
    if (line.size() != words) {
      return fail(Error::corrupt(path + ": a line has " + std::to_string(line.size()) +
                                 " words, expected " + std::to_string(words)));
    }
    lines.push_back(std::move(line));
  }
  if (lines.size() != *count) {
    return fail(Error::corrupt(path + ": " + std::to_string(lines.size()) + " lines, expected " +
                               std::to_string(*count)));
  }
  return lines;
}

Result<std::vector<CheckpointLine>> read_checkpoint(io::Disk& disk, const std::string& path,
                                                    size_t words) {
  if (!disk.exists(path)) return std::vector<CheckpointLine>{};
  auto content = io::read_whole(disk, path);
  if (!content) return fail(content.error());
  return parse_checkpoint(as_text(*content), words, path);
}

Result<void> write_checkpoint(io::Disk& disk, const std::string& path,
                              const std::vector<std::string>& lines) {
  return io::replace_file(disk, path, as_bytes(format_checkpoint(lines)));
}

}  // namespace isthmus::broker
