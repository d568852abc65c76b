#include "router/site.h"

#include <fmt/core.h>

#include <algorithm>
#include <utility>

namespace isthmus::router {

namespace {

constexpr auto record_wait = io::milliseconds(500);
// A site that answers at once, with nothing new, is not asked in a rush.
constexpr auto least_interval = io::milliseconds(100);
constexpr auto pause_after_silence = std::chrono::seconds(1);
// A site that does not answer so small a question in this time is away.
constexpr auto site_timeout = std::chrono::seconds(3);
// Nor one that is tried before its site counts as away: it has started again, or has not.
constexpr auto due_timeout = std::chrono::seconds(1);
constexpr auto metadata_interval = std::chrono::seconds(5);

client::ClusterOptions cluster_options(const std::string& name,
                                       const process::RoutedCluster& config,
                                       const client::Security& security) {
  client::ClusterOptions options;
  options.name = name;
  options.bootstrap = config.bootstrap_servers;
  // All topics: while a site is away, those who ask for all topics are told what was there.
  options.all_topics = true;
  options.dial_timeout = site_timeout;
  options.most_backoff = pause_after_silence;
  options.connection.client_id = "isthmus-router";
  options.connection.security = security;
  return options;
}

}  // namespace

Site::Site(io::Env& env, std::string name, process::RoutedCluster config, client::Security security,
           Changed changed)
    : env_(env),
      loop_(env.main_loop()),
      name_(std::move(name)),
      config_(std::move(config)),
      security_(std::move(security)),
      changed_(std::move(changed)),
      log_(LogComponent::router, "site " + name_),
      cluster_(env, loop_, cluster_options(name_, config_, security_)),
      guests_(env, loop_, cluster_options(name_, config_, security_)),
      gate_(loop_),
      closing_(loop_),
      look_(loop_),
      due_(loop_),
      answered_(loop_) {
  for (const io::Address& address : config_.inside) inside_.push_back({.address = address});
}

void Site::start() {
  for (Inside& inside : inside_) gate_.spawn("inside", watch_inside(inside));
  gate_.spawn("metadata", watch_metadata());
}

std::optional<client::Person> Site::person(const server::ConnectionContext& client) const {
  const bool secured = security_.tls || security_.log_in;
  const bool is_known = client.principal != kafka::Principal{};
  if (!is_isthmus() || !(secured || is_known)) return std::nullopt;
  return client::Person{client.principal, client.peer.host};
}

client::Cluster& Site::cluster_for(const server::ConnectionContext& client) {
  const auto who = person(client);
  return who ? guests_.of(*who) : cluster_;
}

io::Task<void> Site::close() {
  closing_.close();
  look_.close();
  due_.close();
  answered_.close();
  gate_.begin_close();
  for (Inside& inside : inside_) {
    if (inside.connection) inside.connection->close();
  }
  co_await guests_.close();
  co_await cluster_.close();
  co_await gate_.close();
}

io::Task<void> Site::first_answer(io::Instant deadline) {
  while (!was_tried_ || (reachable_ && !metadata_known_)) {
    const bool in_time = co_await answered_.wait_until(deadline);
    if (!in_time || closing_.closed()) co_return;
  }
}

io::Task<bool> Site::pause(io::Duration duration) {
  co_await closing_.wait_until(loop_.now() + duration);
  co_return !closing_.closed();
}

io::Task<bool> Site::pause_until_due(const Inside& inside) {
  const io::Instant due = loop_.now() + pause_after_silence;
  while (!inside.is_due && !closing_.closed() && loop_.now() < due) co_await due_.wait_until(due);
  co_return !closing_.closed();
}

const io::Address& Site::inside_address() const {
  const auto found = std::ranges::find(inside_, true, &Inside::answers);
  return found == inside_.end() ? inside_.front().address : found->address;
}

io::Task<void> Site::watch_inside(Inside& inside) {
  client::ConnectionOptions options;
  options.client_id = "isthmus-router";
  options.security = security_;
  for (bool go_on = true; go_on;) {
    const io::Instant deadline = loop_.now() + (inside.is_due ? due_timeout : site_timeout);
    auto opened = co_await client::Connection::open(env_, gate_, inside.address, options, deadline);
    if (opened) {
      inside.connection = std::move(*opened);
      const Error ended = co_await poll(inside);
      inside.connection->close();
      note_silence(inside, ended);
    } else {
      note_silence(inside, opened.error());
    }
    go_on = co_await pause_until_due(inside);
  }
}

// Until it does not answer; why.
io::Task<Error> Site::poll(Inside& inside) {
  if (!inside.connection->version_for(kafka::ApiKey::site_record)) {
    co_return Error::message(
        "its inside listener does not speak SiteRecord: its brokers are older than this router, "
        "update them first");
  }
  kafka::SiteRecordRequest request;
  request.max_wait_ms = static_cast<int32_t>(record_wait.count());
  for (bool go_on = true; go_on;) {
    const io::Instant asked = loop_.now();
    auto told = co_await inside.connection->call(request, asked + site_timeout);
    if (!told) co_return told.error();
    auto taken = take_over(*told);
    if (!taken) co_return taken.error();
    note_answer(inside);
    const bool is_news = std::exchange(request.known_version, told->version) != told->version;
    const io::Instant next = is_news ? loop_.now() : asked + least_interval;
    go_on = co_await pause(std::max(io::Duration::zero(), next - loop_.now()));
  }
  co_return Error::closed("closing");
}

Result<void> Site::take_over(const kafka::SiteRecordResponse& told) {
  if (told.error_code != kafka::ErrorCode::none) {
    return fail("SiteRecord is answered with " + std::string(kafka::error_name(told.error_code)));
  }
  if (told.name != name_) {
    return fail(fmt::format(
        "its inside listener says that this is {}; correct clusters.{}.inside, or its name",
        told.name, name_));
  }
  auto routes = kafka::takeovers_in(told.routes, told.route_version, told.name);
  if (takeovers_.merge(routes)) changed_(*this);
  return {};
}

io::Task<void> Site::watch_metadata() {
  while (!closing_.closed()) {
    const io::Instant deadline = loop_.now() + site_timeout;
    auto refreshed = co_await cluster_.refresh(deadline);
    if (closing_.closed()) co_return;
    if (refreshed) {
      auto connection = co_await cluster_.any(deadline);
      if (connection) {
        versions_.clear();
        for (const auto& api : kafka::all_apis()) {
          const auto key = static_cast<int16_t>(api.key);
          if (const auto range = (*connection)->range_of(key)) versions_[key] = *range;
        }
      }
      metadata_known_ = true;
      changed_(*this);
      if (config_.inside.empty()) note_answer();
    } else if (config_.inside.empty()) {
      note_silence(refreshed.error());
    }
    answered_.notify_all();
    const auto interval = refreshed ? io::Duration(metadata_interval) : pause_after_silence;
    co_await look_.wait_until(loop_.now() + interval);
  }
}

void Site::learn(const kafka::MetadataResponse& told) {
  const auto before = cluster_.metadata().brokers();
  cluster_.metadata().update(told, false);
  if (cluster_.metadata().brokers() != before) changed_(*this);
}

void Site::note_answer(Inside& inside) {
  const bool is_news = inside.was_tried && !inside.answers;
  if (is_news && reachable_) log_.info("inside={} answers again", inside.address.to_string());
  inside.was_tried = inside.answers = true;
  for (Inside& each : inside_) each.is_due = false;
  note_answer();
}

void Site::note_silence(Inside& inside, const Error& why) {
  const bool is_news = !inside.was_tried || inside.answers;
  const bool has_answered = inside.answers;
  inside.was_tried = true;
  inside.answers = inside.is_due = false;
  const bool any = std::ranges::any_of(inside_, &Inside::answers);
  if (has_answered && !any) {
    for (Inside& other : inside_) other.is_due = &other != &inside;
    due_.notify_all();
  }
  const bool all_tried = std::ranges::all_of(
      inside_, [](const Inside& each) { return each.was_tried && !each.is_due; });
  if (!any && all_tried) return note_silence(why);
  if (!is_news || closing_.closed()) return;
  log_.warn("inside={} does not answer: {}", inside.address.to_string(), why.text);
}

void Site::note_answer() {
  last_contact_ = loop_.now();
  was_tried_ = true;
  if (!reachable_ && !refused_) {
    reachable_ = true;
    trouble_.clear();
    log_.info("answers");
    look_again();
    changed_(*this);
  }
  answered_.notify_all();
}

void Site::note_silence(const Error& why) {
  if (closing_.closed()) return;
  const bool is_news = reachable_ || !was_tried_;
  was_tried_ = true;
  reachable_ = false;
  if (!refused_) trouble_ = why.text;
  if (is_news) {
    log_.warn("does not answer: {}", why.text);
    changed_(*this);
  }
  answered_.notify_all();
}

void Site::refuse(const std::string& why) {
  if (refused_) return;
  refused_ = true;
  reachable_ = false;
  trouble_ = why;
  log_.error("not used: {}", why);
  changed_(*this);
}

}  // namespace isthmus::router
