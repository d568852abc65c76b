#include "broker/replication/copier.h"

#include <algorithm>
#include <cerrno>
#include <set>

#include "io/parallel.h"

namespace isthmus::broker {

using kafka::ErrorCode;

namespace {

// How many logs are written and synced at a time, for each lane.
constexpr size_t logs_at_once = 16;

constexpr const char* least_right =
    "; who this broker is there needs CLUSTER_ACTION on the cluster";

Error refused(ErrorCode code, const std::string& what) {
  const bool lacks_right = code == ErrorCode::cluster_authorization_failed;
  return kafka::error_of(code, "the leader refuses " + what + (lacks_right ? least_right : ""));
}

bool is_for_the_log(FollowerStep::Kind kind) {
  using Kind = FollowerStep::Kind;
  return kind == Kind::cut || kind == Kind::begin_anew || kind == Kind::copy;
}

FollowerAnswer answer_of(kafka::FetchResponse::PartitionData data) {
  FollowerAnswer answer{.error = data.error_code,
                        .high_watermark = data.high_watermark,
                        .log_start = data.log_start_offset};
  if (!data.records.empty()) {
    auto bytes = data.records.flatten();  // is in memory
    if (bytes) answer.records = std::move(*bytes);
  }
  if (data.diverging_epoch.epoch >= 0) {
    answer.diverging = {data.diverging_epoch.epoch, data.diverging_epoch.end_offset};
  }
  return answer;
}

}  // namespace

Copier::Copier(io::Env& env, PartitionTable& partitions, Dialer& dialer, Options options)
    : loop_(env.main_loop()),
      partitions_(partitions),
      dialer_(dialer),
      options_(std::move(options)),
      gate_(loop_) {}

Copier::~Copier() = default;

io::Task<void> Copier::close() {
  closing_ = true;
  for (auto& [leader, source] : sources_) {
    source->changed.close();
    for (Lane& lane : source->lane) {
      if (lane.connection) lane.connection->close();
    }
  }
  co_await gate_.close();
}

void Copier::follow(std::shared_ptr<const Image> image) {
  const int64_t limit_before = adding_bandwidth();
  const auto before = std::exchange(image_, std::move(image));
  if (adding_bandwidth() != limit_before) {
    // What came under the other is even.
    added_until_ = {};
    for (auto& [leader, source] : sources_) source->changed.notify_all();
  }
  for (const auto& [id, topic] : before->topics_by_id) {
    if (image_->find(id) != nullptr) continue;
    const auto first = entries_.lower_bound({id, 0});
    entries_.erase(first, entries_.upper_bound({id, max_partitions_per_topic}));
  }
  const bool brokers_changed = !have_same_brokers(*before, *image_);
  std::set<NodeId> leaders;
  for (const auto& [name, topic] : image_->topics) {
    const auto known = before->topics.find(name);
    if (!brokers_changed && known != before->topics.end() && known->second == topic) continue;
    for (PartitionIndex i = 0; i < std::ssize(topic->partitions); ++i) {
      if (follow(*topic, i)) leaders.insert(topic->partitions[static_cast<size_t>(i)].leader);
    }
  }
  for (NodeId leader : leaders) source_of(leader).changed.notify_all();
}

void Copier::look_again() {
  for (auto& [leader, source] : sources_) source->changed.notify_all();
}

bool Copier::follow(const TopicImage& topic, PartitionIndex index) {
  const PartitionImage& partition = topic.partitions[static_cast<size_t>(index)];
  const bool is_copied =
      partition.leader >= 0 && partition.leader != options_.self &&
      std::ranges::find(partition.replicas, options_.self) != partition.replicas.end();
  const std::pair key{topic.id, index};
  if (!is_copied) {
    entries_.erase(key);
    return false;
  }
  auto& entry = entries_[key];
  if (!entry) {
    entry = std::make_shared<Entry>();
    entry->topic_id = topic.id;
  }
  entry->adding = std::ranges::find(partition.adding, options_.self) != partition.adding.end();
  entry->follower.limit(limit_of(entry->adding));
  entry->name = {topic.name, index};
  const LeaderEpoch epoch = epoch_in_force(partition, *image_);
  const bool is_anew =
      entry->follower.leader() != partition.leader || entry->follower.epoch() != epoch;
  if (is_anew) entry->round = 0;
  entry->follower.led_by(partition.leader, epoch, !topic.is_mirror());
  return is_anew;
}

Copier::Source& Copier::source_of(NodeId leader) {
  auto& source = sources_[leader];
  if (!source) {
    source = std::make_unique<Source>(loop_);
    for (size_t i = 0; i < lanes; ++i) gate_.spawn("replication", run_lane(leader, *source, i));
  }
  return *source;
}

PartitionRef Copier::find(Entry& entry) const {
  auto partition = partitions_.find(entry.name.topic, entry.name.partition);
  const bool is_it = partition && partition.topic_id() == entry.topic_id;
  entry.found_at = is_it ? std::optional(loop_.now()) : std::nullopt;
  return is_it ? partition : PartitionRef();
}

bool Copier::is_open(Entry& entry) const {
  constexpr auto is_believed_for = io::milliseconds(500);
  const bool is_known = entry.found_at && loop_.now() - *entry.found_at < is_believed_for;
  return is_known || find(entry);
}

int64_t Copier::adding_bandwidth() const {
  const auto self = image_->brokers.find(options_.self);
  const int64_t set = self == image_->brokers.end() ? -1 : self->second.follower_rate;
  // Of nothing in a second nothing would ever come.
  return set < 0 ? options_.adding_bandwidth : std::max<int64_t>(set, 1);
}

// A fetch brings no more of it than a second's share, or the next would wait for minutes.
int32_t Copier::limit_of(bool adding) const {
  constexpr int64_t least = 16 << 10;
  if (!adding || adding_bandwidth() == 0) return options_.fetch_max_bytes;
  const int64_t share = std::max(least, adding_bandwidth() / 4);
  return static_cast<int32_t>(std::min<int64_t>(share, options_.fetch_max_bytes));
}

bool Copier::is_held_back(const Entry& entry) const {
  return entry.adding && added_until_ > loop_.now();
}

void Copier::note_added(size_t bytes) {
  if (adding_bandwidth() == 0) return;
  const double seconds = static_cast<double>(bytes) / static_cast<double>(adding_bandwidth());
  added_until_ = std::max(added_until_, loop_.now()) +
                 std::chrono::duration_cast<io::Duration>(std::chrono::duration<double>(seconds));
}

Copier::Round Copier::take_due(NodeId leader) {
  Round round{leader, ++rounds_, {}};
  for (const auto& [key, entry] : entries_) {
    if (entry->round != 0 || entry->follower.leader() != leader || !is_open(*entry)) continue;
    if (is_held_back(*entry)) continue;
    if (entry->follower.step(loop_.now()).kind == FollowerStep::Kind::rest) continue;
    entry->round = round.number;
    round.entries.push_back(entry);
  }
  return round;
}

io::Instant Copier::next_due(NodeId leader) const {
  io::Instant next = io::Instant::max();
  for (const auto& [key, entry] : entries_) {
    if (entry->round != 0 || entry->follower.leader() != leader || !is_open(*entry)) continue;
    const FollowerStep step = entry->follower.step(loop_.now());
    const bool is_held = is_held_back(*entry) && step.kind != FollowerStep::Kind::rest;
    next = std::min(next, is_held ? added_until_ : step.until);
  }
  return next;
}

io::Task<void> Copier::run_lane(NodeId leader, Source& source, size_t number) {
  Lane& lane = source.lane[number];
  while (!closing_) {
    const Round round = take_due(leader);
    if (round.entries.empty()) {
      co_await source.changed.wait_until(next_due(leader));
      continue;
    }
    const bool answered = co_await go_round(source, lane, round);
    tell_of_others(leader, source);
    if (!answered) lane.connection.reset();
    for (const auto& entry : round.entries) {
      if (entry->round == round.number) entry->round = 0;
    }
    source.changed.notify_all();
  }
}

io::Task<bool> Copier::go_round(Source& source, Lane& lane, const Round& round) {
  auto done = co_await take_steps(source, lane, round);
  if (closing_) co_return false;
  if (done) {
    if (std::exchange(lane.away, false)) {
      log_.info("leader={} answers again", round.leader);
      if (silence_) silence_(round.leader, false);
    }
    co_return true;
  }
  if (!std::exchange(lane.away, true)) {
    log_.warn("leader={} does not answer: {}", round.leader, done.error().text);
    if (silence_) silence_(round.leader, true);
  }
  for (const auto& entry : round.entries) {
    if (entry->round != round.number) continue;
    entry->follower.on_failed(entry->follower.epoch(), loop_.now());
  }
  co_return false;
}

io::Task<Result<void>> Copier::take_steps(Source& source, Lane& lane, const Round& round) {
  auto done = co_await connect(round.leader, source, lane);
  if (!done) co_return done;
  done = co_await compare(lane, that_should(FollowerStep::Kind::compare, round));
  if (!done) co_return done;
  co_await work_on_logs(lane, round);
  done = co_await fetch(source, lane, that_should(FollowerStep::Kind::fetch, round));
  if (!done) co_return done;
  co_await work_on_logs(lane, round);
  co_return done;
}

void Copier::note_refusal(NodeId leader, const Source& source, const Error& error) const {
  const bool is_refusal = error.kind == Error::Kind::io && error.code == ECONNREFUSED;
  // One that is starting listens before it serves.
  const bool was_reached = source.reached > 0 && source.reached == image_->starts_of(leader);
  if (is_refusal && was_reached && refused_) refused_(leader, source.reached);
}

io::Task<Result<void>> Copier::connect(NodeId leader, Source& source, Lane& lane) {
  if (lane.connection && !lane.connection->closed() && lane.connection->is_fresh()) {
    co_return Result<void>{};
  }
  lane.connection.reset();
  const int32_t starts = image_->starts_of(leader);
  auto opened = co_await dialer_.dial(gate_, image_, leader, io::Instant::max());
  if (!opened) {
    note_refusal(leader, source, opened.error());
    co_return fail(opened.error());
  }
  source.reached = starts;
  if (closing_) {
    (*opened)->close();
    co_return fail(Error::closed("the broker stops"));
  }
  lane.connection = std::move(*opened);
  lane.session = {};
  co_return Result<void>{};
}

Copier::Entries Copier::that_should(FollowerStep::Kind kind, const Round& round) const {
  Entries all;
  for (const auto& entry : round.entries) {
    const bool is_in = entry->round == round.number;
    if (is_in && entry->follower.step(loop_.now()).kind == kind) all.push_back(entry);
  }
  return all;
}

io::Task<Result<void>> Copier::compare(Lane& lane, Entries entries) {
  if (entries.empty()) co_return Result<void>{};
  kafka::EpochHistoryRequest request;
  std::set<std::string> names;
  for (const auto& entry : entries) names.insert(entry->name.topic);
  request.topics.assign(names.begin(), names.end());
  std::vector<LeaderEpoch> epochs;  // under which it is asked
  for (const auto& entry : entries) epochs.push_back(entry->follower.epoch());
  auto answer =
      co_await lane.connection->call(std::move(request), loop_.now() + options_.request_timeout);
  if (!answer) co_return fail(answer.error());
  if (answer->error_code != ErrorCode::none) {
    co_return fail(refused(answer->error_code, "its history"));
  }
  std::map<std::pair<Uuid, PartitionIndex>, EpochHistory> histories;
  for (const auto& topic : answer->topics) {
    for (const auto& partition : topic.partitions) {
      auto& history = histories[{topic.topic_id, partition.index}];
      history.leader_epoch = partition.leader_epoch;
      history.leads = true;
      history.end_offset = partition.end_offset;
      for (const auto& e : partition.entries) {
        history.entries.push_back({e.epoch, e.start_offset, e.owner});
      }
    }
  }
  const auto piece = [&](size_t i) {
    const std::pair key{entries[i]->topic_id, entries[i]->name.partition};
    return compare_one(entries[i], epochs[i], histories[key]);
  };
  co_await io::in_parallel(loop_, entries.size(), logs_at_once, piece);
  co_return Result<void>{};
}

// What our log holds is durable before it counts.
io::Task<void> Copier::compare_one(std::shared_ptr<Entry> entry, LeaderEpoch epoch,
                                   EpochHistory theirs) {
  const PartitionRef partition = find(*entry);
  if (!partition) co_return entry->follower.on_failed(epoch, loop_.now());
  auto synced = co_await partition.copied();
  if (!synced) co_return entry->follower.on_failed(epoch, loop_.now());
  const bool is_led = theirs.leader_epoch == epoch;
  if (!is_led) note_answer(*entry, ErrorCode::not_leader_or_follower, "its history");
  const EpochHistory ours = co_await partition.history();
  entry->follower.on_compared(epoch, ours, theirs, loop_.now());
}

void Copier::note_answer(Entry& entry, ErrorCode error, const char* asked) {
  // It is behind what the leader has, or beyond it: the next step sets that right.
  if (error == ErrorCode::offset_out_of_range) error = ErrorCode::none;
  const NodeId leader = entry.follower.leader();
  if (leader < 0) return;  // nobody leads it by now
  const std::string name = entry.name.to_string();
  Source& source = source_of(leader);
  if (error == ErrorCode::none) {
    if (!entry.refusals.on_served() || !source.serves.on_news(loop_.now())) return;
    log_.info("{}: leader={} serves it again", name, entry.follower.leader());
  } else if (entry.refusals.on_refused(error, loop_.now()) && source.refuses.on_news(loop_.now())) {
    log_.warn("{}: leader={} refuses {} in epoch={}: {}{}", name, entry.follower.leader(), asked,
              entry.follower.epoch(), kafka::error_name(error),
              error == ErrorCode::topic_authorization_failed ? least_right : "");
  }
}

// Its partition may have heard of another leader before we did: that passes.
void Copier::note_trouble(Entry& entry, const Error& error) {
  const NodeId leader = entry.follower.leader();
  if (leader < 0 || !entry.troubles.on_refused(kafka::error_code(error), loop_.now())) return;
  if (!source_of(leader).not_copied.on_news(loop_.now())) return;
  log_.warn("{}: cannot copy leader={}: {}", entry.name.to_string(), leader, error.text);
}

void Copier::tell_of_others(NodeId leader, Source& source) {
  const io::Instant now = loop_.now();
  if (const size_t count = source.not_copied.due(now)) {
    log_.warn("leader={}: {} other partitions cannot be copied, either", leader, count);
  }
  if (const size_t count = source.refuses.due(now)) {
    log_.warn("leader={} refuses {} other partitions, too", leader, count);
  }
  if (const size_t count = source.serves.due(now)) {
    log_.info("leader={} serves {} other partitions again", leader, count);
  }
}

kafka::FetchRequest Copier::empty_request() const {
  kafka::FetchRequest request;
  request.replica_id = options_.self;
  request.replica_state.replica_id = options_.self;
  request.replica_state.replica_epoch = image_->starts_of(options_.self);
  request.max_wait_ms = static_cast<int32_t>(options_.fetch_wait_max.count());
  request.min_bytes = 1;
  request.max_bytes = options_.fetch_response_max_bytes;
  return request;
}

// Entries are in order of topics and partitions everywhere.
FollowerSession::All Copier::asked_for(const Entries& entries) const {
  FollowerSession::All all;
  all.reserve(entries.size());
  for (const auto& entry : entries) {
    const FollowerStep step = entry->follower.step(loop_.now());
    auto& asked = all.emplace_back(entry->topic_id).partition;
    asked.partition = entry->name.partition;
    asked.current_leader_epoch = step.epoch;
    asked.fetch_offset = step.offset;
    asked.last_fetched_epoch = step.last_epoch;
    asked.log_start_offset = step.own_start;
    asked.partition_max_bytes = step.max_bytes;
  }
  return all;
}

io::Task<Result<void>> Copier::fetch(Source& source, Lane& lane, Entries entries) {
  if (entries.empty()) co_return Result<void>{};
  FollowerSession& session = lane.session;
  kafka::FetchRequest request = empty_request();
  session.name(asked_for(entries), source.turn++, request);
  const io::Instant deadline = loop_.now() + options_.fetch_wait_max + options_.request_timeout;
  auto response = co_await lane.connection->call(std::move(request), deadline);
  if (!response) co_return fail(response.error());
  using Outcome = FollowerSession::Outcome;
  const Outcome outcome = session.on_answer(*response);
  if (outcome == Outcome::forgotten) co_return Result<void>{};
  if (outcome == Outcome::is_refused) co_return fail(refused(response->error_code, "a fetch"));
  for (auto& topic : response->responses) {
    for (auto& data : topic.partitions) {
      const auto place = session.place_of(topic.topic_id, data.partition_index);
      if (!place) continue;
      Entry& entry = *entries[*place];
      const auto& asked = session.asked()[*place].partition;
      if (entry.adding) note_added(data.records.size());
      note_answer(entry, data.error_code, "a fetch");
      entry.follower.on_fetched(asked.current_leader_epoch, asked.fetch_offset,
                                answer_of(std::move(data)), loop_.now());
    }
  }
  co_return Result<void>{};
}

io::Task<void> Copier::work_on_logs(Lane& lane, const Round& round) {
  Entries some;  // most have nothing to do, and a coroutine each would cost more than to look
  for (const auto& entry : round.entries) {
    if (is_for_the_log(entry->follower.step(loop_.now()).kind)) some.push_back(entry);
  }
  const auto piece = [&](size_t i) { return work_on_log(lane, some[i], round.number); };
  co_await io::in_parallel(loop_, some.size(), logs_at_once, piece);
}

io::Task<void> Copier::work_on_log(Lane& lane, std::shared_ptr<Entry> entry, uint64_t round) {
  if (entry->round != round) co_return;
  const FollowerStep step = entry->follower.step(loop_.now());
  if (!is_for_the_log(step.kind)) co_return;
  const PartitionRef partition = find(*entry);
  if (!partition) {
    lane.session.on_unused(entry->topic_id, entry->name.partition);
    co_return entry->follower.on_failed(step.epoch, loop_.now());
  }
  auto end = co_await write(partition, step);
  if (!end) {
    lane.session.on_unused(entry->topic_id, entry->name.partition);
    // A leader that has changed meanwhile is no trouble.
    if (entry->follower.epoch() == step.epoch) note_trouble(*entry, end.error());
    co_return entry->follower.on_failed(step.epoch, loop_.now());
  }
  (void)entry->troubles.on_served();
  if (step.kind == FollowerStep::Kind::copy) {
    entry->follower.on_copied(step.epoch, *end);
  } else {
    log_.info("{}: cut epoch={} end={}", entry->name.to_string(), step.epoch, end->end_offset);
    entry->follower.on_cut(step.epoch, *end);
  }
}

io::Task<Result<FollowerEnd>> Copier::write(PartitionRef partition, FollowerStep step) {
  if (step.kind == FollowerStep::Kind::cut) {
    auto end = co_await partition.cut_to(step.epoch, step.offset);
    co_return end;
  }
  if (step.kind == FollowerStep::Kind::begin_anew) {
    auto end = co_await partition.begin_anew(step.epoch, step.offset);
    co_return end;
  }
  ReplicaWriter writer{step.epoch, step.offset, step.high_watermark, step.log_start,
                       std::move(step.owners)};
  auto appended = co_await partition.append(std::move(writer), std::move(step.records));
  if (!appended) co_return fail(appended.error());
  auto end = co_await partition.copied();
  co_return end;
}

}  // namespace isthmus::broker
