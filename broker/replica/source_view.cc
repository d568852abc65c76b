#include "broker/replica/source_view.h"

#include <fmt/format.h>

#include <algorithm>

#include "broker/log/text_checkpoint.h"

namespace isthmus::broker {

namespace {

constexpr const char* marks_name = "/source-ends";
// Above it, a rate would not fit into the mark; no log grows so fast.
constexpr double fastest = 1e15;

}  // namespace

void SourceView::note(Offset end, int64_t lag, std::optional<io::Instant> heard) {
  lag_ms = lag;
  if (!heard || (heard_at && *heard <= *heard_at)) return;
  if (end_offset >= 0 && heard_at && *heard - *heard_at < std::chrono::minutes(1)) {
    const auto seconds = std::chrono::duration<double>(*heard - *heard_at).count();
    const double rate = static_cast<double>(end - end_offset) / seconds;
    // The fastest of late, slowly forgotten: an upper bound is what a failover needs.
    records_per_second = std::clamp(rate, records_per_second * 0.98, fastest);
  }
  end_offset = std::max(end_offset, end);
  heard_at = heard;
}

std::optional<io::Duration> SourceView::age(io::Instant now) const {
  if (!heard_at) return std::nullopt;
  return std::max(io::Duration::zero(), now - *heard_at);
}

std::optional<SourceMark> SourceView::mark(io::Instant now, int64_t wall_ms) const {
  const auto silent = age(now);
  if (!silent || end_offset < 0) return std::nullopt;
  const auto ms = std::chrono::duration_cast<io::milliseconds>(*silent).count();
  return SourceMark{end_offset, wall_ms - ms, static_cast<int64_t>(records_per_second)};
}

SourceView SourceView::of(const SourceMark& mark, io::Instant now, int64_t wall_ms) {
  SourceView view;
  view.end_offset = mark.end_offset;
  // A clock that was set back makes the past no nearer than now.
  view.heard_at = now - io::milliseconds(std::max<int64_t>(0, wall_ms - mark.heard_ms));
  const auto rate = static_cast<double>(mark.records_per_second);
  view.records_per_second = std::clamp(rate, 0.0, fastest);
  return view;
}

Result<SourceMarks> read_source_marks(io::Disk& disk, const std::string& log_dir) {
  const std::string path = log_dir + marks_name;
  auto lines = read_checkpoint(disk, path, 5);
  if (!lines) return fail(lines.error());
  SourceMarks marks;
  for (const CheckpointLine& line : *lines) {
    auto partition = parse_number<PartitionIndex>(line[1], path);
    if (!partition) return fail(partition.error());
    SourceMark& mark = marks[{line[0], *partition}];
    for (auto [word, field] :
         {std::pair(2, &mark.end_offset), {3, &mark.heard_ms}, {4, &mark.records_per_second}}) {
      auto number = parse_number<int64_t>(line[word], path);
      if (!number) return fail(number.error());
      *field = *number;
    }
  }
  return marks;
}

Result<void> write_source_marks(io::Disk& disk, const std::string& log_dir,
                                const SourceMarks& marks) {
  std::vector<std::string> lines;
  for (const auto& [tp, mark] : marks) {
    lines.push_back(fmt::format("{} {} {} {} {}", tp.topic, tp.partition, mark.end_offset,
                                mark.heard_ms, mark.records_per_second));
  }
  // A site without mirrors has no such file.
  if (lines.empty() && !disk.exists(log_dir + marks_name)) return {};
  return write_checkpoint(disk, log_dir + marks_name, lines);
}

}  // namespace isthmus::broker
