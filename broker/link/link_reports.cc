// ReportMirror: what the mirror process of a link knows, in the memory of each broker of the
// cluster, so that whoever is asked can tell it, and whoever comes to lead a partition knows how
// far its source had come.
#include "broker/link/link_plans.h"
#include "broker/link/link_service.h"
#include "broker/link/switchover_plans.h"
#include "process/mirror_config.h"

namespace isthmus::broker {

using kafka::ErrorCode;

namespace {

constexpr auto time_to_pass_on = std::chrono::seconds(2);

// As a mirror process says it.
std::optional<io::Duration> age_of(int64_t ms) {
  constexpr int64_t longest_ms = int64_t{1000} * 365 * 24 * 3600 * 1000;
  if (ms < 0) return std::nullopt;
  return io::milliseconds(std::min(ms, longest_ms));
}

}  // namespace

std::optional<io::Duration> LinkService::contact_age(const std::string& link) {
  const auto image = controller_.snapshot();
  const auto now = image->links.find(link);
  const bool is_attached = now != image->links.end() && !now->second.source_cluster_id.empty();
  if (controller_.is_shared() && is_attached) {
    const auto known = last_contact_.find(link);
    const int64_t heard = known == last_contact_.end() ? 0 : known->second.epoch;
    if (now->second.epoch > heard) note_contact(link, std::nullopt);
  }
  auto contact = last_contact_.find(link);
  if (contact == last_contact_.end()) return std::nullopt;
  return env_.main_loop().now() - contact->second.at;
}

std::optional<io::Duration> LinkService::promised(const std::string& link) const {
  auto contact = last_contact_.find(link);
  return contact == last_contact_.end() ? std::nullopt : contact->second.promised;
}

io::Task<kafka::ReportMirrorResponse> LinkService::report(kafka::ReportMirrorRequest request) {
  kafka::ReportMirrorResponse response;
  auto current = co_await check_current(request.link, request.link_epoch);
  if (!current) {
    response.error_code = kafka::error_code(current.error());
    co_return response;
  }
  std::optional<io::Duration> next;
  if (request.next_within_ms >= 0) next = io::milliseconds(request.next_within_ms);
  note_contact(request.link, next);
  if (!request.passed_on) pass_on(request);
  left_out_[request.link] = {request.left_out_count, std::move(request.left_out)};
  access_[request.link] = std::move(request.access);
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
  if (request.passed_on) co_return response;
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

// Nobody waits for them: one that misses a report has the next.
void LinkService::pass_on(const kafka::ReportMirrorRequest& report) {
  const auto image = controller_.snapshot();
  for (const auto& [node, broker] : image->brokers) {
    if (node == colleagues_.self() || broker.fenced || passing_to_.contains(node)) continue;
    passing_to_.insert(node);
    kafka::ReportMirrorRequest copy = report;
    copy.passed_on = true;
    const bool begun = passing_.spawn("pass a report on", pass_on_to(node, std::move(copy)));
    if (!begun) passing_to_.erase(node);
  }
}

io::Task<void> LinkService::pass_on_to(NodeId node, kafka::ReportMirrorRequest report) {
  (void)co_await colleagues_.ask(node, std::move(report), env_.main_loop().now() + time_to_pass_on);
  passing_to_.erase(node);
}

}  // namespace isthmus::broker
