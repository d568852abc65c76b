// PosixDisk: Disk over the system's calls; sync() waits on the pool. Private to io/, made by
// Runtime.
//
// A file's descriptor stays open as long as the File: whoever opens thousands (the log's segments)
// keeps only those it needs.
#pragma once

#include "io/disk.h"
#include "io/pool.h"

namespace isthmus::io {

class PosixDisk final : public Disk {
 public:
  explicit PosixDisk(Pool& pool) : pool_(pool) {}

  Result<std::shared_ptr<File>> open(const std::string& path, Open how) override;
  bool exists(const std::string& path) const override;
  Result<std::vector<std::string>> list(const std::string& folder) const override;
  Result<void> make_folders(const std::string& path) override;
  Result<void> rename(const std::string& from, const std::string& to) override;
  Result<void> remove(const std::string& path) override;
  Result<void> remove_folder(const std::string& path) override;
  Result<void> sync_folder(const std::string& path) override;
  Result<std::shared_ptr<void>> lock(const std::string& path) override;
  Result<int64_t> modified_ms(const std::string& path) const override;

 private:
  Pool& pool_;
};

}  // namespace isthmus::io
