// Leases: a small kind of coordinator, as unlike groups as it can be. Who takes a lease has it
// until it is given back or ten seconds have passed; others wait. One record per key, while it is
// taken.
#pragma once

#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "broker/coordinator/runtime.h"
#include "io/event.h"

namespace isthmus::broker {

class Leases;

class Lease final : public Hosted {
 public:
  static constexpr auto longest = std::chrono::seconds(10);

  Lease(Leases& leases, std::string key, TermPtr term);

  void set(bool taken);
  std::optional<io::Instant> next_deadline() const override { return until; }
  void tick() override;
  void refuse_waiting(kafka::ErrorCode error) override;
  void resume() override;
  io::Task<void> expire() override;

  std::optional<io::Instant> until;  // while it is taken
  std::optional<kafka::ErrorCode> refused;
  io::Event changed;

 private:
  Leases& leases_;
};
using LeasePtr = std::shared_ptr<Lease>;

class Leases final : public CoordinatorKind {
 public:
  static constexpr int32_t partitions = 2;

  Leases(io::Loop& l, Journal& journal);

  io::Task<kafka::ErrorCode> take(std::string key);
  // The record so many times, which are more batches than one.
  io::Task<kafka::ErrorCode> write(LeasePtr lease, bool taken, size_t times = 1);
  LeasePtr find(const std::string& key) const;

  io::Loop& loop;
  CoordinatorRuntime runtime;
  size_t loads = 0;    // attempts
  size_t visited = 0;  // records
  std::vector<std::string> were_served;

 private:
  class Reader;
  std::unique_ptr<Loader> loader(TermPtr term) override;
  void served(const std::vector<HostedPtr>& all) override;
};

}  // namespace isthmus::broker
