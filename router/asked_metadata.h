// AskedMetadata: which clients have asked for metadata lately.
//
// After a cluster has refused a produce request because it no longer leads, the client's later ones
// on that connection are refused too (router/session.h) until it knows the new leader: until it has
// asked for metadata. It asks on any of its connections, so a client is recognised by its host and
// client id. Two programs of one host with the same client id are one client here: the refusals of
// one may then end early, when the other asks, and the brokers' own checks of sequence numbers are
// what is left.
//
// A plain value, of the router (router/picture.h). Bounded: when full, who asked longest ago is
// forgotten, and is asked to ask again.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>

#include "server/service.h"

namespace isthmus::router {

class AskedMetadata {
 public:
  static constexpr size_t max_clients = 50'000;

  // Counts every question; a later moment has a greater number.
  uint64_t now() const { return asked_; }

  void note(const server::ConnectionContext& client) {
    auto [place, is_new] = latest_.try_emplace(key_of(client));
    if (!is_new) order_.erase(place->second);
    place->second = ++asked_;
    order_[asked_] = place;
    if (order_.size() <= max_clients) return;
    latest_.erase(order_.begin()->second);
    order_.erase(order_.begin());
  }

  bool since(uint64_t moment, const server::ConnectionContext& client) const {
    const auto found = latest_.find(key_of(client));
    return found != latest_.end() && found->second > moment;
  }

 private:
  using Key = std::pair<std::string, std::string>;  // host, client id
  using ByClient = std::map<Key, uint64_t>;

  static Key key_of(const server::ConnectionContext& client) {
    return {client.peer.host, client.client_id};
  }

  uint64_t asked_ = 0;
  ByClient latest_;
  std::map<uint64_t, ByClient::iterator> order_;
};

}  // namespace isthmus::router
