#include "mirror/session.h"

#include <algorithm>
#include <iterator>

#include "base/check.h"
#include "client/describe_site.h"
#include "kafka/topic_writer.h"
#include "mirror/lanes.h"
#include "mirror/succession.h"

namespace isthmus::mirror {

using kafka::ErrorCode;
using Kind = PumpAction::Kind;

namespace {

constexpr auto discover_every = io::milliseconds(250);
// With many topics, a quarter of the time at most; but never less often than the second, whatever a
// round trip costs or however long an end did not answer: operators and routers see the reports.
constexpr int discovery_share = 4;
constexpr auto offsets_every = io::milliseconds(500);
constexpr auto ask_again_after = io::milliseconds(200);
constexpr auto drive_every = io::milliseconds(100);
constexpr size_t topics_per_request = 200;

io::Duration pause_after(io::Duration round) {
  return std::clamp<io::Duration>(discovery_share * round, discover_every, longest_pause);
}

// They were checked when the configuration was loaded.
kafka::Selector selector(const std::vector<std::string>& include,
                         const std::vector<std::string>& exclude) {
  auto parsed = kafka::Selector::parse(include, exclude);
  CHECK(parsed.has_value(), "a pattern of the configuration");
  return std::move(*parsed);
}

// A broker of the target that lags behind the others, or has lost what it keeps its metadata in,
// says nothing about who has the link: it is asked again, or another is.
std::unexpected<Error> refused_by_target(ErrorCode code) {
  const bool is_lagging =
      code == ErrorCode::leader_not_available || code == ErrorCode::request_timed_out;
  if (is_lagging) return fail("the target answers " + std::string(kafka::error_name(code)));
  return kafka::refuse(code, "the target has given the link to another mirror process");
}

std::string reverse_of(const std::string& link) {
  auto names = process::parse_link_name(link);
  return names ? names->target + "-" + names->source : std::string();
}

}  // namespace

Session::Session(std::string name, const process::LinkConfig& config, client::Cluster& source,
                 client::Cluster& target, Source& view, ClusterNumber target_number,
                 const kafka::AttachLinkResponse& attached)
    : name_(std::move(name)),
      config_(config),
      source_(source),
      target_(target),
      view_(view),
      target_number_(target_number),
      link_epoch_(attached.link_epoch),
      log_(LogComponent::mirror, "link " + name_),
      topics_(selector(config.topics, config.topics_exclude)),
      gate_(source.loop()),
      stopping_(source.loop()),
      offsets_(source, target, name_, link_epoch_, selector(config.groups, config.groups_exclude),
               request_timeout, log_),
      appender_(
          target, name_, link_epoch_, [this](const auto& o) { on_outcome(o); },
          [this](const Error& e) { stop(e); }),
      fetcher_(source, *this, fetch_options()),
      driver_(
          source, target, name_, reverse_of(name_), config.fence,
          {[this] { return discover(); }, [this] { return prepare_last_round(); },
           [this](Standstill still) { return offsets_.last_round(mirrored_, std::move(still)); },
           [this](const std::string& topic) { return takes(topic); },
           [this](const std::string& topic) { return topics_.takes(topic); },
           [this] {
             if (!paused_) return first_stuck(running_);
             return std::optional("the link is paused: isthmus link resume " + name_);
           }},
          link_epoch_),
      first_look_(attached.begins),
      gone_(config.delete_delay) {
  if (config.acls != process::LinkAcls::follow) return;
  const auto names = process::parse_link_name(name_);
  access_.emplace(source, view.identity().foreign, target,
                  AccessSync::Names{name_, reverse_of(name_), names ? names->source : name_,
                                    names ? names->target : name_},
                  link_epoch_, AccessScope(topics_, selector(config.groups, config.groups_exclude)),
                  config.delete_delay, log_);
}

Session::~Session() = default;

void Session::stop(Error why) {
  if (why_) return;
  why_ = std::move(why);
  stopping_.close();
}

io::Task<Error> Session::run() {
  gate_.spawn("discover " + name_, discover_again_and_again());
  gate_.spawn("offsets " + name_, sync_offsets_again_and_again());
  if (access_) gate_.spawn("access " + name_, sync_access_again_and_again());
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
  io::Duration latest{};  // that a whole round took
  while (going_on) {
    io::Instant begun = source_.loop().now();
    auto found = co_await discover();
    ask_for_what_is_due();
    say_changes(running_, log_);
    const io::Duration so_far = source_.loop().now() - begun;
    if (found) found = co_await report(promise(latest, so_far, pause_after(2 * so_far)));
    if (!found && found.error().kind == Error::Kind::kafka) stop(found.error());
    latest = source_.loop().now() - begun;
    going_on = co_await pause(pause_after(latest));
  }
}

io::Task<void> Session::sync_offsets_again_and_again() {
  bool going_on = true;
  while (going_on) {
    // What goes wrong is in the log, and tried again.
    if (!paused_) (void)co_await offsets_.round(mirrored_);
    going_on = co_await pause(offsets_every);
  }
}

io::Task<void> Session::sync_access_again_and_again() {
  bool going_on = true;
  while (going_on) {
    if (!paused_) co_await access_->round();
    going_on = co_await pause(access_->pause());
  }
}

io::Task<Result<io::Mutex::Held>> Session::prepare_last_round() {
  // Of what does not go across the operator was told before; clients' records do not wait for it.
  if (access_) co_await access_->round();
  auto held = co_await offsets_.prepare_last_round(mirrored_);
  co_return held;
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
    std::set<std::string> names;
    std::map<std::string, Uuid> there;
    left_out_.begin();
    for (auto& topic : *topics) {
      there.emplace(topic.name, topic.id);
      left_out_.found(topic, topics_.takes(topic.name));
      if (!wanted(topic)) continue;
      names.insert(topic.name);
      first_look_.found(topic.id, static_cast<PartitionIndex>(topic.leader_epochs.size()));
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
      log_.warn("topic={} is gone at the source; the target keeps its copy for now", name);
      end_topic(name, "gone at the source: the copy stays until delete_delay is over", false);
    }
    co_await learn_copies();
    gone_.look(there, source_.loop().now());
    done = co_await end_copies();
    while (done && !mine.empty()) {
      size_t n = std::min(mine.size(), topics_per_request);
      std::vector<SourceTopic> part(std::make_move_iterator(mine.end() - static_cast<long>(n)),
                                    std::make_move_iterator(mine.end()));
      mine.resize(mine.size() - n);
      done = co_await start_pumps(std::move(part));
    }
    if (done) first_look_.found_all();
  }
  discovering_ = false;
  co_return done;
}

