// Router: one Kafka endpoint before many clusters.
//
//   Router ── Picture (routes, virtual cluster, sites)   what is known
//          ── Answers                                    what spans clusters
//          ── Endpoint per port ── Session per client    what passes as bytes
//
// A router keeps nothing on disk: routes come from the YAML and from the clusters, so that any
// number of routers with the same YAML show the same. It lives on one loop; who has more clients
// than one core serves runs several.
#pragma once

#include <memory>
#include <vector>

#include "base/log.h"
#include "io/env.h"
#include "process/role.h"
#include "process/router_config.h"
#include "process/tls_store.h"
#include "router/endpoint.h"
#include "router/overview.h"
#include "server/audit.h"

namespace isthmus::router {

class Router : public process::Role {
 public:
  Router(io::Env& env, process::RouterConfig config);
  ~Router() override;

  // Waits a little for the clusters, so that their nodes get their ports in the order of cluster
  // and id. Serves also when none of them answers.
  io::Task<Result<void>> start() override;
  io::Task<void> drain() override;
  // Routes only: clusters, ports and names stay as they were until a restart.
  Result<void> reload(std::string_view text, const std::string& file) override;
  io::Task<process::Status> status() override;
  io::Task<Samples> measure() override;
  void note(server::AuditEvent event) override;

  const Picture& picture() const { return picture_; }
  io::Address bootstrap() const { return endpoints_.front()->address(); }  // once started

 private:
  // A site has said something new.
  void site_changed(Site& site);
  // Reads certificates and makes the sites. Once, before anything is dialled or served.
  Result<void> secure();
  Door door(std::string name, io::Address bind) const;
  Result<void> learn_nodes(Site& site);
  void learn_routes(const Site& site);
  Result<void> open_endpoints();
  io::Task<Result<void>> meet_sites();
  io::Task<void> watch_sessions();

  io::Env env_;  // with the main loop alone
  io::Loop& loop_;
  process::RouterConfig config_;
  Logger log_{LogComponent::router};
  Picture picture_;
  Answers answers_;
  process::TlsStore tls_;
  server::Audit audit_;
  process::TlsIdentity edge_;  // of all ports
  io::Gate gate_;
  io::Event closing_;
  std::unique_ptr<Overview> overview_;                // where there is an admin port
  std::vector<std::unique_ptr<Endpoint>> endpoints_;  // the first is the bootstrap
  std::string port_trouble_;                          // logged once
  bool started_ = false;
};

std::unique_ptr<process::Role> make_router(io::Env& env, process::RouterConfig config);

}  // namespace isthmus::router
