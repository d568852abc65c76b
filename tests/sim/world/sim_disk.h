// SimDisk: a Volume as one process sees it through io::Disk. Owned by the process.
#pragma once

#include "io/disk.h"
#include "tests/sim/world/sim_loop.h"
#include "tests/sim/world/volume.h"

namespace isthmus::sim {

class SimDisk final : public io::Disk {
 public:
  SimDisk(std::shared_ptr<Volume> volume, io::Loop& clock)
      : volume_(std::move(volume)), clock_(clock) {}

  Result<std::shared_ptr<io::File>> open(const std::string& path, Open how) override;
  bool exists(const std::string& path) const override;
  Result<std::vector<std::string>> list(const std::string& folder) const override;
  Result<void> make_folders(const std::string& path) override;
  Result<void> rename(const std::string& from, const std::string& to) override;
  Result<void> remove(const std::string& path) override;
  Result<void> remove_folder(const std::string& path) override;
  Result<void> sync_folder(const std::string& path) override;
  Result<std::shared_ptr<void>> lock(const std::string& path) override;
  Result<int64_t> modified_ms(const std::string& path) const override;
  Result<io::DiskSpace> space(const std::string& path) const override;
  uint64_t max_descriptors() const override { return uint64_t{1} << 20; }
  io::Task<Result<void>> aside(Work work) override;

 private:
  std::shared_ptr<Volume> volume_;
  io::Loop& clock_;
};

}  // namespace isthmus::sim
