// Guests: connections to one cluster on behalf of those whom the router knows, each person's its
// own (client::ConnectionOptions::on_behalf_of): what the router asks for them is allowed, counted
// and written down as theirs.
//
// Those of somebody who has asked nothing for a while are closed. Owned by a Site, on the router's
// loop.
#pragma once

#include <map>
#include <memory>

#include "client/cluster.h"
#include "io/gate.h"

namespace isthmus::router {

class Guests {
 public:
  Guests(io::Env& env, io::Loop& loop, client::ClusterOptions options)
      : env_(env), loop_(loop), options_(std::move(options)), gate_(loop) {}

  // Good for `kept_for` from now, unless more than `most` others ask meanwhile.
  client::Cluster& of(const client::Person& person);
  io::Task<void> close();

  static constexpr auto kept_for = std::chrono::minutes(2);
  static constexpr size_t most = 1000;

 private:
  struct Guest {
    std::unique_ptr<client::Cluster> cluster;
    io::Instant last_asked;
  };

  void see_off_idle();
  void see_off_longest_silent();
  static io::Task<void> see_off(std::unique_ptr<client::Cluster> cluster);

  io::Env& env_;
  io::Loop& loop_;
  const client::ClusterOptions options_;
  io::Gate gate_;
  std::map<client::Person, Guest> guests_;
  io::Instant next_look_{};
};

}  // namespace isthmus::router
