#include "broker/link/link_service.h"

#include <algorithm>
#include <iterator>

#include "broker/controller/topic_config.h"
#include "broker/controller/topic_plans.h"
#include "broker/group/coordinator.h"
#include "broker/link/forget.h"
#include "broker/link/switchover_plans.h"
#include "process/mirror_config.h"

namespace isthmus::broker {

using kafka::ErrorCode;

namespace {

// How long a broker that lags behind the others lets a mirror process wait.
constexpr auto time_to_hear = std::chrono::seconds(2);

}  // namespace

LinkService::LinkService(io::Env& env, Controller& controller, PartitionTable& partitions,
                         Coordinator& groups, SiteViews& views, Colleagues& colleagues)
    : env_(env),
      controller_(controller),
      partitions_(partitions),
      groups_(groups),
      views_(views),
      colleagues_(colleagues),
      passing_(env.main_loop()) {}

io::Task<void> LinkService::hear_of(std::string link, int64_t epoch) {
  if (!controller_.is_shared()) co_return;  // whatever there is, is known here
  io::Loop& loop = env_.main_loop();
  const io::Instant deadline = loop.now() + time_to_hear;
  io::Event& settled = controller_.settled();
  while (controller_.heard()->epoch_of(link) < epoch && !settled.closed() &&
         loop.now() < deadline) {
    co_await settled.wait_until(deadline);
  }
}

io::Task<Result<void>> LinkService::check_current(std::string link, int64_t epoch) {
  if (controller_.snapshot()->epoch_of(link) < epoch) co_await hear_of(link, epoch);
  co_return check_link_epoch(*controller_.snapshot(), link, epoch);
}

void LinkService::note_contact(const std::string& link, std::optional<io::Duration> promised) {
  last_contact_[link] = {env_.main_loop().now(), promised, controller_.snapshot()->epoch_of(link)};
}

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
  // That of this commit: another process may attach before we look again.
  int64_t epoch = 0;
  bool begins = false;
  auto decide = [&](const Image& image) -> Result<Plan> {
    const auto known = image.links.find(attach.link);
    epoch = image.epoch_of(attach.link) + 1;
    begins = known == image.links.end() || known->second.begins;
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
  response.link_epoch = epoch;
  response.begins = begins;
  note_contact(request.link, std::nullopt);
  log_.info("attached link={} source={} number={} epoch={}", request.link, request.source_name,
            request.source_number, response.link_epoch);
  co_return response;
}

io::Task<LinkService::Ensured> LinkService::ensure_topic(std::string link, MirrorTopic topic) {
  Ensured result;
  result.name = topic.name;
  std::string again;
  auto decide = [&](const Image& image) -> Result<Plan> {
    again = was_recreated(image, link, topic);
    return again.empty() ? plan_mirror_topic(image, link, topic)
                         : plan_recreated(image, topic.name, again);
  };
  auto done = co_await controller_.update(decide);
  if (done && !again.empty()) done = kafka::refuse(ErrorCode::inconsistent_topic_id, again);
  if (!done) kafka::refuse(result, done.error());
  co_return result;
}

// Where each log ends, as its leader says.
void LinkService::add_positions(const TopicImage& topic, const Image& image,
                                const SiteViews::View& view, Ensured& result) {
  for (size_t i = 0; i < topic.partitions.size(); ++i) {
    const auto index = static_cast<PartitionIndex>(i);
    const PartitionImage& recorded = topic.partitions[i];
    const MirrorState state = recorded.mirror_state;
    const auto found = view.partitions.find({topic.id, index});
    std::string offline;
    if (found != view.partitions.end()) offline = found->second.offline;
    // One whose leader does not answer us may well answer the mirror.
    if (recorded.leader < 0) offline = view.why_absent(recorded.leader);
    if (!offline.empty()) {
      result.troubled.push_back({index, state, kafka::MirrorTrouble::target_offline, offline});
    }
    if (found == view.partitions.end() || found->second.end_offset < 0) continue;
    const SiteViews::Partition& at = found->second;
    if (at.disk_full && offline.empty()) {
      result.troubled.push_back({index, state, kafka::MirrorTrouble::target_full,
                                 "the disk is full but for its reserve"});
    }
    result.partitions.push_back({index, at.end_offset, at.last_batch_epoch, state, recorded.leader,
                                 epoch_in_force(recorded, image)});
  }
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
  auto current = co_await check_current(request.link, request.link_epoch);
  if (!current) {
    response.error_code = kafka::error_code(current.error());
    co_return response;
  }
  note_contact(request.link, promised(request.link));
  kafka::BrokerViewRequest wants;
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
    wants.topic_ids.push_back(topic.id);
    auto result = co_await ensure_topic(request.link, std::move(topic));
    response.topics.push_back(std::move(result));
  }
  const std::vector<Uuid> ids = wants.topic_ids;
  const auto view = co_await views_.collect(std::move(wants));
  const auto now = controller_.snapshot();
  for (size_t i = 0; i < ids.size(); ++i) {
    Ensured& result = response.topics[i];
    if (result.error_code != ErrorCode::none) continue;
    if (const TopicImage* topic = now->find(ids[i])) {
      add_positions(*topic, *now, view, result);
    } else {
      result.error_code = ErrorCode::unknown_topic_or_partition;
    }
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
  access_.erase(request.link);
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
      const EpochHistory history = co_await partition.history();
      if (!history.leads) continue;
      auto& p = out.partitions.emplace_back();
      p.index = partition.name().partition;
      p.leader_epoch = history.leader_epoch;
      p.end_offset = history.end_offset;
      for (const auto& e : history.entries) p.entries.push_back({e.epoch, e.owner, e.start_offset});
    }
  }
  co_return response;
}

}  // namespace isthmus::broker
