#include "broker/coordinator/runtime.h"

#include <algorithm>

#include "base/check.h"
#include "broker/coordinator/key_partition.h"
#include "broker/replica/fence_wait.h"
#include "io/turn_watch.h"

namespace isthmus::broker {

using kafka::ErrorCode;

namespace {

constexpr io::milliseconds load_retry{2'000};
// Between slices of them, others go on.
constexpr size_t expired_per_slice = 100;

}  // namespace

CoordinatorRuntime::CoordinatorRuntime(io::Loop& loop, Journal& journal, CoordinatorKind& kind,
                                       Options options)
    : loop_(loop),
      journal_(journal),
      kind_(kind),
      options_(std::move(options)),
      log_(LogComponent::groups, options_.name),
      fences_(loop),
      requests_(loop),
      loads_(loop),
      changed_(loop),
      stop_(loop),
      gate_(loop) {}

CoordinatorRuntime::~CoordinatorRuntime() {
  if (loop_.has_ended()) return;
  CHECK(requests_.running() == 0 && partitions_.empty(), "the coordinator was not drained");
}

void CoordinatorRuntime::lead(PartitionIndex index, LeaderEpoch leader_epoch) {
  if (closing_) return;
  const auto led = partitions_.find(index);
  if (led != partitions_.end() && led->second.term->leader_epoch() >= leader_epoch) return;
  resign(index);
  const TermPtr term = std::make_shared<Term>(index, leader_epoch, journal_, loop_);
  partitions_[index].term = term;
  gate_.spawn("load " + options_.name, load(term));
  if (!expiring_) expiring_ = gate_.spawn("expire " + options_.name, expire());
}

void CoordinatorRuntime::resign(PartitionIndex index) { end_term(index, Term::State::lost); }

void CoordinatorRuntime::end_term(PartitionIndex index, Term::State state) {
  const auto led = partitions_.find(index);
  if (led == partitions_.end()) return;
  led->second.term->state_ = state;
  led->second.term->over_.close();
  const Keyed hosted = std::move(led->second.hosted);
  partitions_.erase(led);
  changed_.notify_all();
  for (const auto& [key, each] : hosted) {
    stop_timer(*each);
    each->refuse_waiting(ErrorCode::not_coordinator);
  }
  if (hosted.empty()) return;
  log_.info("resigned partition={} {}={}", index, options_.name, hosted.size());
}

io::Task<bool> CoordinatorRuntime::loaded(io::Instant deadline) {
  while (!closing_ && is_loading()) {
    const bool in_time = co_await changed_.wait_until(deadline);
    if (!in_time) co_return false;
  }
  co_return !closing_;
}

std::vector<std::pair<PartitionIndex, LeaderEpoch>> CoordinatorRuntime::served() const {
  std::vector<std::pair<PartitionIndex, LeaderEpoch>> all;
  for (const auto& [index, partition] : partitions_) {
    if (partition.loaded) all.emplace_back(index, partition.term->leader_epoch());
  }
  return all;
}

bool CoordinatorRuntime::is_loading() const {
  return std::ranges::any_of(partitions_, [](const auto& led) { return !led.second.loaded; });
}

io::Task<void> CoordinatorRuntime::drain() {
  closing_ = true;
  fences_.end_waits();
  changed_.notify_all();
  while (!partitions_.empty()) end_term(partitions_.begin()->first, Term::State::ended);
  stop_.close();
  co_await requests_.ended();
  co_await gate_.close();
}

io::Task<void> CoordinatorRuntime::load(TermPtr term) {
  while (!term->is_over()) {
    Result<void> result = co_await load_in_turn(term);
    if (result || term->is_over()) co_return;
    // Without a record that we cannot read we might answer with an old state: rather none at all.
    log_.error("cannot load partition={} of {}, trying again: {}", term->partition(),
               options_.topic, result.error().text);
    co_await term->over().wait_until(loop_.now() + load_retry);
  }
}

// One partition after the other: the slices of many at once would hold up the loop together.
io::Task<Result<void>> CoordinatorRuntime::load_in_turn(TermPtr term) {
  co_await loads_.ended();
  const io::InFlight::Hold turn(loads_);
  if (term->is_over()) co_return Result<void>{};
  io::doing(options_.loading);
  const std::shared_ptr<Loader> loader = kind_.loader(term);
  auto visit = [term, loader](const JournalRecord& record) -> Result<void> {
    // A log may be long: who stops, or leads no more, does not wait for its end.
    if (term->is_over()) return fail(Error::closed("resigned"));
    return loader->visit(record);
  };
  Result<void> result = co_await journal_.replay(term->partition(), std::move(visit));
  if (!result) co_return result;
  Keyed hosted;
  for (auto made = loader->make(); !made.empty(); made = loader->make()) {
    for (auto& each : made) hosted.emplace(each->key(), std::move(each));
    co_await io::yield(loop_);
    if (term->is_over()) co_return result;
  }
  if (!term->is_over()) serve(*term, std::move(hosted));
  co_return result;
}

void CoordinatorRuntime::serve(const Term& term, Keyed hosted) {
  Partition& partition = partitions_.at(term.partition());
  CHECK(partition.term.get() == &term && !partition.loaded, "a term that stands is loaded once");
  partition.hosted = std::move(hosted);
  partition.loaded = true;
  log_.debug("loaded partition={} {}={}", term.partition(), options_.name, partition.hosted.size());
  std::vector<HostedPtr> all;
  for (const auto& [key, each] : partition.hosted) {
    arm(*each);
    all.push_back(each);
  }
  kind_.served(all);
  changed_.notify_all();
}

const CoordinatorRuntime::Partition* CoordinatorRuntime::partition_of(
    const std::string& key) const {
  const auto led = partitions_.find(partition_of_key(key, options_.partitions));
  return led == partitions_.end() ? nullptr : &led->second;
}

ErrorCode CoordinatorRuntime::check(const std::string& key) const {
  const Partition* partition = partition_of(key);
  if (closing_ || !partition) return ErrorCode::not_coordinator;
  return partition->loaded ? ErrorCode::none : ErrorCode::coordinator_load_in_progress;
}

io::Task<ErrorCode> CoordinatorRuntime::pass(std::string key) {
  const bool is_here = co_await fences_.pass(key);
  if (!is_here || fences_.hold(key)) co_return ErrorCode::not_coordinator;
  co_return check(key);
}

HostedPtr CoordinatorRuntime::find(const std::string& key) const {
  const Partition* partition = partition_of(key);
  if (!partition) return nullptr;
  const auto found = partition->hosted.find(key);
  return found == partition->hosted.end() ? nullptr : found->second;
}

TermPtr CoordinatorRuntime::term_of(const std::string& key) const {
  const Partition* partition = partition_of(key);
  CHECK(partition && partition->loaded, "nothing begins in a partition that is not served");
  return partition->term;
}

void CoordinatorRuntime::add(HostedPtr hosted) {
  Partition& partition = partitions_.at(hosted->term()->partition());
  CHECK(partition.term == hosted->term() && partition.loaded, "it begins in the term that stands");
  const bool is_new = partition.hosted.emplace(hosted->key(), hosted).second;
  CHECK(is_new, "a key is hosted once");
}

void CoordinatorRuntime::remove(Hosted& hosted) {
  if (hosted.is_gone()) return;
  const HostedPtr alive = hosted.shared_from_this();
  hosted.removed_ = true;
  stop_timer(hosted);
  partitions_.at(hosted.term()->partition()).hosted.erase(hosted.key());
  hosted.refuse_waiting(ErrorCode::coordinator_not_available);
}

std::vector<HostedPtr> CoordinatorRuntime::all() const {
  std::vector<HostedPtr> all;
  for (const auto& [index, partition] : partitions_) {
    for (const auto& [key, hosted] : partition.hosted) all.push_back(hosted);
  }
  return all;
}

std::vector<std::string> CoordinatorRuntime::keys() const {
  std::vector<std::string> keys;
  for (const auto& [index, partition] : partitions_) {
    for (const auto& [key, hosted] : partition.hosted) keys.push_back(key);
  }
  std::ranges::sort(keys);
  return keys;
}

// One timer each, at its earliest deadline. Deadlines mostly move away (each heartbeat moves one):
// then the timer stays, fires early, finds nothing to do and is set again.
void CoordinatorRuntime::arm(Hosted& hosted) {
  if (hosted.is_gone() || fences_.hold(hosted.key())) return;
  const auto next = hosted.next_deadline();
  if (!next) return;
  if (hosted.timer_ != 0) {
    if (hosted.timer_at_ <= *next) return;
    loop_.cancel(hosted.timer_);
  }
  hosted.timer_at_ = *next;
  hosted.timer_ =
      loop_.run_at(*next, [this, alive = hosted.shared_from_this()] { on_timer(*alive); });
}

void CoordinatorRuntime::stop_timer(Hosted& hosted) {
  loop_.cancel(std::exchange(hosted.timer_, 0));
}

void CoordinatorRuntime::on_timer(Hosted& hosted) {
  hosted.timer_ = 0;
  if (hosted.is_gone() || fences_.hold(hosted.key())) return;
  hosted.tick();
  arm(hosted);
}

io::Task<void> CoordinatorRuntime::expire() {
  while (!stop_.closed()) {
    co_await stop_.wait_until(loop_.now() + options_.expire_every);
    std::vector<HostedPtr> all;
    for (const auto& [index, partition] : partitions_) {
      if (!journal_.writable(index)) continue;
      for (const auto& [key, hosted] : partition.hosted) all.push_back(hosted);
    }
    for (size_t i = 0; i < all.size() && !stop_.closed(); ++i) {
      if (!all[i]->is_gone()) co_await all[i]->expire();
      if (i % expired_per_slice == 0) co_await io::yield(loop_);
    }
  }
}

void CoordinatorRuntime::suspend(Hosted& hosted) {
  stop_timer(hosted);
  if (fences_.are_waited_for(hosted.key())) return;
  hosted.refuse_waiting(ErrorCode::not_coordinator);
}

io::Task<void> CoordinatorRuntime::writes_ended(std::vector<std::string> keys) {
  for (const std::string& key : keys) {
    const HostedPtr hosted = find(key);
    if (hosted) co_await hosted->appends.ended();
  }
}

// What waits stands still at a fence; it waits no longer than what meets the fence.
io::Task<void> CoordinatorRuntime::refuse_late(std::string fence) {
  const bool gone = co_await fences_.gone(std::move(fence), loop_.now() + fence_wait);
  if (gone) co_return;
  for (const std::string& key : keys()) {
    const HostedPtr hosted = find(key);
    if (hosted && fences_.hold(key)) hosted->refuse_waiting(ErrorCode::not_coordinator);
  }
}

io::Task<void> CoordinatorRuntime::fence(std::vector<std::string> keys, std::string id) {
  const io::InFlight::Hold hold(requests_);
  fences_.add(keys, id);
  for (const std::string& key : keys) {
    if (const HostedPtr hosted = find(key)) suspend(*hosted);
  }
  co_await writes_ended(std::move(keys));
}

io::Task<void> CoordinatorRuntime::fence_all(std::string id, CoordinatorFences::Clients clients) {
  const io::InFlight::Hold hold(requests_);
  fences_.add_for_all(id, clients);
  gate_.spawn("fence", refuse_late(id));
  std::vector<std::string> all = keys();
  for (const std::string& key : all) suspend(*find(key));
  co_await writes_ended(std::move(all));
}

void CoordinatorRuntime::unfence(const std::string& id, bool moved) {
  std::vector<std::string> were_held = keys();
  std::erase_if(were_held, [this](const std::string& key) { return !fences_.hold(key); });
  fences_.remove(id, moved);
  for (const std::string& key : were_held) {
    const HostedPtr hosted = find(key);
    if (!hosted || fences_.hold(key)) continue;
    hosted->resume();
    arm(*hosted);
  }
}

}  // namespace isthmus::broker
