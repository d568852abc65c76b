#include "broker/log/cut_bytes.h"

#include <fmt/format.h>

#include <algorithm>
#include <compare>

#include "broker/log/text_checkpoint.h"

namespace isthmus::broker {

namespace {

constexpr size_t digits = 20;
constexpr std::string_view suffix = ".cut";

struct Kept {
  int64_t modified_ms = 0;
  std::string path;
  friend auto operator<=>(const Kept&, const Kept&) = default;
};

// Oldest first.
Result<std::vector<Kept>> cuts_in(io::Disk& disk, const std::string& folder) {
  auto names = disk.list(folder);
  if (!names) return fail(names.error());
  std::vector<Kept> cuts;
  for (const std::string& name : *names) {
    if (!is_cut(name)) continue;
    auto modified = disk.modified_ms(folder + "/" + name);
    if (!modified) return fail(modified.error());
    cuts.push_back({*modified, folder + "/" + name});
  }
  std::ranges::sort(cuts);
  return cuts;
}

}  // namespace

bool is_cut(std::string_view name) {
  if (!name.ends_with(suffix) || name.size() < digits + suffix.size()) return false;
  if (!parse_number<Offset>(name.substr(0, digits), {})) return false;
  name = name.substr(digits, name.size() - digits - suffix.size());
  return name.empty() || (name[0] == '.' && parse_number<int>(name.substr(1), {}).has_value());
}

Result<void> CutBytes::add(const std::string& path, uint64_t position) {
  auto file = files_.open(path);
  if (!file) return fail(file.error());
  const uint64_t size = (*file)->size();
  if (position >= size || bytes_.size() >= max_bytes) return {};
  const size_t before = bytes_.size();
  bytes_.resize(before + std::min(size - position, max_bytes - before));
  auto n = (*file)->read_at(position, MutableBytes(bytes_).subspan(before));
  if (!n) return fail(n.error());
  bytes_.resize(before + *n);
  return {};
}

Result<std::string> CutBytes::keep() {
  // A file may have been made longer before the bytes came; but a batch too may end in zeros.
  const auto last = std::ranges::find_if(bytes_.rbegin(), bytes_.rend(), [](auto b) { return b; });
  const auto written = static_cast<size_t>(bytes_.rend() - last);
  if (written == 0) return std::string();
  bytes_.resize(std::min(bytes_.size(), written + 16));
  io::Disk& disk = files_.disk();
  std::string path = fmt::format("{}/{:020}{}", folder_, offset_, suffix);
  for (int i = 2; disk.exists(path); ++i) {
    path = fmt::format("{}/{:020}.{}{}", folder_, offset_, i, suffix);
  }
  if (auto done = io::replace_file(disk, path, bytes_); !done) return fail(done.error());
  auto cuts = cuts_in(disk, folder_);
  if (!cuts) return fail(cuts.error());
  for (size_t i = 0; i + max_files < cuts->size(); ++i) {
    if (auto done = disk.remove((*cuts)[i].path); !done) return fail(done.error());
  }
  return path;
}

Result<void> remove_old_cuts(io::Disk& disk, const std::string& folder, int64_t before_ms) {
  auto cuts = cuts_in(disk, folder);
  if (!cuts) return fail(cuts.error());
  for (const Kept& cut : *cuts) {
    if (cut.modified_ms >= before_ms) break;
    if (auto done = disk.remove(cut.path); !done) return done;
  }
  return {};
}

}  // namespace isthmus::broker
