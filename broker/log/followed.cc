#include "broker/log/followed.h"

#include "broker/log/text_checkpoint.h"

namespace isthmus::broker {

namespace {
constexpr size_t words_of_a_commit = 2;
std::string followed_path(const std::string& dir) { return dir + "/followed-metadata"; }
}  // namespace

Result<std::optional<FollowedMetadata>> FollowedMetadata::read(io::Disk& disk,
                                                               const std::string& first_dir) {
  const std::string path = followed_path(first_dir);
  auto lines = read_checkpoint(disk, path, words_of_a_commit);
  if (!lines) return fail(lines.error());
  if (lines->empty()) return std::nullopt;
  auto version = parse_number<int64_t>(lines->front()[0], path);
  if (!version) return fail(version.error());
  auto commit = Uuid::parse(lines->front()[1]);
  if (!commit) return fail(Error::corrupt(path + ": " + commit.error().text));
  return FollowedMetadata{*version, *commit};
}

Result<void> FollowedMetadata::write(io::Disk& disk, const std::string& first_dir) const {
  return write_checkpoint(disk, followed_path(first_dir),
                          {std::to_string(version) + " " + commit.to_string()});
}

}  // namespace isthmus::broker
