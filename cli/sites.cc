#include "cli/sites.h"

#include <fmt/format.h>

#include <ranges>

#include "base/log.h"
#include "cli/output.h"
#include "client/describe_site.h"
#include "process/broker_config.h"
#include "process/config_file.h"
#include "process/mirror_config.h"

namespace isthmus::cli {
namespace {

Result<Known> known_from(const process::RouterConfig& config) {
  Known known;
  known.switchover = config.switchover;
  known.tls = config.tls;
  for (const auto& [name, cluster] : config.clusters) {
    known.sites[name] = {cluster.inside.empty() ? cluster.bootstrap_servers : cluster.inside,
                         cluster.security};
  }
  return known;
}

SiteAt at(const process::LinkEnd& end) { return {end.bootstrap_servers, end.security}; }

Result<Known> known_from(const process::MirrorConfig& config) {
  Known known;
  known.tls = config.tls;
  for (const auto& [name, link] : config.links) {
    auto ends = process::parse_link_name(name);
    if (ends) known.sites[ends->target] = at(link.target);
  }
  for (const auto& [name, link] : config.links) {
    auto ends = process::parse_link_name(name);
    if (ends) known.sites.try_emplace(ends->source, at(link.source));
  }
  return known;
}

// With the certificate that the broker itself shows there.
SiteAt at(const process::ListenerConfig& listener) {
  process::DialSecurity security;
  security.protocol = listener.security.protocol;
  security.tls = listener.security.tls;
  return {{listener.reachable_at()}, security};
}

Result<Known> known_from(const process::BrokerConfig& config) {
  Known known;
  known.tls = config.tls;
  for (const auto& listener : config.listeners) {
    // Where a log-in is wanted, the file does not say whose.
    if (listener.serves_private_api() && !listener.security.asks_for_log_in()) {
      known.sites[config.cluster.name] = at(listener);
    }
  }
  if (known.sites.empty()) {
    return fail("this site has no listener with `for: [mirrors]`, which commands need");
  }
  return known;
}

template <typename Config>
Result<Known> parse_known(const std::string& text, const std::string& file) {
  Result<Config> config = process::parse_config<Config>(text, file);
  if (!config) return fail(config.error());
  return known_from(*config);
}

Result<Known> known_in_file(const std::string& file) {
  Result<std::string> text = process::read_config_file(file);
  if (!text) return fail(text.error());
  Result<process::Product> product = process::product_of(*text, file);
  if (!product) return fail(product.error());
  switch (*product) {
    case process::Product::broker: return parse_known<process::BrokerConfig>(*text, file);
    case process::Product::mirror: return parse_known<process::MirrorConfig>(*text, file);
    case process::Product::router: return parse_known<process::RouterConfig>(*text, file);
  }
  return fail("no such role");
}

std::string listed(const SitesAt& sites) {
  return fmt::format("{}", fmt::join(std::views::keys(sites), ", "));
}

io::Task<Exit> converse(io::Env& env, Known known, std::function<io::Task<Exit>(Sites&)> work,
                        Naming naming) {
  Sites sites(env, std::move(known));
  auto named = co_await sites.learn_names(naming);
  Exit outcome = Exit::failed;
  std::exception_ptr escaped;
  if (named) {
    // Connections are closed before anybody hears of it.
    try {
      outcome = co_await work(sites);
    } catch (...) {
      escaped = std::current_exception();
    }
  } else {
    fail_with(named.error());
  }
  co_await sites.close();
  if (escaped) std::rethrow_exception(escaped);
  co_return outcome;
}

}  // namespace

void add_where(Command& command, Where& where) {
  command.option("--config", where.config_file,
                 "The file of a router, a mirror or a site that names the clusters",
                 {.type_name = "FILE"});
  command.option("--bootstrap-server", where.bootstrap_server,
                 "A listener of the cluster that is for mirrors and routers",
                 {.type_name = "HOST:PORT", .excludes = "--config"});
}

void add_cluster(Command& command, std::string& cluster) {
  command.option("--cluster", cluster, "One of the clusters, by name");
}

Result<Known> find_sites(const Where& where) {
  if (!where.config_file.empty()) return known_in_file(where.config_file);
  if (where.bootstrap_server.empty()) {
    return fail(
        "where? --config FILE (a router's, a mirror's or a site's), or "
        "--bootstrap-server HOST:PORT");
  }
  Result<io::Address> address = io::Address::parse(where.bootstrap_server);
  if (!address) return fail("--bootstrap-server: " + address.error().text);
  Known known;
  known.sites[""] = {{*address}, {}};
  return known;
}

std::vector<std::string> Sites::names(const std::string& wanted) const {
  std::vector<std::string> names;
  for (const auto& [name, at] : known_.sites) {
    if (wanted.empty() || name == wanted) names.push_back(name);
  }
  return names;
}

Result<std::string> Sites::choose(const std::string& wanted) const {
  if (!wanted.empty() && !has(wanted)) {
    return fail("no cluster '" + wanted + "' here; there is " + listed(known_.sites));
  }
  if (!wanted.empty()) return wanted;
  if (known_.sites.size() != 1) {
    return fail("which cluster? --cluster with one of " + listed(known_.sites));
  }
  return known_.sites.begin()->first;
}

Result<client::Cluster*> Sites::at(const std::string& name) {
  auto known = known_.sites.find(name);
  if (known == known_.sites.end()) {
    return fail("no cluster '" + name + "' here; there is " + listed(known_.sites));
  }
  auto& cluster = open_[name];
  if (!cluster) {
    client::ClusterOptions options;
    const SiteAt& site = known->second;
    auto tls = tls_.dial(site.security, process::time_of(loop()));
    if (!tls) return fail(tls.error());
    options.name = name.empty() ? site.addresses[0].to_string() : name;
    options.bootstrap = site.addresses;
    options.connection.security = {std::move(*tls), process::log_in_of(site.security)};
    options.dial_timeout = reach_within;
    cluster = std::make_unique<client::Cluster>(env_, loop(), std::move(options));
  }
  return cluster.get();
}

Error Sites::no_answer(const Error& error) {
  std::string text = error.text;
  if (error.kind == Error::Kind::kafka) text += " (is this a listener with `for: [mirrors]`?)";
  return Error::message(std::move(text));
}

io::Task<Result<SiteAnswer>> Sites::look(std::string name, kafka::DescribeSiteRequest request) {
  auto cluster = at(name);
  if (!cluster) co_return fail(cluster.error());
  auto connection = co_await (*cluster)->try_any(deadline());
  if (!connection) co_return fail(connection.error());
  auto answer = co_await (*connection)->call(std::move(request), deadline());
  if (!answer) co_return fail(no_answer(answer.error()));
  for (const auto& silent : answer->silent) {
    if (!silent_.emplace(answer->name, silent.node_id).second) continue;
    complain(answer->name + ": without what is led there: " + silent.reason);
  }
  co_return client::told(std::move(answer));
}

io::Task<Result<SiteAnswer>> Sites::describe(std::string name, bool topics, bool groups) {
  kafka::DescribeSiteRequest request;
  request.include_topics = topics;
  request.include_groups = groups;
  co_return co_await describe(std::move(name), std::move(request));
}

io::Task<Result<SiteAnswer>> Sites::describe(std::string name, kafka::DescribeSiteRequest request) {
  auto site = co_await look(name, std::move(request));
  if (site && !name.empty() && site->name != name) {
    co_return fail(name + ": the cluster there calls itself " + site->name);
  }
  co_return site;
}

io::Task<Result<void>> Sites::learn_names(Naming naming) {
  auto unnamed = known_.sites.find("");
  if (unnamed == known_.sites.end()) co_return Result<void>{};
  if (naming == Naming::by_address) {
    known_.sites[unnamed->second.addresses[0].to_string()] = unnamed->second;
    known_.sites.erase("");
    co_return Result<void>{};
  }
  auto site = co_await describe("", false, false);
  if (!site) co_return fail(site.error());
  known_.sites[site->name] = unnamed->second;
  known_.sites.erase("");
  co_return Result<void>{};
}

Uuid Sites::new_id() const {
  Uuid id;
  env_.random.fill(id.bytes);
  return id;
}

io::Task<void> Sites::close() {
  for (auto& [name, cluster] : open_) co_await cluster->close();
}

void without(const std::string& site, const Error& why) {
  complain("without " + site + ": " + why.text);
}

Exit with_sites(const Where& where, std::function<io::Task<Exit>(Sites&)> work, Naming naming) {
  // What a command has to say it prints itself.
  set_log_level(LogLevel::off);
  Result<Known> known = find_sites(where);
  if (!known) return fail_with(known.error());
  return run_task(
      [&](io::Env& env) { return converse(env, std::move(*known), std::move(work), naming); });
}

}  // namespace isthmus::cli
