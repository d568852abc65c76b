#include "broker/log/cut_mark.h"

namespace isthmus::broker {

namespace {
std::string mark_in(const std::string& folder) { return folder + "/lacks-records"; }
}  // namespace

bool has_cut_mark(io::Disk& disk, const std::string& folder) {
  return disk.exists(mark_in(folder));
}

Result<void> write_cut_mark(io::Disk& disk, const std::string& folder) {
  return io::replace_file(disk, mark_in(folder),
                          as_bytes("less than the cluster counts on is here\n"));
}

Result<void> remove_cut_mark(io::Disk& disk, const std::string& folder) {
  if (!has_cut_mark(disk, folder)) return {};
  if (auto done = disk.remove(mark_in(folder)); !done) return done;
  return disk.sync_folder(folder);
}

}  // namespace isthmus::broker
