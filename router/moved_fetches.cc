#include "router/moved_fetches.h"

#include <algorithm>
#include <set>

#include "base/leader_epoch.h"
#include "router/leaders.h"
#include "router/reading.h"
#include "server/reply.h"

namespace isthmus::router {

namespace {

using kafka::ApiKey;
using kafka::ErrorCode;

constexpr int32_t no_session = -1, begins_session = 0;
// Answers with records are larger, or will do.
constexpr size_t max_refusal = size_t{16} << 10;
// While it waits for data the partitions may move again, and again.
constexpr int most_fetch_moves = 4;
constexpr auto epochs_known_within = std::chrono::seconds(1);

const std::string* name_of(const Picture& picture, const kafka::FetchRequest::FetchTopic& topic) {
  return topic.topic_id.is_zero() ? &topic.topic : picture.topic_name(topic.topic_id);
}

// nullopt where a topic is not known by its id.
std::optional<Partitions> partitions_of(const Picture& picture, const kafka::FetchRequest& fetch) {
  Partitions partitions;
  for (const auto& topic : fetch.topics) {
    const std::string* name = name_of(picture, topic);
    if (name == nullptr) return std::nullopt;
    for (const auto& partition : topic.partitions) {
      partitions.push_back({*name, partition.partition});
    }
  }
  return partitions;
}

bool is_older_generation(const Picture& picture, const TopicPartition& partition,
                         LeaderEpoch named) {
  const Site* site = picture.site(picture.routes.home_of_topic(partition.topic));
  if (named < 0 || site == nullptr || !site->is_isthmus()) return false;
  const auto leader = site->cluster().metadata().leader_of(partition);
  return leader && generation_of(named) < generation_of(leader->epoch);
}

// Whether there were any.
bool leave_out_older_generations(const Picture& picture, kafka::FetchRequest& fetch) {
  bool any = false;
  for (auto& topic : fetch.topics) {
    const std::string* name = name_of(picture, topic);
    if (name == nullptr) continue;
    for (auto& partition : topic.partitions) {
      auto& epoch = partition.current_leader_epoch;
      if (!is_older_generation(picture, {*name, partition.partition}, epoch)) continue;
      epoch = -1;
      any = true;
    }
  }
  return any;
}

}  // namespace

bool is_fetch_without_session(const server::Request& request) {
  if (static_cast<ApiKey>(request.header.api_key) != ApiKey::fetch) return false;
  const auto epoch = fetch_session_epoch(request);
  return epoch && (*epoch == no_session || *epoch == begins_session);
}

ErrorCode refusal_of_fetch(const kafka::RequestHeader& header, const Slice& answer) {
  if (answer.size() > max_refusal) return ErrorCode::none;
  const auto response = client::decode_response<kafka::FetchResponse>(answer, header.api_version);
  if (!response) return ErrorCode::none;
  for (const auto refusal : {ErrorCode::not_leader_or_follower, ErrorCode::fenced_leader_epoch}) {
    const bool all = std::ranges::all_of(response->responses, [&](const auto& topic) {
      return std::ranges::all_of(
          topic.partitions, [&](const auto& partition) { return partition.error_code == refusal; });
    });
    if (all && !response->responses.empty()) return refusal;
  }
  return ErrorCode::none;
}

bool MovedFetches::is_from_before_a_move(const server::Request& fetch) const {
  auto message = server::decode_request<kafka::FetchRequest>(fetch);
  return message && leave_out_older_generations(picture_, *message);
}

// The epoch after a promotion is not known at once.
io::Task<bool> MovedFetches::learn_epochs(const Partitions& partitions) {
  const io::Instant deadline = io::Loop::current()->now() + epochs_known_within;
  std::set<Site*> homes;
  for (const TopicPartition& partition : partitions) {
    Site* site = picture_.site(picture_.routes.home_of_topic(partition.topic));
    if (site == nullptr || !site->is_isthmus()) co_return false;
    homes.insert(site);
  }
  for (Site* site : homes) {
    auto refreshed = co_await site->cluster().refresh(deadline);
    if (!refreshed) co_return false;
  }
  co_return true;
}

// False: the fence is not for a promotion.
io::Task<bool> MovedFetches::lift(kafka::FetchRequest& fetch, const Partitions& partitions) {
  const bool learned = co_await learn_epochs(partitions);
  co_return learned&& leave_out_older_generations(picture_, fetch);
}

io::Task<std::optional<Slice>> MovedFetches::ask(kafka::RequestHeader header, Slice body,
                                                 Refusal refusal) {
  kafka::Reader reader(std::move(body));
  auto fetch = kafka::FetchRequest::decode(reader, header.api_version);
  if (!fetch) co_return std::nullopt;
  const auto partitions = partitions_of(picture_, *fetch);
  if (!partitions) co_return std::nullopt;
  fetch->session_id = 0;
  fetch->session_epoch = no_session;
  leave_out_older_generations(picture_, *fetch);
  for (int moves = 0; moves < most_fetch_moves; ++moves) {
    if (refusal.error == ErrorCode::fenced_leader_epoch) {
      const bool lifted = co_await lift(*fetch, *partitions);
      if (!lifted) co_return std::nullopt;
    }
    auto leader = leader_of_all(picture_, node_, *partitions);
    if (refusal.error == ErrorCode::not_leader_or_follower) {
      leader =
          co_await leader_after_move(picture_, node_, refusal.by, *partitions, nodes_.is_cut());
    }
    if (!leader) co_return std::nullopt;
    kafka::Writer writer;
    fetch->encode(writer, header.api_version);
    auto answer = co_await nodes_.ask(*leader, header, std::move(writer).finish());
    if (!answer) co_return std::nullopt;
    refusal = {refusal_of_fetch(header, *answer), *leader};
    if (refusal.error == ErrorCode::none) co_return std::move(*answer);
  }
  co_return std::nullopt;
}

}  // namespace isthmus::router
