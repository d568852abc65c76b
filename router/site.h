// Site: one cluster behind the router: whether it answers, who its brokers are, what it
// understands, and what it knows of routes that were taken over.
//
// Two conversations keep that up to date. One waits at the inside listener for another record
// (SiteRecord), because a switchover is over only when the routers know: the answer comes at once
// when there is one, and otherwise twice a second, to show that the site is there. The other asks
// for metadata, less often. A cluster that is not Isthmus has no inside listener: its metadata say
// whether it answers. What a site said last is kept while it does not answer.
//
// Owned by the router, on its loop.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>

#include "base/log.h"
#include "client/cluster.h"
#include "kafka/gen/site_record.h"
#include "process/router_config.h"
#include "router/guests.h"
#include "router/routes.h"
#include "server/service.h"

namespace isthmus::router {

// Versions of an API, both ends included.
using VersionRange = std::pair<int16_t, int16_t>;

class Site {
 public:
  using Changed = std::function<void(Site&)>;

  // `changed` is told whenever something of what follows is no longer as it was.
  Site(io::Env& env, std::string name, process::RoutedCluster config, client::Security security,
       Changed changed);

  void start();
  io::Task<void> close();
  // Returns when each conversation has had one answer, or at the deadline.
  io::Task<void> first_answer(io::Instant deadline);
  // Something was seen that the metadata do not explain: asks for them now.
  void look_again() { look_.notify_all(); }

  // How its nodes are dialled.
  const client::Security& security() const { return security_; }
  // Whom a connection to one of its nodes is lent to for this client; nobody where the site takes
  // whoever reaches it, and the router knows nothing of its clients.
  std::optional<client::Person> person(const server::ConnectionContext& client) const;
  // Who asks for this client.
  client::Cluster& cluster_for(const server::ConnectionContext& client);
  const std::string& name() const { return name_; }
  client::Cluster& cluster() { return cluster_; }
  const client::Cluster& cluster() const { return cluster_; }

  // It serves the private API, so we know what its brokers say. They name no addresses to readers.
  bool is_isthmus() const { return !config_.inside.empty(); }
  // REQUIRES: is_isthmus(). The one that answered last.
  const io::Address& inside_address() const {
    return config_.inside[inside_turn_ % config_.inside.size()];
  }
  bool reachable() const { return reachable_; }
  const std::string& trouble() const { return trouble_; }  // why it is not reachable, one line
  io::Instant last_contact() const { return last_contact_; }
  const kafka::Takeovers& takeovers() const { return takeovers_; }
  // By key, empty until the first answer; private APIs are among them if the cluster says so.
  const std::map<int16_t, VersionRange>& versions() const { return versions_; }

  // Not to be used, and why: the operator must act.
  void refuse(const std::string& why);

 private:
  io::Task<void> watch_inside();
  io::Task<void> poll(client::Connection& connection);
  io::Task<void> watch_metadata();
  Result<void> take_over(const kafka::SiteRecordResponse& told);
  void note_answer();
  void note_silence(const Error& why);
  // False when the site is closing.
  io::Task<bool> pause(io::Duration duration);

  io::Env& env_;
  io::Loop& loop_;
  const std::string name_;
  const process::RoutedCluster config_;
  const client::Security security_;
  const Changed changed_;
  Logger log_;
  client::Cluster cluster_;
  Guests guests_;
  io::Gate gate_;
  io::Event closing_;
  io::Event look_;
  io::Event answered_;
  std::unique_ptr<client::Connection> inside_;
  size_t inside_turn_ = 0;

  bool reachable_ = false;
  bool refused_ = false;
  bool metadata_known_ = false;
  int attempts_ = 0;  // of the conversation that says whether it answers
  std::string trouble_ = "has not answered yet";
  io::Instant last_contact_{};
  kafka::Takeovers takeovers_;
  std::map<int16_t, VersionRange> versions_;
};

}  // namespace isthmus::router