io::Task<void> Session::learn_copies() {
  if (copies_known_) co_return;
  kafka::DescribeSiteRequest request;
  request.include_topics = true;
  const io::Instant deadline = source_.loop().now() + request_timeout;
  auto site = co_await client::describe_site(target_, std::move(request), deadline);
  if (!site) co_return;  // the next round asks again
  for (const auto& topic : site->topics) {
    if (kafka::writer_of(topic).is_link(name_)) gone_.add_copy(topic.name, topic.topic_id);
  }
  copies_known_ = true;
}

io::Task<Result<void>> Session::end_copies() {
  const auto due = gone_.due(source_.loop().now());
  if (paused_ || due.empty()) co_return Result<void>{};
  kafka::EnsureMirrorTopicsRequest request;
  request.link = name_;
  request.link_epoch = link_epoch_;
  std::vector<GoneTopics::Topic> asked;
  for (const auto& topic : due) {
    const io::Instant soon = source_.loop().now() + request_timeout;
    auto is_gone = co_await view_.is_gone(topic.name, topic.id, soon);
    if (!is_gone) co_return fail(is_gone.error());
    if (!*is_gone) continue;
    if (topic.recreated) {
      request.recreated.push_back({topic.name, topic.id});
    } else {
      request.gone.push_back({topic.name, topic.id});
    }
    asked.push_back(topic);
  }
  if (asked.empty()) co_return Result<void>{};
  const io::Instant deadline = source_.loop().now() + request_timeout;
  auto answer = co_await target_.call_any(std::move(request), deadline);
  if (!answer) co_return fail(answer.error());
  if (answer->error_code != ErrorCode::none) {
    co_return refused_by_target(answer->error_code);
  }
  for (const auto& topic : asked) {
    log_.warn("topic={} is gone at the source for delete_delay: its copy is {}", topic.name,
              topic.recreated ? "set aside, as another has the name" : "deleted");
    gone_.forget(topic.name);
  }
  co_return Result<void>{};
}

