#include "mirror/link.h"

#include "client/describe_site.h"
#include "kafka/gen/attach_link.h"
#include "kafka/link_ends.h"
#include "mirror/lanes.h"
#include "mirror/succession.h"

namespace isthmus::mirror {

using kafka::ErrorCode;

namespace {

bool is_alive(const kafka::DescribeSiteResponse::SiteLink& link) {
  std::optional<io::Duration> promised;
  if (link.next_within_ms >= 0) promised = io::milliseconds(link.next_within_ms);
  return link.contact_age_ms >= 0 && io::milliseconds(link.contact_age_ms) < alive_for(promised);
}

client::ClusterOptions options_for(const std::string& link, const char* end,
                                   const process::LinkEnd& at, client::Security security) {
  client::ClusterOptions options;
  options.name = link + " " + end;
  options.bootstrap = at.bootstrap_servers;
  options.connection.client_id = "isthmus-mirror-" + link;
  options.connection.security = std::move(security);
  return options;
}

std::string source_name(const std::string& link) {
  auto names = process::parse_link_name(link);
  return names ? names->source : link;
}

}  // namespace

Link::Link(io::Env& env, io::Loop& loop, std::string name, process::LinkConfig config, Ends ends)
    : name_(std::move(name)),
      config_(std::move(config)),
      log_(LogComponent::mirror, "link " + name_),
      loop_(loop),
      source_(env, loop, options_for(name_, "source", config_.source, std::move(ends.source))),
      target_(env, loop, options_for(name_, "target", config_.target, std::move(ends.target))),
      view_(source_, source_name(name_)),
      backoff_(env.random, io::milliseconds(100), std::chrono::seconds(2)),
      stopping_(loop) {}

Link::~Link() = default;

void Link::stop() {
  stopping_.close();
  if (session_) session_->stop(Error::closed("the mirror is stopping"));
}

io::Task<void> Link::close() {
  co_await source_.close();
  co_await target_.close();
}

// Once per state, not once per attempt.
void Link::say(const std::string& problem) {
  if (problem == problem_) return;
  problem_ = problem;
  if (!problem.empty()) log_.warn("waits: {}", problem);
}

io::Task<void> Link::run() {
  while (!stopping_.closed()) {
    auto served = co_await serve();
    if (stopping_.closed()) break;
    if (!served) say(served.error().text);
    co_await stopping_.wait_until(loop_.now() + backoff_.next());
  }
}

io::Task<Result<void>> Link::serve() {
  auto identity = co_await view_.identify(loop_.now() + attach_timeout);
  if (!identity) co_return fail(identity.error());
  auto free = co_await wait_until_free();
  if (!free) co_return free;
  auto attached = co_await attach();
  if (!attached) co_return fail(attached.error());
  say("");
  backoff_.reset();
  log_.info("attached source={} number={} epoch={}", identity->name, identity->number,
            attached->link_epoch);
  session_ = std::make_unique<Session>(name_, config_, source_, target_, view_, target_seen_.number,
                                       *attached);
  if (stopping_.closed()) session_->stop(Error::closed("the mirror is stopping"));
  Error why = co_await session_->run();
  session_.reset();
  co_return fail(why);
}

io::Task<Result<void>> Link::wait_until_free() {
  auto answer = co_await client::describe_site(target_, kafka::DescribeSiteRequest{},
                                               loop_.now() + attach_timeout);
  if (!answer) co_return fail(answer.error());
  target_seen_ = std::move(*answer);
  for (const auto& link : target_seen_.links) {
    bool is_ours = link.epoch == last_epoch_;
    if (link.name != name_ || !is_alive(link) || is_ours) continue;
    co_return fail("another mirror process serves the link; this one stands in reserve");
  }
  co_return Result<void>{};
}

Result<void> Link::check_ends(const kafka::DescribeSiteResponse* source) const {
  auto names = process::parse_link_name(name_);
  if (!names) return fail("a link is called <source>-<target>");
  const std::string wrong = kafka::wrong_ends({names->source, names->target}, source, target_seen_);
  if (wrong.empty()) return {};
  return fail(wrong + ": nothing is attached");
}

io::Task<Result<kafka::AttachLinkResponse>> Link::attach() {
  kafka::AttachLinkRequest request;
  request.link = name_;
  request.source_name = view_.identity().name;
  request.source_number = view_.identity().number;
  request.source_cluster_id = view_.identity().cluster_id;
  request.target_id = target_seen_.cluster_id;
  if (view_.identity().foreign) {
    auto right = check_ends(nullptr);
    if (!right) co_return fail(right.error());
  } else {
    auto site = co_await view_.describe(false, loop_.now() + attach_timeout);
    if (!site) co_return fail(site.error());
    auto right = check_ends(&*site);
    if (!right) co_return fail(right.error());
    request.source_starts = site->starts;
    request.source_start_times = site->start_times;
    for (const auto& link : site->links) {
      if (link.source_number != 0) {
        request.reachable.push_back({link.source_number, link.source_cluster_id});
      }
      // Their numbers stay taken, at both ends.
      for (const auto& gone : link.forgotten) {
        if (gone.number != 0) request.reachable.push_back({gone.number, gone.cluster_id});
      }
    }
  }
  auto answer = co_await target_.call_any(std::move(request), loop_.now() + attach_timeout);
  if (!answer) co_return fail(answer.error());
  if (answer->error_code != ErrorCode::none) {
    co_return fail(answer->error_message.value_or("the target refuses the link"));
  }
  last_epoch_ = answer->link_epoch;
  co_return answer;
}

LinkStatus Link::status() const {
  if (session_) return session_->status();
  LinkStatus status;
  status.problem = problem_;
  return status;
}

}  // namespace isthmus::mirror
