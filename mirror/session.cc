#include "mirror/session.h"

#include <algorithm>

#include "kafka/gen/ensure_mirror_topics.h"
#include "kafka/gen/report_mirror.h"
#include "mirror/lanes.h"

namespace isthmus::mirror {

using kafka::ErrorCode;
using Kind = PumpAction::Kind;

namespace {

constexpr auto discover_every = io::milliseconds(250);
// With many topics, a quarter of the time at most; but never less often than the second, whatever a
// round trip costs or however long an end did not answer: operators and routers see the reports.
constexpr int discovery_share = 4;
constexpr auto discover_at_least_every = std::chrono::seconds(2);
constexpr auto offsets_every = io::milliseconds(500);
constexpr auto ask_again_after = io::milliseconds(200);
constexpr auto drive_every = io::milliseconds(100);
constexpr size_t max_lags = 4096;
constexpr size_t topics_per_request = 200;

client::FetchOptions fetch_options() {
  client::FetchOptions options;
  options.max_bytes = 8 << 20;
  options.max_partition_bytes = 4 << 20;
  // A partition that is new waits for the next request of a lane: short polls keep that short.
  options.max_wait = io::milliseconds(100);
  // A log start is followed on the word of an answer: idle partitions need one now and then.
  options.tell_again_after = std::chrono::seconds(1);
  return options;
}

std::string reverse_of(const std::string& link) {
  auto names = process::parse_link_name(link);
  return names ? names->target + "-" + names->source : std::string();
}

}  // namespace

Session::Session(std::string name, const process::LinkConfig& config, client::Cluster& source,
                 client::Cluster& target, Source& view, ClusterNumber target_number,
                 int64_t link_epoch)
    : name_(std::move(name)),
      config_(config),
      source_(source),
      target_(target),
      view_(view),
      target_number_(target_number),
      link_epoch_(link_epoch),
      log_("link " + name_),
      topics_(config.topics, config.topics_exclude),
      gate_(source.loop()),
      stopping_(source.loop()),
      offsets_(source, target, name_, link_epoch, Selector(config.groups, config.groups_exclude),
               request_timeout, log_),
      appender_(
          target, name_, link_epoch, [this](const auto& o) { on_outcome(o); },
          [this](const Error& e) { stop(e); }),
      fetcher_(source, *this, fetch_options()),
      driver_(source, target, name_, reverse_of(name_), config.fence,
              {[this] { return discover(); },
               [this](Uuid id) { return offsets_.last_round(mirrored_, id); },
               [this](const std::string& topic) { return takes(topic); },
               [this](const std::string& topic) { return topics_.takes(topic); }}) {}

Session::~Session() = default;

void Session::stop(Error why) {
  if (why_) return;
  why_ = std::move(why);
  stopping_.close();
}

io::Task<Error> Session::run() {
  gate_.spawn("discover " + name_, discover_again_and_again());
  gate_.spawn("offsets " + name_, sync_offsets_again_and_again());
  if (!view_.identity().foreign) gate_.spawn("drive " + name_, drive_again_and_again());
  while (!stopping_.closed()) co_await stopping_.wait();
  gate_.begin_close();
  co_await fetcher_.close();
  co_await appender_.close();
  co_await gate_.close();
  co_return *why_;
}

io::Task<bool> Session::pause(io::Duration time) {
  co_await stopping_.wait_until(source_.loop().now() + time);
  co_return !stopping_.closed();
}

io::Task<void> Session::discover_again_and_again() {
  bool going_on = true;
  while (going_on) {
    io::Instant begun = source_.loop().now();
    auto found = co_await discover();
    if (found) found = co_await report();
    if (!found && found.error().kind == Error::Kind::kafka) stop(found.error());
    io::Duration taken = source_.loop().now() - begun;
    going_on = co_await pause(
        std::clamp<io::Duration>(discovery_share * taken, discover_every, discover_at_least_every));
  }
}

io::Task<void> Session::sync_offsets_again_and_again() {
  bool going_on = true;
  while (going_on) {
    // What goes wrong is in the log, and tried again.
    (void)co_await offsets_.round(mirrored_);
    going_on = co_await pause(offsets_every);
  }
}

io::Task<void> Session::drive_again_and_again() {
  bool going_on = true;
  while (going_on) {
    auto stepped = co_await driver_.look_and_step();
    if (!stepped) log_.debug("switchover: {}", stepped.error().text);
    going_on = co_await pause(drive_every);
  }
}

// Whether the link mirrors the topic: selected, not internal, and not the target's own records on
// their way back.
bool Session::wanted(const SourceTopic& topic) const {
  bool comes_from_target = target_number_ != 0 && topic.origin == target_number_;
  return topics_.takes(topic.name) && !comes_from_target && topic.link != reverse_of(name_);
}

bool Session::takes(const std::string& topic) const { return mirrored_.contains(topic); }

io::Task<Result<void>> Session::discover() {
  while (discovering_) {
    if (!co_await pause(io::milliseconds(10))) co_return fail(Error::closed("stopping"));
  }
  discovering_ = true;
  auto topics = co_await view_.topics(source_.loop().now() + request_timeout);
  Result<void> done = {};
  if (!topics) {
    done = fail(topics.error());
  } else {
    std::vector<SourceTopic> mine;
    std::set<std::string> names, there;
    left_out_.begin();
    for (auto& topic : *topics) {
      there.insert(topic.name);
      left_out_.found(topic, topics_.takes(topic.name));
      if (!wanted(topic)) continue;
      names.insert(topic.name);
      mine.push_back(std::move(topic));
    }
    std::vector<std::string> gone;
    for (const auto& name : mirrored_) {
      if (!names.contains(name)) gone.push_back(name);
    }
    for (const auto& name : gone) {
      if (there.contains(name)) {
        drop_topic(name);
        continue;
      }
      log_.warn("topic={} is gone at the source; the target keeps its copy", name);
      end_topic(name, "gone at the source: the copy stays until it is deleted here too");
    }
    while (done && !mine.empty()) {
      size_t n = std::min(mine.size(), topics_per_request);
      std::vector<SourceTopic> part(std::make_move_iterator(mine.end() - static_cast<long>(n)),
                                    std::make_move_iterator(mine.end()));
      mine.resize(mine.size() - n);
      done = co_await start_pumps(std::move(part));
    }
  }
  discovering_ = false;
  co_return done;
}

io::Task<Result<void>> Session::start_pumps(std::vector<SourceTopic> topics) {
  kafka::EnsureMirrorTopicsRequest request;
  request.link = name_;
  request.link_epoch = link_epoch_;
  for (const auto& topic : topics) {
    auto& t = request.topics.emplace_back();
    t.name = topic.name;
    t.topic_id = topic.id;
    t.origin = topic.origin;
    for (const auto& [key, value] : topic.configs) t.configs.push_back({key, value, false});
    for (const auto& [key, value] : topic.inherited) t.configs.push_back({key, value, true});
    for (size_t i = 0; i < topic.leader_epochs.size(); ++i) {
      t.partitions.push_back({static_cast<PartitionIndex>(i), topic.leader_epochs[i]});
    }
  }
  const Ends had = acknowledged(topics);
  auto answer =
      co_await target_.call_any(std::move(request), source_.loop().now() + request_timeout);
  if (!answer) co_return fail(answer.error());
  if (answer->error_code != ErrorCode::none) {
    co_return kafka::refuse(answer->error_code,
                            "the target has given the link to another mirror process");
  }
  for (size_t i = 0; i < answer->topics.size() && i < topics.size(); ++i) {
    const auto& result = answer->topics[i];
    if (result.error_code != ErrorCode::none) {
      std::string why =
          result.error_message.value_or(std::string(kafka::error_name(result.error_code)));
      if (refused_[result.name] != why) log_.warn("topic={} is not mirrored: {}", result.name, why);
      refused_[result.name] = why;
      end_topic(result.name, why);
      continue;
    }
    refused_.erase(result.name);
    if (!mirrored_.contains(result.name)) drop_topic(result.name);  // what has ended begins anew
    mirrored_.insert(result.name);
    for (const auto& p : result.partitions) drop_if_cut({result.name, p.index}, p.end_offset, had);
    std::vector<Source::Owners> owners;
    // A partition that is offline at the target is left out, and may come later than the others.
    auto is_new = [&](const auto& p) { return !running_.contains({result.name, p.index}); };
    if (std::ranges::any_of(result.partitions, is_new)) {
      // Epochs that begin later are the source's own; older ones may be of any cluster before it.
      auto known = co_await view_.owners(result.name, source_.loop().now() + request_timeout);
      if (!known) co_return fail(known.error());
      owners = std::move(*known);
    }
    owners.resize(topics[i].leader_epochs.size());
    for (const auto& p : result.partitions) {
      if (p.index < 0 || p.index >= std::ssize(owners)) continue;
      start_pump(topics[i], p.index, p.end_offset, p.last_batch_epoch, p.mirror_state,
                 owners[p.index]);
    }
  }
  co_return Result<void>{};
}

void Session::start_pump(const SourceTopic& topic, PartitionIndex index, Offset end,
                         LeaderEpoch epoch, PumpState state, Source::Owners owners) {
  TopicPartition tp{topic.name, index};
  auto known = running_.find(tp);
  if (known != running_.end() && known->second.topic_id == topic.id) return;
  if (known != running_.end()) running_.erase(known);
  source_.add_interest(topic.name);
  // A recorded failure is tried again by each new session: its reason may be gone. If it is not, it
  // is found again before anything is touched.
  if (state == PumpState::failed) state = PumpState::mirroring;
  Pump pump(tp, end, epoch, state, config_.delete_delay);
  auto& running =
      running_.try_emplace(tp, Running{std::move(pump), topic.id, std::move(owners)}).first->second;
  if (!running.pump.active()) return;
  if (config_.start == process::LinkStart::latest && end == 0 && epoch < 0) {
    gate_.spawn("bounds " + tp.to_string(), ask_bounds(tp));
    return;
  }
  want(running);
}

// Of the partitions of these topics, what the target has at the least, whatever it is asked now.
Session::Ends Session::acknowledged(const std::vector<SourceTopic>& topics) const {
  Ends ends;
  for (const SourceTopic& topic : topics) {
    auto at = running_.lower_bound(TopicPartition{topic.name, 0});
    for (; at != running_.end() && at->first.topic == topic.name; ++at) {
      ends[at->first] = at->second.pump.acknowledged();
    }
  }
  return ends;
}

// The target's log has less than it had when it was asked: deleted and made anew under one id, or
// cut on the way back. Its pump would wait behind the end, and an idle one hears of it from nobody.
void Session::drop_if_cut(const TopicPartition& tp, Offset end, const Ends& before) {
  const auto had = before.find(tp);
  if (had == before.end() || end >= had->second) return;
  log_.info("partition={} goes on from {}, where the target ends", tp.to_string(), end);
  fetcher_.forget(tp);
  waiting_.erase(tp);
  running_.erase(tp);
}

void Session::drop_topic(const std::string& topic) {
  mirrored_.erase(topic);
  auto from = running_.lower_bound(TopicPartition{topic, 0});
  while (from != running_.end() && from->first.topic == topic) {
    fetcher_.forget(from->first);
    waiting_.erase(from->first);
    from = running_.erase(from);
  }
}

// Its pumps stay until the target has been told why nothing comes any more.
void Session::end_topic(const std::string& topic, const std::string& why) {
  if (mirrored_.erase(topic) == 0) return;
  for (auto& [tp, running] : running_) {
    if (tp.topic != topic) continue;
    running.pump.end(why);
    fetcher_.forget(tp);
    waiting_.erase(tp);
  }
}

void Session::want(Running& running) {
  const TopicPartition& tp = running.pump.name();
  if (!running.pump.active()) {
    fetcher_.forget(tp);
    return;
  }
  if (!appender_.has_room()) {
    waiting_.insert(tp);
    return;
  }
  fetcher_.want(tp, running.pump.fetch_from());
}

void Session::want_what_waits() {
  while (!waiting_.empty() && appender_.has_room()) {
    TopicPartition tp = *waiting_.begin();
    waiting_.erase(waiting_.begin());
    auto found = running_.find(tp);
    if (found != running_.end()) want(found->second);
  }
}

void Session::on_fetched(client::Fetched fetched) {
  auto found = running_.find(fetched.partition);
  if (found == running_.end()) return;
  Running& running = found->second;
  io::Instant now = source_.loop().now();
  if (!fetched.records.empty()) running.fetched_at = now;
  act(running, running.pump.on_fetched(std::move(fetched), now));
}

void Session::act(Running& running, PumpAction action) {
  const TopicPartition tp = running.pump.name();
  switch (action.kind) {
    case Kind::nothing: return;
    case Kind::failed:
      log_.error("partition={} failed: {}", tp.to_string(), running.pump.reason());
      fetcher_.forget(tp);
      return;
    case Kind::ask_bounds: gate_.spawn("bounds " + tp.to_string(), ask_bounds(tp)); return;
    case Kind::append: break;
  }
  bool brings_something = !action.batches.empty() || action.start_at >= 0 || action.log_start >= 0;
  if (brings_something) {
    AppendJob job{tp,
                  running.topic_id,
                  running.pump.source_epoch(),
                  running.pump.source_end(),
                  running.owners,
                  std::move(action)};
    appender_.add(std::move(job));
  }
  want(running);
}

io::Task<void> Session::ask_bounds(TopicPartition partition) {
  client::Admin admin(source_);
  io::Instant deadline = source_.loop().now() + request_timeout;
  auto starts = co_await admin.list_offsets({{partition, client::earliest_offset}}, deadline);
  auto ends = co_await admin.list_offsets({{partition, client::latest_offset}}, deadline);
  auto found = running_.find(partition);
  if (found == running_.end()) co_return;
  if (!starts || !ends || (*starts)[partition].offset < 0 || (*ends)[partition].offset < 0) {
    co_await pause(ask_again_after);
    found = running_.find(partition);
    if (found != running_.end()) want(found->second);
    co_return;
  }
  Offset start = (*starts)[partition].offset;
  Offset end = (*ends)[partition].offset;
  bool skip = config_.start == process::LinkStart::latest &&
              found->second.pump.acknowledged() == 0 &&
              found->second.pump.state() == PumpState::initializing;
  act(found->second, found->second.pump.on_bounds(skip ? end : start, end));
}

void Session::on_outcome(const AppendOutcome& outcome) {
  auto found = running_.find(outcome.partition);
  if (found != running_.end()) {
    Running& running = found->second;
    if (outcome.error == ErrorCode::none) {
      io::Instant now = source_.loop().now();
      running.pump.on_appended(outcome.end_offset, outcome.bytes, now);
      if (outcome.bytes > 0) note_lag(now - running.fetched_at);
      bytes_ += outcome.bytes;
    } else if (outcome.error == ErrorCode::fenced_leader_epoch) {
      stop(kafka::error_of(outcome.error, outcome.message));
    } else {
      // Promoted, recreated or cut meanwhile: the next discovery asks the target how it stands.
      log_.info("partition={} stops: {}", outcome.partition.to_string(), outcome.message);
      fetcher_.forget(outcome.partition);
      running_.erase(found);
    }
  }
  want_what_waits();
}

void Session::note_lag(io::Duration lag) {
  auto ms = std::chrono::duration_cast<io::milliseconds>(lag).count();
  if (lags_.size() < max_lags) lags_.push_back(0);
  lags_[next_lag_++ % max_lags] = static_cast<uint32_t>(std::max<int64_t>(0, ms));
}

io::Task<Result<void>> Session::report() {
  kafka::ReportMirrorRequest request;
  request.link = name_;
  request.link_epoch = link_epoch_;
  request.route_version = view_.routes().version();
  kafka::put_takeovers(request.routes, view_.routes());
  left_out_.tell(mirrored_, refused_, request);
  std::tie(request.source_starts, request.source_started_at) = view_.latest_start();
  std::map<Uuid, size_t> place;
  std::set<std::string> ended;
  io::Instant now = source_.loop().now();
  for (auto& [tp, running] : running_) {
    if (!mirrored_.contains(tp.topic)) ended.insert(tp.topic);
    auto [it, is_new] = place.try_emplace(running.topic_id, request.topics.size());
    if (is_new) request.topics.emplace_back().topic_id = running.topic_id;
    auto& p = request.topics[it->second].partitions.emplace_back();
    p.index = tp.partition;
    p.state = running.pump.state();
    p.reason = running.pump.reason();
    p.source_end_offset = running.pump.source_end();
    if (const auto heard = running.pump.heard_at()) {
      p.source_age_ms = std::chrono::duration_cast<io::milliseconds>(now - *heard).count();
    }
    auto lag = running.pump.lag(now);
    p.lag_ms = lag ? std::chrono::duration_cast<io::milliseconds>(*lag).count() : 0;
  }
  auto answer = co_await target_.call_any(std::move(request), now + request_timeout);
  if (!answer) co_return fail(answer.error());
  if (answer->error_code != ErrorCode::none) {
    co_return kafka::refuse(answer->error_code,
                            "the target has given the link to another mirror process");
  }
  for (const auto& topic : ended) {
    if (!mirrored_.contains(topic)) drop_topic(topic);
  }
  co_return Result<void>{};
}

LinkStatus Session::status() const {
  LinkStatus s;
  s.attached = true;
  s.link_epoch = link_epoch_;
  s.topics = mirrored_.size();
  s.partitions = running_.size();
  s.groups = offsets_.groups();
  s.held = offsets_.held();
  s.bytes = bytes_;
  s.requests = appender_.requests();
  if (!refused_.empty()) s.problem = refused_.begin()->first + ": " + refused_.begin()->second;
  io::Instant now = source_.loop().now();
  for (const auto& [tp, running] : running_) {
    if (running.pump.state() == PumpState::failed) ++s.failed;
    s.lag_records += std::max<Offset>(0, running.pump.source_end() - running.pump.acknowledged());
    if (auto lag = running.pump.lag(now)) {
      int64_t ms = std::chrono::duration_cast<io::milliseconds>(*lag).count();
      s.lag_ms = std::max(s.lag_ms.value_or(0), ms);
    }
  }
  return s;
}

int64_t Session::lag_percentile(double share) const {
  if (lags_.empty()) return -1;
  std::vector<uint32_t> sorted = lags_;
  auto at = static_cast<size_t>(share * static_cast<double>(sorted.size() - 1));
  std::nth_element(sorted.begin(), sorted.begin() + static_cast<long>(at), sorted.end());
  return sorted[at];
}

}  // namespace isthmus::mirror