io::Task<Result<void>> Session::start_pumps(std::vector<SourceTopic> topics) {
  kafka::EnsureMirrorTopicsRequest request;
  request.link = name_;
  request.link_epoch = link_epoch_;
  add_topics(topics, request);
  const Ends had = acknowledged(topics);
  auto answer =
      co_await target_.call_any(std::move(request), source_.loop().now() + request_timeout);
  if (!answer) co_return fail(answer.error());
  if (answer->error_code != ErrorCode::none) {
    co_return refused_by_target(answer->error_code);
  }
  heed_pause(answer->paused);
  for (size_t i = 0; i < answer->topics.size() && i < topics.size(); ++i) {
    const auto& result = answer->topics[i];
    if (result.error_code != ErrorCode::none) {
      std::string why =
          result.error_message.value_or(std::string(kafka::error_name(result.error_code)));
      if (refused_[result.name] != why) log_.warn("topic={} is not mirrored: {}", result.name, why);
      refused_[result.name] = why;
      end_topic(result.name, why, result.error_code == ErrorCode::inconsistent_topic_id);
      continue;
    }
    refused_.erase(result.name);
    if (!mirrored_.contains(result.name)) drop_topic(result.name);  // what has ended begins anew
    mirrored_.insert(result.name);
    gone_.add_copy(result.name, topics[i].id);
    for (const auto& p : result.partitions) drop_if_cut({result.name, p.index}, p.end_offset, had);
    std::vector<std::optional<Source::Owners>> owners;
    // Those that are offline at the target are told apart, and may come later than the others.
    auto is_new = [&](const auto& p) {
      const auto known = running_.find({topics[i].name, p.index});
      return !runs(topics[i], p.index) || !known->second.owners_known;
    };
    if (std::ranges::any_of(result.partitions, is_new) ||
        std::ranges::any_of(result.troubled, is_new)) {
      // Epochs that begin later are the source's own; older ones may be of any cluster before it.
      auto known = co_await view_.owners(result.name, topics[i].leader_epochs.size(), topics[i].id,
                                         source_.loop().now() + request_timeout);
      if (!known) co_return fail(known.error());
      owners = std::move(*known);
    }
    owners.resize(topics[i].leader_epochs.size());
    follow(topics[i], result, std::move(owners));
  }
  co_return Result<void>{};
}

// What the target says of one topic's partitions: new ones begin, those that rested go on from
// where it ends, and those that it can take nothing for rest.
void Session::follow(const SourceTopic& topic, const Ensured::MirrorTopicResult& told,
                     std::vector<std::optional<Source::Owners>> owners) {
  std::map<PartitionIndex, const Ensured::TroubledPartition*> troubled;
  std::map<PartitionIndex, Ensured::MirrorTopicPosition> all;
  for (const auto& p : told.troubled) {
    troubled[p.index] = &p;
    all[p.index] = {p.index, 0, -1, p.mirror_state};  // unless it is open
  }
  for (const auto& p : told.partitions) all[p.index] = p;
  for (const auto& [index, at] : all) {
    if (index < 0 || index >= std::ssize(owners)) continue;
    const bool is_new = !runs(topic, index);
    Running& running = pump_of(topic, at);
    if (is_new || !running.owners_known) {
      running.owners_known = owners[index].has_value();
      running.owners = std::move(owners[index]).value_or(Source::Owners());
    }
    note_leader(running, at);
    if (const auto trouble = troubled.find(index); trouble != troubled.end()) {
      const auto& t = *trouble->second;
      act(running, running.pump.on_target_troubled(t.trouble, t.reason));
      continue;
    }
    if (at.mirror_state == PumpState::resuming) running.pump.accept_gap();
    const io::Instant now = source_.loop().now();
    const bool goes_on = running.pump.on_target_ready(at.end_offset, at.last_batch_epoch, now);
    if (is_new || goes_on) begin(running);
  }
}

