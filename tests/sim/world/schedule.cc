#include "tests/sim/world/schedule.h"

#include "base/check.h"

namespace isthmus::sim {

namespace {
// More than this at one instant is a loop that waits for a time that cannot come.
constexpr uint64_t steps_at_one_instant_max = 10'000'000;
}  // namespace

Schedule::Id Schedule::at(Instant when, Callback callback) {
  Id id{std::max(when, now_), ++scheduled_};
  events_.emplace(id, std::move(callback));
  return id;
}

bool Schedule::step(Instant limit) {
  if (events_.empty() || events_.begin()->first.first > limit) {
    if (limit != Instant::max()) now_ = std::max(now_, limit);
    return false;
  }
  auto next = events_.extract(events_.begin());
  auto [when, number] = next.key();
  steps_at_now_ = when == now_ ? steps_at_now_ + 1 : 0;
  CHECK(steps_at_now_ < steps_at_one_instant_max, "virtual time stands still");
  now_ = when;
  ++steps_;
  events_begun.fetch_add(1, std::memory_order_relaxed);
  note(static_cast<uint64_t>(when.time_since_epoch().count()));
  note(number);
  ran_ = nullptr;
  next.mapped()();
  return true;
}

void Schedule::clear() {
  // An event may own what schedules again when it is destroyed.
  while (!events_.empty()) events_.extract(events_.begin());
}

void Schedule::note(uint64_t value) {
  trace_ = (trace_ ^ value) * 0x100000001b3;
  trace_ ^= trace_ >> 29;
}

void Schedule::note(std::string_view text) {
  note(text.size());
  for (char c : text) note(static_cast<uint8_t>(c));
}

}  // namespace isthmus::sim
