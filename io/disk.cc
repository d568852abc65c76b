#include "io/disk.h"

#include <cerrno>

namespace isthmus::io {

bool lacks_room(const Error& error) {
  if (error.kind != Error::Kind::io) return false;
  return error.code == ENOSPC || error.code == EDQUOT || error.code == EMFILE ||
         error.code == ENFILE;
}

std::string parent_of(const std::string& path) {
  size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

Result<void> make_durable_folders(Disk& disk, const std::string& path) {
  std::string folder = path;
  while (folder.size() > 1 && folder.ends_with('/')) folder.pop_back();
  // Its own name in any case: an earlier process may have made it and died before this sync.
  std::vector<std::string> to_sync = {parent_of(folder)};
  for (std::string at = parent_of(folder); !disk.exists(at); at = parent_of(at)) {
    to_sync.push_back(parent_of(at));
  }
  if (auto made = disk.make_folders(folder); !made) return made;
  for (const std::string& parent : to_sync) {
    if (auto synced = disk.sync_folder(parent); !synced) return synced;
  }
  return {};
}

Result<void> replace_file(Disk& disk, const std::string& path, Bytes content, Disk::Open how) {
  const std::string temporary = path + ".tmp";
  auto file = disk.open(temporary, how);
  if (!file) return fail(file.error());
  // A crash may have left an unfinished one.
  Result<void> done = (*file)->truncate(0);
  if (done) done = (*file)->append(content);
  if (done) done = (*file)->sync_now();
  if (done) done = disk.rename(temporary, path);
  if (!done) {
    (void)disk.remove(temporary);  // on a full disk it takes the place of something that is needed
    return done;
  }
  return disk.sync_folder(parent_of(path));
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
