#include "router/router.h"

#include <fmt/core.h>

#include <algorithm>

#include "process/options.h"
#include "router/status.h"

namespace isthmus::router {

namespace {

constexpr auto patience_at_start = std::chrono::seconds(4);
constexpr auto drain_grace = std::chrono::seconds(2);
constexpr auto session_check_interval = std::chrono::seconds(1);

std::vector<RealNode> nodes_of(const Site& site) {
  std::vector<RealNode> nodes;
  for (const auto& [id, broker] : site.cluster().metadata().brokers()) {
    nodes.push_back({id, broker.address, broker.rack});
  }
  return nodes;
}

void measure_compression(const CompressedTraffic& traffic, Samples& samples) {
  for (const auto& [of, counts] : traffic) {
    const std::string& site = of.first;
    const std::string codec(kafka::compression_name(of.second));
    for (size_t i = 0; i < counts.batches.size(); ++i) {
      samples.add(metric::compression_batches, static_cast<double>(counts.batches[i]),
                  {site, codec, std::string(kafka::recompression_names[i])});
    }
    samples.add(metric::compression_batches, static_cast<double>(counts.too_old),
                {site, codec, "request_too_old"});
    samples.add(metric::compression_bytes, static_cast<double>(counts.bytes_in),
                {site, codec, "in"});
    samples.add(metric::compression_bytes, static_cast<double>(counts.bytes_out),
                {site, codec, "out"});
    samples.add(metric::compression_cpu_seconds, counts.cpu_seconds, {site, codec});
  }
}

}  // namespace

Router::Router(io::Env& env, process::RouterConfig config)
    : env_{{&env.main_loop()}, env.disk, env.network, env.random, env.workers},
      loop_(env.main_loop()),
      config_(std::move(config)),
      picture_(loop_, config_),
      answers_(loop_, picture_),
      tls_(config_.tls),
      audit_(env_, {.file = config_.audit.file, .to_stderr = config_.audit.to_stderr}),
      gate_(loop_),
      closing_(loop_) {}

Router::~Router() = default;

Result<void> Router::secure() {
  const auto now = process::time_of(loop_);
  auto edge = tls_.listen(config_.virtual_cluster.security, false, now);
  if (!edge) return fail(edge.error());
  edge_ = std::move(*edge);
  for (const auto& [name, cluster] : config_.clusters) {
    auto identity = tls_.dial(cluster.security, now);
    if (!identity) return fail(identity.error());
    const auto changed = [this](Site& site) { site_changed(site); };
    picture_.sites[name] = std::make_unique<Site>(
        env_, name, cluster,
        client::Security{std::move(*identity), process::log_in_of(cluster.security)}, changed);
  }
  return {};
}

Door Router::door(std::string name, io::Address bind) const {
  const auto& security = config_.virtual_cluster.security;
  server::ListenerOptions listener{std::move(name), std::move(bind)};
  listener.tls = edge_;
  listener.principal_of = process::principal_of(security);
  listener.wants_log_in = security.asks_for_log_in();
  listener.proxies = security.proxies;
  return {std::move(listener), security.mechanisms};
}

io::Task<Result<void>> Router::start() {
  auto secured = secure();
  if (!secured) co_return secured;
  if (auto opened = audit_.open(); !opened) co_return opened;
  auto met = co_await meet_sites();
  if (!met) co_return met;
  auto bootstrap = Endpoint::open(env_, picture_, answers_, audit_, std::nullopt,
                                  door("bootstrap", picture_.virtual_cluster.bootstrap()));
  if (!bootstrap) co_return fail(bootstrap.error());
  endpoints_.push_back(std::move(*bootstrap));
  auto opened = open_endpoints();
  if (!opened) co_return opened;
  started_ = true;
  gate_.spawn("sessions", watch_sessions());
  if (config_.admin.bind) {
    overview_ = std::make_unique<Overview>(env_, picture_);
    for (const auto& [name, site] : picture_.sites) {
      if (site->is_isthmus()) gate_.spawn("overview", overview_->watch(*site, closing_));
    }
  }
  gate_.spawn("certificates", tls_.watch(closing_));
  if (audit_.enabled()) gate_.spawn("audit", audit_.keep_writing(closing_));
  log_.info("virtual cluster {} id={} serves at {} with {} nodes", picture_.virtual_cluster.name(),
            picture_.virtual_cluster.id(), endpoints_.front()->address().to_string(),
            picture_.virtual_cluster.nodes().size());
  co_return Result<void>{};
}

io::Task<Result<void>> Router::meet_sites() {
  const io::Instant deadline = loop_.now() + patience_at_start;
  for (auto& [name, site] : picture_.sites) site->start();
  for (auto& [name, site] : picture_.sites) {
    co_await site->first_answer(deadline);
    auto learned = learn_nodes(*site);
    if (!learned) co_return learned;
    const std::string left_out = picture_.virtual_cluster.left_out();
    if (!left_out.empty()) co_return fail(left_out);
    learn_routes(*site);
  }
  co_return Result<void>{};
}

void Router::site_changed(Site& site) {
  if (!started_) return;
  learn_routes(site);
  auto learned = learn_nodes(site);
  if (!learned) site.refuse(learned.error().text);
  auto opened = open_endpoints();
  // A broker that has joined its cluster is no reason to leave the others.
  const std::string trouble = opened ? picture_.virtual_cluster.left_out() : opened.error().text;
  if (!trouble.empty() && trouble != port_trouble_) log_.error("{}", trouble);
  port_trouble_ = trouble;
  picture_.news.notify_all();
}

Result<void> Router::learn_nodes(Site& site) {
  return picture_.virtual_cluster.learn(site.name(), nodes_of(site));
}

void Router::learn_routes(const Site& site) {
  if (!picture_.routes.merge(site.takeovers())) return;
  std::string moves;
  for (const auto& [from, to] : picture_.routes.takeovers().moved()) {
    moves += fmt::format(" {}->{}", from, to);
    if (picture_.site(to) == nullptr) {
      log_.error("{} has taken over the routes of {}, but is not among clusters; add it", to, from);
    }
  }
  log_.info("routes version={} from={}:{}", site.takeovers().version(), site.name(),
            moves.empty() ? " as in the file" : moves);
  for (auto& endpoint : endpoints_) endpoint->cut_silent_sessions();
  for (const auto& [name, known] : picture_.sites) known->look_again();  // under new epochs
}

Result<void> Router::open_endpoints() {
  if (picture_.virtual_cluster.has_names()) return {};  // the bootstrap's port is theirs
  for (const auto& [id, node] : picture_.virtual_cluster.nodes()) {
    const bool is_open =
        std::ranges::any_of(endpoints_, [&](const auto& endpoint) { return endpoint->serves(id); });
    if (is_open) continue;
    auto opened =
        Endpoint::open(env_, picture_, answers_, audit_, id,
                       door(fmt::format("node {}", id), picture_.virtual_cluster.bind(node)));
    if (!opened) return fail(opened.error());
    endpoints_.push_back(std::move(*opened));
    log_.info("node {} of {} at port {}", id, node.cluster, node.port);
  }
  return {};
}

io::Task<void> Router::watch_sessions() {
  while (!closing_.closed()) {
    co_await closing_.wait_until(loop_.now() + session_check_interval);
    for (auto& endpoint : endpoints_) {
      endpoint->cut_silent_sessions();
      endpoint->close_stalled_readers();
    }
  }
}

io::Task<void> Router::drain() {
  started_ = false;
  closing_.close();
  if (overview_) co_await overview_->close();
  co_await gate_.close();
  io::Gate endpoints(loop_);
  for (auto& endpoint : endpoints_) endpoints.spawn("endpoint", endpoint->close(drain_grace));
  co_await endpoints.close();
  co_await audit_.flush();
  for (auto& [name, site] : picture_.sites) co_await site->close();
}

Result<void> Router::reload(std::string_view text, const std::string& file) {
  auto config = process::parse_config<process::RouterConfig>(text, file);
  if (!config) return fail(config.error());
  for (const auto& route : config->routes) {
    const std::string& cluster = route.fallback.empty() ? route.cluster : route.fallback;
    if (picture_.site(cluster) == nullptr) {
      return fail(
          fmt::format("{}: cluster {} is new; restart the router to add it", file, cluster));
    }
  }
  tls_.look(process::time_of(loop_));
  audit_.reopen();
  picture_.routes.reload(config->routes);
  config_.routes = std::move(config->routes);
  return {};
}

io::Task<process::Status> Router::status() {
  return io::ready(status_of(picture_, config_.routes, endpoints_, overview_.get(), loop_.now()));
}

// Endpoints come while this waits for a loop, and go in drain() only.
io::Task<Samples> Router::measure() {
  Samples samples;
  for (size_t i = 0; i < endpoints_.size(); ++i) co_await endpoints_[i]->measure(samples);
  for (const auto& [name, site] : picture_.sites) {
    samples.add(metric::site_up, site->reachable() ? 1 : 0, {name});
  }
  samples.add(metric::route_version, static_cast<double>(picture_.routes.takeovers().version()));
  samples.add(metric::router_waiting_bytes, static_cast<double>(picture_.waiting.used()));
  tls_.add_to(samples);
  audit_.add_to(samples);
  measure_compression(picture_.compressed, samples);
  co_return samples;
}

void Router::note(server::AuditEvent event) {
  if (started_ && audit_.enabled()) audit_.note(std::move(event), loop_.now());
}

std::unique_ptr<process::Role> make_router(io::Env& env, process::RouterConfig config) {
  return std::make_unique<Router>(env, std::move(config));
}

}  // namespace isthmus::router
