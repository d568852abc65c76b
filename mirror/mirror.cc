#include "mirror/mirror.h"

#include <nlohmann/json.hpp>
#include <vector>

#include "base/json.h"
#include "io/gate.h"
#include "mirror/link.h"
#include "process/tls_store.h"

namespace isthmus::mirror {

namespace {

nlohmann::json describe(const Link& link) {
  LinkStatus s = link.status();
  nlohmann::json json = {{"attached", s.attached},
                         {"problem", s.problem},
                         {"link_epoch", s.link_epoch},
                         {"topics", s.topics},
                         {"partitions", s.partitions},
                         {"failed", s.failed},
                         {"groups", s.groups},
                         {"held", s.held},
                         {"bytes", s.bytes},
                         {"requests", s.requests},
                         {"lag_records", s.lag_records},
                         {"lag_p50_ms", link.lag_percentile(0.50)},
                         {"lag_p99_ms", link.lag_percentile(0.99)}};
  if (s.access) {
    json["access"] = {{"acls", s.access->acls},
                      {"users", s.access->users},
                      {"quotas", s.access->quotas},
                      {"waiting", s.access->waiting},
                      {"problems", s.access->problems}};
  }
  json["lag_ms"] = s.lag_ms ? nlohmann::json(*s.lag_ms) : nlohmann::json(0);
  return json;
}

void add(Samples& samples, const std::string& link, const AccessStatus& s) {
  const std::pair<const char*, int32_t> kinds[] = {
      {"acls", s.acls}, {"users", s.users}, {"quotas", s.quotas}, {"waiting", s.waiting}};
  for (const auto& [kind, count] : kinds) {
    samples.add(metric::link_access, static_cast<double>(count), {link, kind});
  }
  samples.add(metric::link_access_problems, static_cast<double>(s.problems.size()), {link});
}

void add(Samples& samples, const std::string& link, const LinkStatus& s) {
  samples.add(metric::link_attached, s.attached ? 1 : 0, {link});
  if (!s.attached) return;
  samples.add(metric::link_lag_records, static_cast<double>(s.lag_records), {link});
  samples.add(metric::link_lag_seconds, static_cast<double>(s.lag_ms.value_or(0)) / 1000, {link});
  samples.add(metric::link_failed, static_cast<double>(s.failed), {link});
  samples.add(metric::link_groups, static_cast<double>(s.groups), {link});
  samples.add(metric::link_groups_held, static_cast<double>(s.held), {link});
  if (s.access) add(samples, link, *s.access);
  samples.add(metric::link_bytes, static_cast<double>(s.bytes), {link});
  samples.add(metric::link_requests, static_cast<double>(s.requests), {link});
}

class Mirror final : public process::Role {
 public:
  Mirror(io::Env& env, process::MirrorConfig config)
      : env_(env),
        config_(std::move(config)),
        tls_(config_.tls),
        gate_(env.main_loop()),
        stopping_(env.main_loop()) {}

  io::Task<Result<void>> start() override {
    for (const auto& [name, config] : config_.links) {
      auto ends = ends_of(config);
      if (!ends) co_return fail(ends.error());
      links_.push_back(
          std::make_unique<Link>(env_, env_.main_loop(), name, config, std::move(*ends)));
    }
    for (auto& link : links_) gate_.spawn("link " + link->name(), link->run());
    gate_.spawn("certificates", tls_.watch(stopping_));
    co_return Result<void>{};
  }

  io::Task<void> drain() override {
    stopping_.close();
    for (auto& link : links_) link->stop();
    for (auto& link : links_) co_await link->close();
    co_await gate_.close();
    links_.clear();
  }

  Result<void> reload(std::string_view text, const std::string& file) override {
    auto config = process::parse_config<process::MirrorConfig>(text, file);
    if (!config) return fail(config.error());
    tls_.look(process::time_of(env_.main_loop()));
    config_.log = config->log;  // the process sees to it
    if (process::says_the_same(*config, config_)) return {};
    return fail(file +
                ": a mirror reads its options at its start only; restart it, which costs "
                "no record and no time but its own start. Certificates have been looked at "
                "again, and the log is as the file says");
  }

  io::Task<process::Status> status() override {
    process::Status status;
    nlohmann::json links = nlohmann::json::object();
    for (const auto& link : links_) {
      links[link->name()] = describe(*link);
      if (!link->status().attached && status.reason.empty()) {
        status.reason = "link " + link->name() + ": " + link->status().problem;
      }
    }
    status.ready = status.reason.empty();
    status.json = write_json({{"role", "mirror"}, {"name", "mirror"}, {"links", links}});
    co_return status;
  }

  io::Task<Samples> measure() override {
    Samples samples;
    for (const auto& link : links_) add(samples, link->name(), link->status());
    tls_.add_to(samples);
    co_return samples;
  }

 private:
  Result<Link::Ends> ends_of(const process::LinkConfig& config) {
    const auto now = process::time_of(env_.main_loop());
    auto source = tls_.dial(config.source.security, now);
    if (!source) return fail(source.error());
    auto target = tls_.dial(config.target.security, now);
    if (!target) return fail(target.error());
    return Link::Ends{{std::move(*source), process::log_in_of(config.source.security)},
                      {std::move(*target), process::log_in_of(config.target.security)}};
  }

  io::Env& env_;
  process::MirrorConfig config_;
  process::TlsStore tls_;
  io::Gate gate_;
  io::Event stopping_;
  std::vector<std::unique_ptr<Link>> links_;
};

}  // namespace

std::unique_ptr<process::Role> make_mirror(io::Env& env, process::MirrorConfig config) {
  return std::make_unique<Mirror>(env, std::move(config));
}

}  // namespace isthmus::mirror
