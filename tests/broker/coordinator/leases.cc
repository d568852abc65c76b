#include "tests/broker/coordinator/leases.h"

namespace isthmus::broker {

using kafka::ErrorCode;

namespace {

io::Task<void> lapse(Leases& leases, LeasePtr lease) {
  co_await leases.write(std::move(lease), false);
}

}  // namespace

Lease::Lease(Leases& leases, std::string key, TermPtr term)
    : Hosted(std::move(key), std::move(term), leases.loop), changed(leases.loop), leases_(leases) {}

void Lease::set(bool taken) {
  until.reset();
  if (taken) until = leases_.loop.now() + longest;
  changed.notify_all();
  leases_.runtime.arm(*this);
}

void Lease::tick() {
  if (!until || leases_.loop.now() < *until) return;
  until.reset();
  const auto self = std::static_pointer_cast<Lease>(shared_from_this());
  leases_.runtime.spawn("lapse", lapse(leases_, self));
}

void Lease::refuse_waiting(ErrorCode error) {
  refused = error;
  changed.notify_all();
}

void Lease::resume() {
  if (until) until = leases_.loop.now() + longest;
}

// Nothing is kept of what is free.
io::Task<void> Lease::expire() {
  if (!until && appends.running() == 0) leases_.runtime.remove(*this);
  co_return;
}

class Leases::Reader final : public Loader {
 public:
  Reader(Leases& leases, TermPtr term) : leases_(leases), term_(std::move(term)) {}

  Result<void> visit(const JournalRecord& record) override {
    ++leases_.visited;
    const std::string key(as_text(record.key.view()));
    if (key == "damaged") return fail(Error::corrupt("a damaged record"));
    if (record.value) {
      taken_.insert(key);
    } else {
      taken_.erase(key);
    }
    return {};
  }
  std::vector<HostedPtr> make() override {
    if (taken_.empty()) return {};
    const std::string key = taken_.extract(taken_.begin()).value();
    auto lease = std::make_shared<Lease>(leases_, key, term_);
    lease->until = leases_.loop.now() + Lease::longest;
    return {lease};
  }

 private:
  Leases& leases_;
  const TermPtr term_;
  std::set<std::string> taken_;
};

Leases::Leases(io::Loop& l, Journal& journal)
    : loop(l),
      runtime(l, journal, *this,
              {.name = "leases",
               .topic = "__leases",
               .partitions = partitions,
               .expire_every = std::chrono::hours(1),
               .loading = "loading leases"}) {}

std::unique_ptr<Loader> Leases::loader(TermPtr term) {
  ++loads;
  return std::make_unique<Reader>(*this, std::move(term));
}

void Leases::served(const std::vector<HostedPtr>& all) {
  for (const HostedPtr& each : all) were_served.push_back(each->key());
}

io::Task<ErrorCode> Leases::take(std::string key) {
  const auto hold = runtime.begin_request();
  const ErrorCode error = co_await runtime.pass(key);
  if (error != ErrorCode::none) co_return error;
  if (!find(key)) runtime.add(std::make_shared<Lease>(*this, key, runtime.term_of(key)));
  const LeasePtr lease = find(key);
  lease->refused.reset();
  while (lease->until && !lease->refused) co_await lease->changed.wait();
  if (lease->refused) co_return *lease->refused;
  const ErrorCode written = co_await write(lease, true);
  co_return written;
}

io::Task<ErrorCode> Leases::write(LeasePtr lease, bool taken, size_t times) {
  const io::InFlight::Hold appending(lease->appends);
  JournalRecord record{Slice::copy_of(lease->key()), std::nullopt};
  if (taken) record.value = Slice::copy_of("taken");
  std::vector<JournalRecord> records(times, record);
  const Result<void> written = co_await lease->term()->append(std::move(records));
  if (!written) co_return coordinator_error(written.error());
  lease->set(taken);
  co_return ErrorCode::none;
}

LeasePtr Leases::find(const std::string& key) const {
  return std::static_pointer_cast<Lease>(runtime.find(key));
}

}  // namespace isthmus::broker
