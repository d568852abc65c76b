// Hosted: something with a key of its own that a coordinator keeps in a partition of its topic: a
// group, a transactional id. A kind of coordinator derives from it; the CoordinatorRuntime finds it
// by its key, keeps its timer, and tells it what happens to its partition.
//
// Lives in one term: when the partition comes back it is another object, loaded from the log.
// Shared by the runtime and by the requests that are under way for it; on the runtime's loop.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "broker/coordinator/term.h"
#include "io/in_flight.h"
#include "io/loop.h"
#include "kafka/errors.h"

namespace isthmus::broker {

class Hosted : public std::enable_shared_from_this<Hosted> {
 public:
  Hosted(std::string key, TermPtr term, io::Loop& loop)
      : appends(loop), key_(std::move(key)), term_(std::move(term)) {}
  virtual ~Hosted() = default;
  Hosted(const Hosted&) = delete;
  Hosted& operator=(const Hosted&) = delete;

  const std::string& key() const { return key_; }
  const TermPtr& term() const { return term_; }
  // Not served any more: it was removed, or its term is over.
  bool is_gone() const { return removed_ || term_->is_over(); }

  // Writes to the journal that a fence waits for.
  io::InFlight appends;

  // When tick() is due; nullopt: never, as it stands.
  virtual std::optional<io::Instant> next_deadline() const = 0;
  virtual void tick() = 0;
  // Answers everything that waits in it with `error`. Also when it is gone, for the last time.
  virtual void refuse_waiting(kafka::ErrorCode error) = 0;
  // A fence has ended, during which clients could not report.
  virtual void resume() = 0;
  // Forgets what has become too old; asked every now and then while the journal can be written.
  virtual io::Task<void> expire() = 0;

 private:
  friend class CoordinatorRuntime;

  const std::string key_;
  const TermPtr term_;
  bool removed_ = false;
  io::Loop::TimerId timer_ = 0;
  io::Instant timer_at_;
};
using HostedPtr = std::shared_ptr<Hosted>;

}  // namespace isthmus::broker
