#include "router/guests.h"

#include <algorithm>

namespace isthmus::router {

client::Cluster& Guests::of(const client::Person& person) {
  see_off_idle();
  if (guests_.size() >= most && !guests_.contains(person)) see_off_longest_silent();
  Guest& guest = guests_[person];
  if (!guest.cluster) {
    client::ClusterOptions options = options_;
    options.name += " for " + person.principal.to_string();
    options.connection.on_behalf_of = person;
    options.all_topics = false;
    guest.cluster = std::make_unique<client::Cluster>(env_, loop_, std::move(options));
  }
  guest.last_asked = loop_.now();
  return *guest.cluster;
}

void Guests::see_off_idle() {
  if (loop_.now() < next_look_) return;
  next_look_ = loop_.now() + kept_for / 4;
  for (auto guest = guests_.begin(); guest != guests_.end();) {
    if (loop_.now() < guest->second.last_asked + kept_for) {
      ++guest;
      continue;
    }
    gate_.spawn("guest", see_off(std::move(guest->second.cluster)));
    guest = guests_.erase(guest);
  }
}

// Its calls under way end with an error, which its client may repeat.
void Guests::see_off_longest_silent() {
  const auto by_time = [](const auto& a, const auto& b) {
    return a.second.last_asked < b.second.last_asked;
  };
  const auto silent = std::ranges::min_element(guests_, by_time);
  gate_.spawn("guest", see_off(std::move(silent->second.cluster)));
  guests_.erase(silent);
}

io::Task<void> Guests::see_off(std::unique_ptr<client::Cluster> cluster) {
  co_await cluster->close();
}

io::Task<void> Guests::close() {
  for (auto& [person, guest] : guests_) gate_.spawn("guest", see_off(std::move(guest.cluster)));
  guests_.clear();
  co_await gate_.close();
}

}  // namespace isthmus::router
