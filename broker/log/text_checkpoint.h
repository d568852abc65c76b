// The text form that all of Kafka's checkpoint files share: a version (0), a count, then that many
// lines of words divided by single spaces. Pure; the files themselves are replaced whole
// (io::replace_file), so a reader sees the old content or the new.
#pragma once

#include <charconv>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "io/disk.h"

namespace isthmus::broker {

using CheckpointLine = std::vector<std::string>;  // its words

std::string format_checkpoint(const std::vector<std::string>& lines);
// `path` appears in the error. Every line must have exactly `words` words.
Result<std::vector<CheckpointLine>> parse_checkpoint(std::string_view text, size_t words,
                                                     const std::string& path);

// The file's lines; none if there is no such file.
Result<std::vector<CheckpointLine>> read_checkpoint(io::Disk& disk, const std::string& path,
                                                    size_t words);
Result<void> write_checkpoint(io::Disk& disk, const std::string& path,
                              const std::vector<std::string>& lines);

// A whole word as a number.
template <typename T>
Result<T> parse_number(std::string_view word, const std::string& path) {
  T value{};
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value);
  if (error == std::errc{} && end == word.data() + word.size()) return value;
  return fail(Error::corrupt(path + ": \"" + std::string(word) + "\" is not a number in range"));
}

}  // namespace isthmus::broker
