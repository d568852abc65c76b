#include "router/overview.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <tuple>

#include "client/describe_site.h"
#include "io/turn_watch.h"
#include "kafka/topic_writer.h"
#include "views/json.h"

namespace isthmus::router {
namespace {

using Json = nlohmann::json;
using views::LinkView;
using views::SiteAnswer;
using Phase = kafka::SwitchoverPhase;

constexpr auto calm = std::chrono::seconds(2);
constexpr auto moving = io::milliseconds(200);
constexpr int most_share = 20;  // of its time a site answers a twentieth
// The page calls ten seconds silence.
constexpr auto longest_calm = std::chrono::seconds(5);
constexpr auto longest_moving = std::chrono::seconds(1);
constexpr auto dial_patience = std::chrono::seconds(3);
constexpr auto overview_patience = std::chrono::seconds(10);

template <typename T>
Json or_null(const std::optional<T>& value) {
  return value ? Json(*value) : Json(nullptr);
}

int64_t ms_between(io::Instant from, io::Instant to) {
  return std::chrono::duration_cast<io::milliseconds>(to - from).count();
}

Json stuck_in(const LinkView& view) {
  Json stuck = Json::array();
  for (const auto& topic : view.topics) {
    for (const std::string& each : topic.stuck) {
      if (stuck.size() < Overview::most_partitions) stuck.push_back(each);
    }
  }
  return stuck;
}

// Samples and the wall clock's idea of when the last was.
Json history_json(const LinkHistory& history, const io::Loop& loop) {
  Json records = Json::array(), ms = Json::array(), rates = Json::array();
  for (const auto& sample : history.samples()) {
    records.push_back(or_null(sample.lag_records));
    ms.push_back(or_null(sample.lag_ms));
    rates.push_back(or_null(sample.records_per_s));
  }
  const auto every = std::chrono::duration_cast<io::milliseconds>(LinkHistory::slot);
  return {{"every_ms", every.count()},
          {"until_ms", loop.wall_ms() - ms_between(history.latest(), loop.now())},
          {"lag_records", std::move(records)},
          {"lag_ms", std::move(ms)},
          {"records_per_s", std::move(rates)}};
}

// A group, its home, and what that says of it; nothing where it is not there.
struct GroupSeen {
  std::string home;
  const SiteAnswer::SiteGroup* there = nullptr;
};

Json group_json(const std::string& name, const GroupSeen& seen) {
  Json json = {{"name", name},
               {"site", seen.home},
               {"owned_by", nullptr},
               {"lag_records", nullptr},
               {"lag_ms", nullptr}};
  if (seen.there == nullptr) return json;
  const SiteAnswer::SiteGroup& group = *seen.there;
  json["owned_by"] = group.link.empty() ? "clients" : "link " + group.link;
  if (group.lag_records >= 0) json["lag_records"] = group.lag_records;
  if (group.lag_ms >= 0) json["lag_ms"] = group.lag_ms;
  return json;
}

// Where nobody writes: from the hand-over to the promotion, where both were seen.
Json stand_still_of(const SeenSwitchovers::Switchover& switchover) {
  std::optional<int64_t> handed_over, promoted;
  for (const auto& step : switchover.steps) {
    if (step.phase == Phase::handed_over) handed_over = step.wall_ms;
    if (step.phase == Phase::promoted) promoted = step.wall_ms;
  }
  if (!handed_over || !promoted) return nullptr;
  return std::max<int64_t>(0, *promoted - *handed_over);
}

}  // namespace

Overview::Overview(io::Env& env, const Picture& picture)
    : env_(env), loop_(env.main_loop()), picture_(picture), gate_(loop_) {}

Overview::~Overview() = default;

io::Duration Overview::pause_after(io::Duration work, bool moves) {
  const io::Duration least = moves ? io::Duration(moving) : calm;
  const io::Duration most = moves ? longest_moving : longest_calm;
  return std::clamp(most_share * work, least, most);
}

io::Task<void> Overview::watch(Site& site, io::Event& closing) {
  while (!closing.closed()) {
    auto work = co_await ask(site);
    if (closing.closed()) co_return;
    if (work) {
      trouble_.erase(site.name());
    } else {
      trouble_[site.name()] = work.error().text;
    }
    const auto pause = work ? pause_after(*work, switchovers_.any_under_way()) : longest_calm;
    co_await closing.wait_until(loop_.now() + pause);
  }
}

io::Task<Result<client::Connection*>> Overview::connect(Site& site) {
  auto& connection = connections_[site.name()];
  const io::Address& address = site.inside_address();
  if (connection && connection->is_fresh() && connection->peer() == address) {
    co_return connection.get();
  }
  if (connection) connection->close();
  client::ConnectionOptions options;
  options.client_id = "isthmus-router";
  options.security = site.security();
  auto opened = co_await client::Connection::open(env_, gate_, address, std::move(options),
                                                  loop_.now() + dial_patience);
  if (!opened) co_return fail(opened.error());
  connection = std::move(*opened);
  if (gate_.closing()) connection->close();
  co_return connection.get();
}

io::Task<Result<io::Duration>> Overview::ask(Site& site) {
  auto connection = co_await connect(site);
  if (!connection) co_return fail(connection.error());
  const io::Instant deadline = loop_.now() + overview_patience;
  kafka::MetadataRequest all;
  all.topics = std::nullopt;
  all.allow_auto_topic_creation = false;
  auto metadata = co_await (*connection)->call(std::move(all), deadline);
  if (!metadata) co_return fail(metadata.error());
  kafka::DescribeSiteRequest request;
  request.include_topics = request.include_groups = request.include_brokers = true;
  request.include_lags = !switchovers_.any_under_way();
  const io::Instant asked = loop_.now();
  auto answer = client::told(co_await (*connection)->call(std::move(request), deadline));
  if (!answer) co_return fail(answer.error());
  if (answer->name != site.name()) co_return fail("the cluster there calls itself " + answer->name);
  const io::Duration took = loop_.now() - asked - (*connection)->round_trip();
  note({site.name(), std::move(*metadata), std::move(*answer), {}});
  co_return std::max(took, io::Duration::zero());
}

io::Task<void> Overview::close() {
  gate_.begin_close();
  for (auto& [site, connection] : connections_) {
    if (connection) connection->close();
  }
  co_await gate_.close();
}

void Overview::note(views::ClusterAnswers told) {
  io::doing("overview");
  const std::string name = told.name;
  switchovers_.note(name, told.site->switchovers, loop_.wall_ms());
  views::ClusterView view = view_cluster(told);
  told_[name] = {std::move(*told.site), std::move(view), loop_.now()};
  const Told& site = told_.at(name);
  forget_links_gone(name);
  for (const auto& link : site.answer.links) {
    const auto ends = process::parse_link_name(link.name);
    // A source that tells will do so after this.
    const bool judged_later = ends && present(ends->source) != nullptr;
    if (ends && !judged_later) judge(link.name, site, nullptr);
  }
  for (const auto& [target, there] : told_) {
    for (const auto& link : there.answer.links) {
      const auto ends = process::parse_link_name(link.name);
      if (ends && ends->source == name && ends->target == target) judge(link.name, there, &site);
    }
  }
}

const Overview::Told* Overview::present(const std::string& site) const {
  const Site* its = picture_.site(site);
  const bool answers = its != nullptr && its->reachable() && !trouble_.contains(site);
  const auto told = told_.find(site);
  return answers && told != told_.end() ? &told->second : nullptr;
}

void Overview::forget_links_gone(const std::string& target) {
  const auto& links = told_.at(target).answer.links;
  std::erase_if(links_, [&](const auto& link) {
    const auto ends = process::parse_link_name(link.first);
    return ends && ends->target == target &&
           std::ranges::find(links, link.first, &SiteAnswer::SiteLink::name) == links.end();
  });
}

void Overview::judge(const std::string& link, const Told& target, const Told* source) {
  auto view = views::view_link(link, target.answer, source == nullptr ? nullptr : &source->answer);
  if (!view) return;
  LinkSeen& seen = links_[link];
  if (target.at != seen.ends_at) seen.records_per_s = rate_of(seen, link, target);
  const views::Lag lag = view->lag();
  seen.history.note(loop_.now(), {lag.records, lag.ms, seen.records_per_s});
  seen.view = std::move(*view);
}

// Of what has come since; of a partition that is new, from where its log begins.
std::optional<int64_t> Overview::rate_of(LinkSeen& seen, const std::string& link,
                                         const Told& target) {
  Ends ends;
  int64_t came = 0;
  for (const auto& topic : target.answer.topics) {
    if (!kafka::writer_of(topic).is_link(link)) continue;
    for (const auto& partition : topic.partitions) {
      if (partition.end_offset < 0) continue;
      const auto before = seen.ends.find({topic.topic_id, partition.index});
      const Offset known = before == seen.ends.end() ? partition.start_offset : before->second;
      came += std::max<int64_t>(0, partition.end_offset - std::max(known, partition.start_offset));
      ends[{topic.topic_id, partition.index}] = partition.end_offset;
    }
  }
  const bool is_first = seen.ends_at == io::Instant{};
  const int64_t ms = std::max<int64_t>(1, ms_between(seen.ends_at, target.at));
  seen.ends = std::move(ends);
  seen.ends_at = target.at;
  if (is_first) return std::nullopt;
  return static_cast<int64_t>(static_cast<double>(came) * 1000 / static_cast<double>(ms));
}

Json Overview::site_json(const std::string& name, const Site& site) const {
  const auto trouble = trouble_.find(name);
  const std::string& why =
      site.trouble().empty() && trouble != trouble_.end() ? trouble->second : site.trouble();
  Json json = {{"name", name},
               {"reachable", site.reachable()},
               {"trouble", why},
               {"told_ms_ago", nullptr},
               {"number", site.is_isthmus() ? Json(nullptr) : Json(0)}};
  const auto told = told_.find(name);
  if (told == told_.end()) return json;
  const views::ClusterView& view = told->second.view;
  auto listed = view.not_whole;
  listed.resize(std::min(listed.size(), most_partitions));
  json["told_ms_ago"] = ms_between(told->second.at, loop_.now());
  json["number"] = view.number;
  json["cluster_id"] = view.id;
  json["summary"] = summary(view);
  json["brokers"] = json_of(view.brokers);
  json["topics"] = view.topics;
  json["partitions"] = view.partitions;
  json["under_replicated"] = view.under_replicated;
  json["below_min_isr"] = view.below_min_isr;
  json["leaderless"] = view.leaderless;
  json["joining"] = view.joining;
  json["bytes_to_go"] = view.bytes_to_go;
  json["findings"] = json_of(findings_of(view));
  json["not_whole_count"] = view.not_whole.size();
  json["not_whole"] = views::json_of(listed, view.tells_of_all);
  return json;
}

Json Overview::link_json(const LinkSeen& seen) const {
  const LinkView& view = *seen.view;
  const views::Lag lag = view.lag();
  const std::string said = summary(view);
  return {{"name", view.name},
          {"source", view.source},
          {"target", view.target},
          {"summary", said},
          {"ok", said == "OK"},
          {"paused", view.paused},
          {"source_answers", view.source_answers},
          {"mirror_age_ms", or_null(view.contact_age_ms)},
          {"lag_records", or_null(lag.records)},
          {"lag_ms", or_null(lag.ms)},
          {"records_per_s", or_null(seen.records_per_s)},
          {"would_lose", view.would_lose()},
          {"partitions", view.partitions},
          {"failed", view.failed},
          {"stuck", stuck_in(view)},
          {"groups", view.groups.size()},
          {"held", view.held},
          {"left_out", view.what_is_left_out()},
          {"switchover", views::switchover_json(view)},
          {"history", history_json(seen.history, loop_)}};
}

Json Overview::links_json() const {
  Json list = Json::array();
  for (const auto& [name, seen] : links_) {
    if (seen.view) list.push_back(link_json(seen));
  }
  return list;
}

Json Overview::switchovers_json() const {
  Json list = Json::array();
  for (const auto& each : switchovers_.all()) {
    Json steps = Json::array();
    for (const auto& step : each.steps) {
      steps.push_back({{"phase", views::phase_word(step.phase)}, {"time_ms", step.wall_ms}});
    }
    list.push_back({{"link", each.link},
                    {"id", each.id.to_string()},
                    {"failover", each.failover},
                    {"over", each.is_over()},
                    {"gave_way", each.gave_way},
                    {"trouble", each.trouble},
                    {"stand_still_ms", stand_still_of(each)},
                    {"steps", std::move(steps)}});
  }
  return list;
}

// Those that are furthest behind first.
void Overview::add_groups(Json& status) const {
  std::map<std::string, GroupSeen> groups;
  for (const auto& [site, told] : told_) {
    for (const auto& group : told.answer.groups) {
      GroupSeen& seen = groups[group.name];
      seen.home = picture_.routes.home_of_group(group.name);
      if (seen.home == site) seen.there = &group;
    }
  }
  using Entry = std::pair<const std::string, GroupSeen>;
  std::vector<const Entry*> worst;
  for (const Entry& group : groups) worst.push_back(&group);
  std::ranges::sort(worst, {}, [](const Entry* entry) {
    const auto* group = entry->second.there;
    return std::tuple(group == nullptr ? 1 : -group->lag_ms,
                      group == nullptr ? 1 : -group->lag_records, entry->first);
  });
  Json list = Json::array();
  for (const Entry* entry : worst) {
    if (list.size() == most_groups) break;
    list.push_back(group_json(entry->first, entry->second));
  }
  status["groups"] = std::move(list);
  status["groups_count"] = groups.size();
}

void Overview::add_to(Json& status) const {
  io::doing("overview");
  Json sites = Json::array();
  for (const auto& [name, site] : picture_.sites) sites.push_back(site_json(name, *site));
  status["sites"] = std::move(sites);
  status["links"] = links_json();
  status["switchovers"] = switchovers_json();
  add_groups(status);
}

}  // namespace isthmus::router
