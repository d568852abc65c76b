#include "io/disk.h"

namespace isthmus::io {

namespace {

// The folder part of a path; "." for a bare name.
std::string folder_of(const std::string& path) {
  size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

}  // namespace

Result<void> replace_file(Disk& disk, const std::string& path, Bytes content) {
  const std::string temporary = path + ".tmp";
  auto file = disk.open(temporary, Disk::Open::create);
  if (!file) return fail(file.error());
  // A crash may have left an unfinished one.
  if (auto done = (*file)->truncate(0); !done) return done;
  if (auto done = (*file)->append(content); !done) return done;
  if (auto done = (*file)->sync_now(); !done) return done;
  if (auto done = disk.rename(temporary, path); !done) return done;
  return disk.sync_folder(folder_of(path));
}

Result<std::vector<uint8_t>> read_whole(Disk& disk, const std::string& path) {
  auto file = disk.open(path, Disk::Open::existing);
  if (!file) return fail(file.error());
  std::vector<uint8_t> content((*file)->size());
  auto n = (*file)->read_at(0, content);
  if (!n) return fail(n.error());
  content.resize(*n);
  return content;
}

}  // namespace isthmus::io