void Session::heed_pause(bool paused) {
  if (paused != paused_) log_.info("{}", paused ? "paused by the operator" : "goes on");
  paused_ = paused;
  for (auto& [tp, running] : running_) {
    if (!paused) {
      running.pump.resume();
      continue;
    }
    running.pump.pause();
    fetcher_.forget(tp);
    waiting_.erase(tp);
  }
}

bool Session::runs(const SourceTopic& topic, PartitionIndex index) const {
  auto known = running_.find(TopicPartition{topic.name, index});
  return known != running_.end() && known->second.topic_id == topic.id;
}

// Where it is led by another broker than before, it goes on from what that one has.
void Session::note_leader(Running& running, const Ensured::MirrorTopicPosition& at) {
  if (at.leader_id < 0) return;  // not known now
  const bool has_moved = running.leader >= 0 && running.leader != at.leader_id;
  running.leader = at.leader_id;
  running.leader_epoch = at.leader_epoch;
  if (!has_moved) return;
  const TopicPartition& tp = running.pump.name();
  appender_.drop(tp);
  fetcher_.forget(tp);
  waiting_.erase(tp);
  running.pump.on_target_moved();
}

Running& Session::pump_of(const SourceTopic& topic, const Ensured::MirrorTopicPosition& at) {
  const TopicPartition tp{topic.name, at.index};
  if (runs(topic, at.index)) return running_.find(tp)->second;
  fetcher_.forget(tp);
  waiting_.erase(tp);
  running_.erase(tp);
  source_.add_interest(topic.name);
  // A recorded failure is tried again by each new session: its reason may be gone. If it is not, it
  // is found again before anything is touched.
  PumpState state = at.mirror_state;
  if (state == PumpState::failed || state == PumpState::waiting) state = PumpState::mirroring;
  Pump pump(tp, at.end_offset, at.last_batch_epoch, state, config_.delete_delay);
  if (paused_) pump.pause();
  Running running{std::move(pump), topic.id, {}, {}, {}, ++born_};
  return running_.try_emplace(tp, std::move(running)).first->second;
}

bool Session::begins_at_the_end(const Running& running) const {
  return config_.start == process::LinkStart::latest && running.pump.acknowledged() == 0 &&
         running.pump.state() == PumpState::initializing &&
         first_look_.was_there(running.topic_id, running.pump.name().partition);
}

void Session::begin(Running& running) {
  if (!running.pump.active()) return;
  const auto from = running.pump.fetch_from();
  const bool is_empty = from.offset == 0 && from.last_fetched_epoch < 0;
  const TopicPartition tp = running.pump.name();
  if (is_empty && begins_at_the_end(running)) {
    first_look_.asks(running.topic_id, tp.partition);
    gate_.spawn("bounds " + tp.to_string(), ask_bounds(tp));
    return;
  }
  want(running);
}

