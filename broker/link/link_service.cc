#include "broker/link/link_service.h"

#include <algorithm>
#include <iterator>

#include "broker/controller/topic_config.h"
#include "broker/controller/topic_plans.h"
#include "broker/group/coordinator.h"
#include "broker/link/forget.h"
#include "broker/link/switchover_plans.h"
#include "kafka/batch.h"
#include "process/mirror_config.h"

namespace isthmus::broker {

using kafka::ErrorCode;

namespace {

struct Checked {
  size_t good = 0;  // bytes of whole batches
  std::optional<Error> damage;
};

// Every batch's CRC: what crossed a line is not believed, and what is appended here is never
// checked again before a consumer reads it. `next` is where the first batch belongs.
Checked check_batches(Bytes batches, Offset next) {
  kafka::BatchIterator walk(batches, true);
  while (auto batch = walk.next()) next = batch->header.next_offset();
  Checked checked{walk.position(), std::nullopt};
  if (walk.end() == kafka::BatchIterator::End::clean) return checked;
  const std::string what = walk.end() == kafka::BatchIterator::End::corrupt
                               ? walk.error().text
                               : "the records end inside it";
  checked.damage = Error::corrupt("the batch at offset " + std::to_string(next) + ": " + what);
  return checked;
}

kafka::MirrorTrouble trouble_of(ErrorCode error, const PartitionRef& partition) {
  using kafka::MirrorTrouble;
  if (error == ErrorCode::corrupt_message) return MirrorTrouble::damaged_batch;
  if (error != ErrorCode::kafka_storage_error) return MirrorTrouble::none;
  return partition.outage() ? MirrorTrouble::target_offline : MirrorTrouble::target_full;
}

// As a mirror process says it.
std::optional<io::Duration> age_of(int64_t ms) {
  constexpr int64_t longest_ms = int64_t{1000} * 365 * 24 * 3600 * 1000;
  if (ms < 0) return std::nullopt;
  return io::milliseconds(std::min(ms, longest_ms));
}

}  // namespace

LinkService::LinkService(io::Env& env, Controller& controller, PartitionTable& partitions,
                         Coordinator& groups)
    : env_(env), controller_(controller), partitions_(partitions), groups_(groups) {}

io::Task<kafka::AttachLinkResponse> LinkService::attach(kafka::AttachLinkRequest request) {
  Attach attach;
  attach.link = request.link;
  attach.source_name = request.source_name;
  attach.source_number = request.source_number;
  attach.source_cluster_id = request.source_cluster_id;
  attach.target_id = request.target_id;
  attach.source_starts = request.source_starts;
  attach.source_start_times = request.source_start_times;
  for (const auto& r : request.reachable) attach.reachable[r.number] = r.cluster_id;
  std::string back;
  auto decide = [&](const Image& image) -> Result<Plan> {
    back = went_back(image, attach);
    return back.empty() ? plan_attach(image, attach) : plan_went_back(image, attach.link, back);
  };
  auto done = co_await controller_.update(decide);
  kafka::AttachLinkResponse response;
  if (done && !back.empty()) {
    done = kafka::refuse(ErrorCode::invalid_request, back);
    if (back != said_) log_.error("link={}: {}", request.link, back);
    said_ = back;
  }
  if (!done) {
    kafka::refuse(response, done.error());
    co_return response;
  }
  const auto image = controller_.snapshot();
  const LinkImage& link = image->links.at(request.link);
  response.link_epoch = link.epoch;
  response.begins = link.begins;
  last_contact_[request.link] = {env_.main_loop().now(), std::nullopt};
  log_.info("attached link={} source={} number={} epoch={}", request.link, request.source_name,
            request.source_number, response.link_epoch);
  co_return response;
}

io::Task<kafka::EnsureMirrorTopicsResponse::MirrorTopicResult> LinkService::ensure_topic(
    std::string link, MirrorTopic topic) {
  kafka::EnsureMirrorTopicsResponse::MirrorTopicResult result;
  result.name = topic.name;
  std::string again;
  auto decide = [&](const Image& image) -> Result<Plan> {
    again = was_recreated(image, link, topic);
    return again.empty() ? plan_mirror_topic(image, link, topic)
                         : plan_recreated(image, topic.name, again);
  };
  auto done = co_await controller_.update(decide);
  if (done && !again.empty()) done = kafka::refuse(ErrorCode::inconsistent_topic_id, again);
  if (!done) {
    kafka::refuse(result, done.error());
    co_return result;
  }
  auto image = controller_.snapshot();
  const TopicImage* recorded = image->find(topic.name);
  if (recorded == nullptr) {
    result.error_code = ErrorCode::unknown_topic_or_partition;
    co_return result;
  }
  for (size_t i = 0; i < recorded->partitions.size(); ++i) {
    auto index = static_cast<PartitionIndex>(i);
    auto partition = partitions_.find(topic.name, index);
    const MirrorState state = recorded->partitions[i].mirror_state;
    const auto outage = partition.outage();
    if (outage) {
      result.troubled.push_back(
          {index, state, kafka::MirrorTrouble::target_offline, outage->reason});
    }
    if (!partition) continue;
    const PartitionView view = co_await partition.describe();
    if (view.disk_full && !outage) {
      result.troubled.push_back({index, state, kafka::MirrorTrouble::target_full,
                                 "the disk is full but for its reserve"});
    }
    result.partitions.push_back({index, view.end_offset, view.last_batch_epoch, state});
  }
  co_return result;
}

// What the source's brokers make of a key is what ours do, or nothing that a topic can have here.
bool LinkService::is_inherited_here(const std::string& name, const std::string& value) const {
  const TopicConfigKey* key = find_topic_config(name);
  if (key == nullptr || !check_topic_config(name, value)) return true;
  return default_value(*key, partitions_.defaults()) == value;
}

// Of topics that the source has deleted, and of those that it has created again since.
io::Task<Result<void>> LinkService::end_copies(kafka::EnsureMirrorTopicsRequest request) {
  const auto checked = [&request](const Image& image, auto plan) -> Result<Plan> {
    auto right = check_link_epoch(image, request.link, request.link_epoch);
    if (!right) return Result<Plan>(fail(right.error()));
    return plan();
  };
  for (const auto& gone : request.gone) {
    auto decide = [&](const Image& image) {
      return checked(image, [&] { return plan_delete_copy(image, request.link, gone.topic_id); });
    };
    auto done = co_await controller_.update(decide);
    if (!done) co_return done;
    log_.warn("link={} topic={} id={} was deleted at the source: the copy goes too", request.link,
              gone.name, gone.topic_id.to_string());
  }
  for (const auto& topic : request.recreated) {
    std::vector<SetAside> aside;
    auto decide = [&](const Image& image) {
      return checked(image,
                     [&] { return plan_set_aside(image, request.link, topic.topic_id, aside); });
    };
    auto done = co_await controller_.update(decide);
    if (!done) co_return done;
    tell_of_set_aside(request.link, aside);
  }
  co_return Result<void>{};
}

io::Task<kafka::EnsureMirrorTopicsResponse> LinkService::ensure_topics(
    kafka::EnsureMirrorTopicsRequest request) {
  kafka::EnsureMirrorTopicsResponse response;
  auto current = check_link_epoch(*controller_.snapshot(), request.link, request.link_epoch);
  if (!current) {
    response.error_code = kafka::error_code(current.error());
    co_return response;
  }
  last_contact_[request.link].at = env_.main_loop().now();
  for (auto& wanted : request.topics) {
    MirrorTopic topic;
    topic.name = wanted.name;
    topic.id = wanted.topic_id;
    topic.origin = wanted.origin;
    for (auto& config : wanted.configs) {
      const bool is_same = config.inherited && is_inherited_here(config.name, config.value);
      if (!is_same) topic.configs[config.name] = config.value;
    }
    for (auto& p : wanted.partitions) topic.leader_epochs.push_back(p.leader_epoch);
    auto result = co_await ensure_topic(request.link, std::move(topic));
    response.topics.push_back(std::move(result));
  }
  auto ended = co_await end_copies(request);
  if (!ended) {
    response.error_code = kafka::error_code(ended.error());
    co_return response;
  }
  const auto image = controller_.snapshot();
  const auto link = image->links.find(request.link);
  response.paused = link != image->links.end() && link->second.paused;
  co_return response;
}

io::Task<void> LinkService::append_one(LinkWriter writer, PartitionRef partition,
                                       AppendPartition wanted, AppendResult& result) {
  auto batches = wanted.records.flatten();
  if (!batches) co_return kafka::refuse(result, batches.error());
  const Checked checked = check_batches(*batches, wanted.expected_offset);
  if (checked.damage && checked.good == 0) co_return kafka::refuse(result, *checked.damage);
  *batches = batches->sub(0, checked.good);
  writer.expected_offset = wanted.expected_offset;
  writer.source_leader_epoch = wanted.source_leader_epoch;
  writer.source_high_watermark = wanted.source_high_watermark;
  writer.start_at = wanted.start_at;
  writer.log_start = wanted.log_start;
  for (const auto& owner : wanted.owners) writer.owners.emplace_back(owner.epoch, owner.number);
  auto done = co_await partition.append(writer, *batches);
  if (!done && kafka::error_code(done.error()) == ErrorCode::unknown_leader_epoch) {
    // The source has held an election: our epoch follows before its batches come in.
    auto decide = [&](const Image& image) {
      return plan_raise_epoch(image, partition.topic_id(), wanted.index,
                              wanted.source_leader_epoch);
    };
    auto raised = co_await io::call_on(env_.main_loop(), controller_.update(decide));
    if (!raised) co_return kafka::refuse(result, raised.error());
    done = co_await partition.append(std::move(writer), *batches);
  }
  if (!done) co_return kafka::refuse(result, done.error());
  result.end_offset = done->log_end;
  if (checked.damage) kafka::refuse(result, *checked.damage);
}

io::Task<void> LinkService::append(kafka::MirrorAppendRequest request,
                                   std::shared_ptr<Appending> out) {
  auto image = partitions_.image();
  const auto link = image->links.find(request.link);
  const bool paused = link != image->links.end() && link->second.paused;
  for (auto& topic : request.topics) {
    auto& results = out->response.topics.emplace_back();
    results.topic_id = topic.topic_id;
    results.partitions.resize(topic.partitions.size());
    const TopicImage* found = image->find(topic.topic_id);
    for (size_t i = 0; i < topic.partitions.size(); ++i) {
      AppendPartition& wanted = topic.partitions[i];
      AppendResult& result = results.partitions[i];
      result.index = wanted.index;
      result.end_offset = -1;
      PartitionRef partition;
      if (found != nullptr) partition = partitions_.find(found->name, wanted.index);
      if (!partition || partition.topic_id() != topic.topic_id) {
        result.error_code = ErrorCode::unknown_topic_id;
        continue;
      }
      // Its mirror process has yet to hear of it.
      if (paused) {
        kafka::refuse(result, kafka::error_of(ErrorCode::policy_violation,
                                              "link " + request.link + " is paused"));
        continue;
      }
      LinkWriter writer;
      writer.link = request.link;
      writer.link_epoch = request.link_epoch;
      co_await append_one(std::move(writer), partition, std::move(wanted), result);
      result.trouble = trouble_of(result.error_code, partition);
      if (result.error_code != ErrorCode::none) continue;
      out->to_await.emplace_back(std::move(partition), result.end_offset);
      out->place.emplace_back(out->response.topics.size() - 1, i);
    }
  }
}

io::Task<void> LinkService::await_durable(std::shared_ptr<Appending> appending) {
  constexpr auto limit = std::chrono::seconds(30);
  for (size_t i = 0; i < appending->to_await.size(); ++i) {
    auto& [partition, end] = appending->to_await[i];
    auto safe = co_await partition.committed(end, partition.loop().now() + limit);
    if (safe) continue;
    auto [t, p] = appending->place[i];
    AppendResult& result = appending->response.topics[t].partitions[p];
    kafka::refuse(result, safe.error());
    result.trouble = trouble_of(result.error_code, partition);
  }
}

io::Task<kafka::MirrorOffsetsResponse> LinkService::offsets(kafka::MirrorOffsetsRequest request) {
  kafka::MirrorOffsetsResponse response;
  auto current = check_link_epoch(*controller_.snapshot(), request.link, request.link_epoch);
  if (!current) {
    response.error_code = kafka::error_code(current.error());
    co_return response;
  }
  const auto topics =
      std::make_shared<const std::set<std::string>>(request.topics.begin(), request.topics.end());
  for (auto& group : request.groups) {
    LinkCommit commit;
    commit.link = request.link;
    commit.link_epoch = request.link_epoch;
    commit.group = group.group_id;
    if (group.complete) commit.complete_in = topics;
    for (auto& offset : group.offsets) {
      commit.offsets.push_back(
          {{offset.topic, offset.partition}, offset.offset, offset.metadata.value_or("")});
    }
    if (group.membership) {
      auto members = decode_membership(*group.membership);
      if (!members) {
        log_.warn("link={} group={} members: {}", request.link, group.group_id,
                  members.error().text);
        response.groups.push_back({group.group_id, ErrorCode::invalid_request, false, false});
        continue;
      }
      commit.moved = MovedGroup{request.switchover_id, std::move(*members)};
    }
    auto result = co_await groups_.commit_from_link(std::move(commit));
    response.groups.push_back({group.group_id, result.error, result.held, result.empty});
  }
  co_return response;
}

io::Task<kafka::ReportMirrorResponse> LinkService::report(kafka::ReportMirrorRequest request) {
  kafka::ReportMirrorResponse response;
  auto current = check_link_epoch(*controller_.snapshot(), request.link, request.link_epoch);
  if (!current) {
    response.error_code = kafka::error_code(current.error());
    co_return response;
  }
  Contact& contact = last_contact_[request.link];
  contact = {env_.main_loop().now(), std::nullopt};
  if (request.next_within_ms >= 0) contact.promised = io::milliseconds(request.next_within_ms);
  left_out_[request.link] = {request.left_out_count, std::move(request.left_out)};
  std::vector<PartitionReport> reports;
  for (auto& topic : request.topics) {
    auto image = controller_.snapshot();
    const TopicImage* found = image->find(topic.topic_id);
    if (found == nullptr) continue;
    for (auto& p : topic.partitions) {
      reports.push_back({topic.topic_id, p.index, p.state, p.reason});
      auto partition = partitions_.find(found->name, p.index);
      if (!partition) continue;
      co_await partition.note_source(p.source_end_offset, p.lag_ms, age_of(p.source_age_ms));
    }
  }
  const auto names = process::parse_link_name(request.link);
  const auto routes = kafka::takeovers_in(request.routes, request.route_version,
                                          names ? names->source : std::string());
  const SourceStart start{request.source_starts, request.source_started_at};
  auto decide = [&](const Image& image) -> Result<Plan> {
    auto plan = plan_report(image, request.link, reports);
    if (plan) merge_routes(*plan, image, routes);
    auto link = image.links.find(request.link);
    if (!plan || link == image.links.end()) return plan;
    auto right = check_start(link->second, start);
    if (!right) return Result<Plan>(fail(right.error()));
    LinkImage later = link->second;
    note_start(later, start);
    const bool has_begun = request.begun && later.begins;
    if (has_begun) later.begins = false;
    if (has_begun || later.source_starts != link->second.source_starts) plan->put(later);
    return plan;
  };
  auto done = co_await controller_.update(decide);
  if (!done) response.error_code = kafka::error_code(done.error());
  co_return response;
}

io::Task<kafka::ForgetLinkResponse> LinkService::forget(kafka::ForgetLinkRequest request) {
  const ClusterIdentity meant{request.cluster_id, request.number};
  auto decide = [&](const Image& image) { return plan_forget(image, request.link, meant); };
  auto done = co_await controller_.update(decide);
  kafka::ForgetLinkResponse response;
  if (!done) {
    kafka::refuse(response, done.error());
    co_return response;
  }
  // Its mirror process is fenced: nobody needs to wait for it any more.
  last_contact_.erase(request.link);
  left_out_.erase(request.link);
  log_.warn("forgotten: link={} does not come from {} any more", request.link, to_string(meant));
  co_return response;
}

void LinkService::tell_of_set_aside(const std::string& link, const std::vector<SetAside>& aside) {
  for (const auto& [topic, name] : aside) {
    log_.warn("link={} topic={} was created again at the source: the copy of the one before is {}",
              link, topic, name);
  }
}

io::Task<kafka::PauseLinkResponse> LinkService::pause(kafka::PauseLinkRequest request) {
  if (request.set_aside) {
    auto response = co_await set_aside(std::move(request));
    co_return response;
  }
  Steering wish{request.link, request.paused, request.accept_gap, {}};
  for (const auto& p : request.partitions) wish.partitions.push_back({p.topic, p.partition});
  std::vector<AcceptedGap> accepted;
  auto decide = [&](const Image& image) -> Result<Plan> {
    auto steered = plan_steer(image, wish);
    if (!steered) return Result<Plan>(fail(steered.error()));
    accepted = std::move(steered->accepted);
    return std::move(steered->plan);
  };
  auto done = co_await controller_.update(decide);
  kafka::PauseLinkResponse response;
  if (!done) {
    kafka::refuse(response, done.error());
    co_return response;
  }
  for (const auto& [partition, reason] : accepted) {
    response.accepted.push_back({partition.topic, partition.partition, reason});
    if (reason.empty()) continue;
    log_.warn("link={} partition={} goes on behind a gap, as the operator says: {}", request.link,
              partition.to_string(), reason);
  }
  log_.info("link={} {}", request.link, request.paused ? "is paused" : "goes on");
  co_return response;
}

io::Task<kafka::PauseLinkResponse> LinkService::set_aside(kafka::PauseLinkRequest request) {
  kafka::PauseLinkResponse response;
  if (request.paused || request.accept_gap) {
    kafka::refuse(response, kafka::error_of(ErrorCode::invalid_request,
                                            "copies are set aside in a request of its own, by a "
                                            "link that goes on"));
    co_return response;
  }
  std::vector<SetAside> aside;
  auto decide = [&](const Image& image) -> Result<Plan> {
    auto steered = plan_steer(image, {request.link, false, false, {}});
    if (!steered) return Result<Plan>(fail(steered.error()));
    auto plan = plan_set_aside(image, request.link, request.topics, aside);
    if (!plan) return plan;
    std::ranges::move(steered->plan.checks, std::back_inserter(plan->checks));
    std::ranges::move(steered->plan.puts, std::back_inserter(plan->puts));
    return plan;
  };
  auto done = co_await controller_.update(decide);
  if (!done) {
    kafka::refuse(response, done.error());
    co_return response;
  }
  tell_of_set_aside(request.link, aside);
  for (auto& [topic, name] : aside) response.aside.push_back({topic, std::move(name)});
  co_return response;
}

io::Task<kafka::EpochHistoryResponse> LinkService::history(kafka::EpochHistoryRequest request) {
  kafka::EpochHistoryResponse response;
  auto image = partitions_.image();
  for (const auto& name : request.topics) {
    auto& out = response.topics.emplace_back();
    out.name = name;
    const TopicImage* topic = image->find(name);
    if (topic == nullptr) {
      out.error_code = ErrorCode::unknown_topic_or_partition;
      continue;
    }
    out.topic_id = topic->id;
    for (auto& partition : partitions_.all_of(name)) {
      auto& p = out.partitions.emplace_back();
      p.index = partition.name().partition;
      p.leader_epoch = epoch_in_force(topic->partitions[p.index], image->starts);
      const EpochHistory history = co_await partition.history();
      p.end_offset = history.end_offset;
      for (const auto& e : history.entries) p.entries.push_back({e.epoch, e.owner, e.start_offset});
    }
  }
  co_return response;
}

}  // namespace isthmus::broker
