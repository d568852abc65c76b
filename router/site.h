// Site: one cluster behind the router: whether it answers, who its brokers are, what it
// understands, and what it knows of routes that were taken over.
//
// Conversations keep that up to date. One at each inside listener of the YAML waits for another
// record (SiteRecord), because a switchover is over only when the routers know: the answer comes at
// once when there is one, and otherwise twice a second, to show that the site is there. Of several
// brokers any may tell the news first, and the site is away when none of them answers: when the
// last one falls silent, those that did so before it, and may have started again since, are tried
// first. Another one asks for metadata, less often. A cluster that is not Isthmus has no inside
// listener: its metadata say whether it answers. What a site said last is kept while it does not
// answer.
//
// Owned by the router, on its loop.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

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
  // Metadata that one of its brokers has given to somebody else.
  void learn(const kafka::MetadataResponse& told);

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
  // REQUIRES: is_isthmus(). One that answers, if any does.
  const io::Address& inside_address() const;
  bool reachable() const { return reachable_; }
  bool closing() const { return closing_.closed(); }
  const std::string& trouble() const { return trouble_; }  // why it is not reachable, one line
  io::Instant last_contact() const { return last_contact_; }
  const kafka::Takeovers& takeovers() const { return takeovers_; }
  // By key, empty until the first answer; private APIs are among them if the cluster says so.
  const std::map<int16_t, VersionRange>& versions() const { return versions_; }

  // Not to be used, and why: the operator must act.
  void refuse(const std::string& why);

 private:
  // One inside listener, and what has come of it.
  struct Inside {
    io::Address address;
    std::unique_ptr<client::Connection> connection;
    bool was_tried = false;
    bool answers = false;
    bool is_due = false;  // nobody has answered since it was tried
  };

  io::Task<void> watch_inside(Inside& inside);
  io::Task<Error> poll(Inside& inside);
  void note_answer(Inside& inside);
  void note_silence(Inside& inside, const Error& why);
  io::Task<void> watch_metadata();
  Result<void> take_over(const kafka::SiteRecordResponse& told);
  void note_answer();
  void note_silence(const Error& why);
  // False when the site is closing.
  io::Task<bool> pause(io::Duration duration);
  // Until an inside listener that is silent has to be tried again.
  io::Task<bool> pause_until_due(const Inside& inside);

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
  io::Event due_;
  io::Event answered_;
  std::vector<Inside> inside_;  // as many, and in that order, as in the YAML

  bool reachable_ = false;
  bool refused_ = false;
  bool metadata_known_ = false;
  bool was_tried_ = false;  // we know whether it answers
  std::string trouble_ = "has not answered yet";
  io::Instant last_contact_{};
  kafka::Takeovers takeovers_;
  std::map<int16_t, VersionRange> versions_;
};

}  // namespace isthmus::router
