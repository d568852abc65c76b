#include "mirror/appender.h"

#include <algorithm>

#include "mirror/lanes.h"

namespace isthmus::mirror {

using kafka::ErrorCode;

Appender::Appender(client::Cluster& target, std::string link, int64_t link_epoch,
                   OnOutcome on_outcome, OnBroken on_broken)
    : target_(target),
      link_(std::move(link)),
      link_epoch_(link_epoch),
      on_outcome_(std::move(on_outcome)),
      on_broken_(std::move(on_broken)),
      gate_(target.loop()) {}

bool Appender::has_room() const {
  if (bytes_ >= max_bytes_of_all) return false;
  const auto is_open = [this](NodeId leader) { return has_room(leader); };
  return leaders_.empty() || std::ranges::any_of(leaders_, is_open);
}

bool Appender::has_room(NodeId leader) const {
  const auto line = lines_.find(leader);
  return bytes_ < max_bytes_of_all && (line == lines_.end() || line->second.bytes < max_bytes);
}

void Appender::add(AppendJob job) {
  const NodeId leader = job.leader;
  leaders_.insert(leader);
  Line& line = lines_[leader];
  bytes_ += job.action.batches.size();
  line.bytes += job.action.batches.size();
  line.waiting.push_back(std::move(job));
  pump(leader);
}

void Appender::give_back(Line& line, uint64_t bytes) {
  bytes_ -= bytes;
  line.bytes -= bytes;
}

void Appender::drop(const TopicPartition& partition) {
  for (auto& [leader, line] : lines_) {
    std::erase_if(line.waiting, [&](const AppendJob& job) {
      if (job.partition != partition) return false;
      give_back(line, job.action.batches.size());
      return true;
    });
  }
}

void Appender::pump(NodeId leader) {
  while (!gate_.closing()) {
    const auto line = lines_.find(leader);
    if (line == lines_.end() || line->second.waiting.empty()) return;
    if (line->second.under_way == max_requests) return;
    ++line->second.under_way;
    gate_.spawn("append link=" + link_, send(leader, take(line->second)));
  }
}

std::vector<AppendJob> Appender::take(Line& line) {
  std::vector<AppendJob> jobs;
  uint64_t bytes = 0;
  while (!line.waiting.empty() && bytes < max_request_bytes) {
    bytes += line.waiting.front().action.batches.size();
    jobs.push_back(std::move(line.waiting.front()));
    line.waiting.pop_front();
  }
  return jobs;
}

io::Task<Appender::Answer> Appender::ask(NodeId leader, kafka::MirrorAppendRequest request) {
  const io::Instant deadline = target_.loop().now() + append_timeout;
  if (leader < 0) co_return co_await target_.call_any(std::move(request), deadline, append_lane);
  const io::Instant soon = target_.loop().now() + request_timeout;
  if (target_.metadata().broker(leader) == nullptr) (void)co_await target_.refresh(soon);
  auto connection = co_await target_.try_node(leader, soon, append_lane);
  if (!connection) {
    (void)co_await target_.refresh(soon);  // it may be at another address
    co_return fail(connection.error());
  }
  co_return co_await (*connection)->call(std::move(request), deadline);
}

void Appender::leave(NodeId leader, const std::vector<AppendJob>& jobs) {
  const auto line = lines_.find(leader);
  --line->second.under_way;
  for (const auto& job : jobs) give_back(line->second, job.action.batches.size());
  const bool is_idle = line->second.under_way == 0 && line->second.waiting.empty();
  if (is_idle) lines_.erase(line);
}

io::Task<void> Appender::send(NodeId leader, std::vector<AppendJob> jobs) {
  kafka::MirrorAppendRequest request;
  request.link = link_;
  request.link_epoch = link_epoch_;
  for (const auto& job : jobs) {
    auto& topic = request.topics.emplace_back();
    topic.topic_id = job.topic_id;
    auto& p = topic.partitions.emplace_back();
    p.index = job.partition.partition;
    p.expected_offset = job.action.expected_offset;
    p.source_leader_epoch = job.source_epoch;
    p.source_high_watermark = job.source_end;
    p.log_start = job.action.log_start;
    p.start_at = job.action.start_at;
    for (const auto& [epoch, number] : job.owners) p.owners.push_back({epoch, number});
    p.records = Rope(job.action.batches);
  }
  ++requests_;
  auto answer = co_await ask(leader, std::move(request));
  leave(leader, jobs);
  if (gate_.closing()) co_return;
  if (answer) {
    settle(jobs, *answer);
  } else if (leader >= 0) {
    unanswered(jobs, answer.error());
  } else {
    on_broken_(answer.error());
    co_return;
  }
  pump(leader);
}

void Appender::unanswered(const std::vector<AppendJob>& jobs, const Error& why) {
  for (const auto& job : jobs) {
    AppendOutcome outcome;
    outcome.partition = job.partition;
    outcome.error = ErrorCode::network_exception;
    outcome.message = "broker " + std::to_string(job.leader) + ", which leads it: " + why.text;
    outcome.trouble = MirrorTrouble::target_offline;
    outcome.bytes = job.action.batches.size();
    outcome.life = job.life;
    on_outcome_(outcome);
  }
}

void Appender::settle(const std::vector<AppendJob>& jobs,
                      const kafka::MirrorAppendResponse& response) {
  if (response.error_code != ErrorCode::none || response.topics.size() != jobs.size()) {
    on_broken_(kafka::error_of(response.error_code, "the target refuses appends"));
    return;
  }
  for (size_t i = 0; i < jobs.size(); ++i) {
    const auto& partitions = response.topics[i].partitions;
    AppendOutcome outcome;
    outcome.partition = jobs[i].partition;
    outcome.bytes = jobs[i].action.batches.size();
    outcome.life = jobs[i].life;
    if (partitions.size() == 1) {
      outcome.error = partitions[0].error_code;
      outcome.message = partitions[0].error_message.value_or("");
      outcome.trouble = partitions[0].trouble;
      outcome.end_offset = partitions[0].end_offset;
    } else {
      outcome.error = ErrorCode::invalid_request;
    }
    on_outcome_(outcome);
  }
}

io::Task<void> Appender::close() { co_await gate_.close(); }

}  // namespace isthmus::mirror