void Session::ask_for_what_is_due() {
  const io::Instant now = source_.loop().now();
  for (auto& [tp, running] : running_) {
    if (!running.pump.is_due(now)) continue;
    running.pump.asked();
    want(running);
  }
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
void Session::end_topic(const std::string& topic, const std::string& why, bool recreated) {
  if (mirrored_.erase(topic) == 0) return;
  for (auto& [tp, running] : running_) {
    if (tp.topic != topic) continue;
    running.pump.end(why);
    if (recreated) running.pump.fail(why);  // as the target has written it down
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
  if (!appender_.has_room(running.leader)) {
    waiting_.insert(tp);
    return;
  }
  fetcher_.want(tp, running.pump.fetch_from(), running.topic_id);
}

void Session::want_what_waits() {
  for (auto at = waiting_.begin(); at != waiting_.end();) {
    const auto found = running_.find(*at);
    const bool stays = found != running_.end() && !appender_.has_room(found->second.leader);
    at = stays ? std::next(at) : waiting_.erase(at);
    if (!stays && found != running_.end()) want(found->second);
  }
  if (appender_.has_room()) fetcher_.go_on();
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
    case Kind::wait:
      fetcher_.forget(tp);
      waiting_.erase(tp);
      return;
    case Kind::ask_bounds: gate_.spawn("bounds " + tp.to_string(), ask_bounds(tp)); return;
    case Kind::append: break;
  }
  if (!running.owners_known && !action.batches.empty()) {
    // Under whose epochs they were written would be guessed.
    const std::string why = "the source has yet to say whose its epochs are";
    act(running, running.pump.on_refused(MirrorTrouble::source_offline, why, source_.loop().now()));
    return;
  }
  bool brings_something = !action.batches.empty() || action.start_at >= 0 || action.log_start >= 0;
  if (brings_something) {
    AppendJob job{tp,
                  running.topic_id,
                  running.pump.source_epoch(),
                  running.pump.source_end(),
                  running.owners,
                  std::move(action),
                  running.life(),
                  running.leader};
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
  const Uuid topic = found->second.topic_id;
  if (!starts || !ends || (*starts)[partition].offset < 0 || (*ends)[partition].offset < 0) {
    first_look_.cannot_tell(topic, partition.partition);
    const bool going_on = co_await pause(ask_again_after);
    found = running_.find(partition);
    if (going_on && found != running_.end()) begin(found->second);
    co_return;
  }
  const Offset start = (*starts)[partition].offset;
  const Offset end = (*ends)[partition].offset;
  const bool skip = begins_at_the_end(found->second);
  // Of an empty one nothing is left out, and nothing has to be written down.
  if (!skip || end == 0) first_look_.began(topic, partition.partition);
  act(found->second, found->second.pump.on_bounds(skip ? end : start, end));
}

void Session::on_outcome(const AppendOutcome& outcome) {
  auto found = running_.find(outcome.partition);
  if (found != running_.end() && found->second.life() == outcome.life) {
    Running& running = found->second;
    io::Instant now = source_.loop().now();
    if (outcome.error == ErrorCode::none) {
      first_look_.began(running.topic_id, outcome.partition.partition);
      running.pump.on_appended(outcome.end_offset, outcome.bytes, now);
      if (outcome.bytes > 0) lags_.note(now - running.fetched_at);
      bytes_ += outcome.bytes;
    } else if (outcome.error == ErrorCode::fenced_leader_epoch) {
      stop(kafka::error_of(outcome.error, outcome.message));
    } else {
      // Its disk is full, a batch is damaged; or promoted, recreated, cut meanwhile: the next
      // discovery asks the target how it stands.
      log_.info("partition={} stops: {}", outcome.partition.to_string(), outcome.message);
      first_look_.cannot_tell(running.topic_id, outcome.partition.partition);
      act(running, running.pump.on_refused(outcome.trouble, outcome.message, now));
    }
  }
  want_what_waits();
}

io::Task<Result<void>> Session::report(io::Duration next_within) {
  kafka::ReportMirrorRequest request;
  request.link = name_;
  request.link_epoch = link_epoch_;
  request.next_within_ms = std::chrono::duration_cast<io::milliseconds>(next_within).count();
  request.route_version = view_.routes().version();
  kafka::put_takeovers(request.routes, view_.routes());
  left_out_.tell(mirrored_, refused_, request);
  request.begun = first_look_.done();
  if (access_) access_->tell(request);
  std::tie(request.source_starts, request.source_started_at) = view_.latest_start();
  std::set<std::string> ended;
  for (const auto& [tp, running] : running_) {
    if (!mirrored_.contains(tp.topic)) ended.insert(tp.topic);
  }
  io::Instant now = source_.loop().now();
  add_partitions(running_, now, request);
  auto answer = co_await target_.call_any(std::move(request), now + request_timeout);
  if (!answer) co_return fail(answer.error());
  if (answer->error_code != ErrorCode::none) {
    co_return refused_by_target(answer->error_code);
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
  s.groups = offsets_.groups();
  s.held = offsets_.held();
  s.bytes = bytes_;
  s.requests = appender_.requests();
  if (access_) s.access = access_->status();
  if (paused_) s.problem = "paused by the operator";
  if (!refused_.empty()) s.problem = refused_.begin()->first + ": " + refused_.begin()->second;
  add_partitions(running_, source_.loop().now(), s);
  return s;
}

}  // namespace isthmus::mirror
