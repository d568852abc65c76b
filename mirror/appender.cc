#include "mirror/appender.h"

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

void Appender::add(AppendJob job) {
  bytes_ += job.action.batches.size();
  waiting_.push_back(std::move(job));
  pump();
}

void Appender::pump() {
  while (!waiting_.empty() && under_way_ < max_requests && !gate_.closing()) {
    ++under_way_;
    gate_.spawn("append link=" + link_, send(take()));
  }
}

std::vector<AppendJob> Appender::take() {
  std::vector<AppendJob> jobs;
  uint64_t bytes = 0;
  while (!waiting_.empty() && bytes < max_request_bytes) {
    bytes += waiting_.front().action.batches.size();
    jobs.push_back(std::move(waiting_.front()));
    waiting_.pop_front();
  }
  return jobs;
}

io::Task<void> Appender::send(std::vector<AppendJob> jobs) {
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
  io::Instant deadline = target_.loop().now() + append_timeout;
  auto answer = co_await target_.call_any(std::move(request), deadline, append_lane);
  --under_way_;
  for (const auto& job : jobs) bytes_ -= job.action.batches.size();
  if (gate_.closing()) co_return;
  if (!answer) {
    on_broken_(answer.error());
    co_return;
  }
  settle(jobs, *answer);
  pump();
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
