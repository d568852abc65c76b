// Shows what a site may call its things, by every view of the commands, and holds what comes out to
// being lines of printable text, and JSON that says the same names. Shared by a test with a seed
// and a fuzzer.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/check.h"
#include "base/json.h"
#include "base/printable.h"
#include "broker/image/image.h"
#include "cli/cluster_report.h"
#include "cli/reports.h"
#include "tests/base/read_back.h"

namespace isthmus::cli {

struct OutsideNames {
  std::string topic;
  std::string group;
  std::string reason;
  std::string source;
};

inline SiteAnswer site_with(const OutsideNames& names, const std::string& name) {
  SiteAnswer site;
  site.name = name;
  site.number = 2;
  site.links.push_back({"seoul-tokyo", 1, "", 1, 1000, {}, -1, {}, -1, false, {}});
  site.links[0].access.push_back({1, 2, 3, 4, {names.reason}});
  auto& topic = site.topics.emplace_back();
  topic.name = names.topic;
  if (name == "tokyo") topic.writer = kafka::WriterKind::link;
  topic.link = name == "tokyo" ? "seoul-tokyo" : "";
  auto& partition = topic.partitions.emplace_back();
  partition.end_offset = partition.high_watermark = 100;
  partition.mirror_state = kafka::MirrorState::failed;
  partition.mirror_reason = names.reason;
  site.groups.push_back({.name = names.group, .wanted_by = "seoul-tokyo"});
  site.groups.push_back({.name = names.group, .link = "seoul-tokyo"});
  return site;
}

inline void hold_text(const std::string& text, size_t lines) {
  size_t seen = 0;
  for (std::string_view rest = text; !rest.empty(); ++seen) {
    const size_t end = rest.find('\n');
    CHECK(end != std::string_view::npos, "the last line ends too");
    const std::string_view line = rest.substr(0, end);
    CHECK(is_utf8(line) && printable(line) == line, "a line is printable");
    rest.remove_prefix(end + 1);
  }
  CHECK(seen == lines, "a name does not make lines");
}

inline nlohmann::json hold_json(const nlohmann::json& document) {
  const std::string text = write_json(document, JsonForm::indented);
  hold_text(text + "\n", static_cast<size_t>(std::ranges::count(text, '\n')) + 1);
  return nlohmann::json::parse(text);
}

inline void show_all(const OutsideNames& names) {
  const SiteAnswer target = site_with(names, "tokyo");
  const SiteAnswer source = site_with(names, names.source);
  auto view = view_link("seoul-tokyo", target, &source);
  CHECK(view.has_value(), "the link is there");
  const size_t about_ends = view->wrong_ends.empty() ? 0 : 2;
  hold_text(text_of(*view).text(), (names.reason.empty() ? 10 : 11) + about_ends);
  const nlohmann::json link = hold_json(json_of(*view));
  CHECK(read_back(link["topics"][0]["topic"].get<std::string>()) == names.topic, "exactly");
  CHECK(read_back(link["held"][0].get<std::string>()) == names.group, "exactly");

  const Readiness readiness = judge(*view, source, process::SwitchoverConfig{});
  size_t lines = 4 + readiness.findings.size();
  for (const Finding& finding : readiness.findings) lines += finding.next.empty() ? 0 : 1;
  hold_text(text_of(*view, readiness).text(), lines);
  hold_json(json_of(*view, readiness));

  const PromotionWish wish{
      .link = "seoul-tokyo", .source = names.source, .target = "tokyo", .route_from = ""};
  kafka::PromoteResponse response;
  response.topics.push_back({names.topic, {{}}});
  response.groups.push_back(names.group);
  hold_text(text_of(wish, *view, response).text(), 8);
  const nlohmann::json promotion = hold_json(json_of(wish, *view, response));
  CHECK(read_back(promotion["groups"][0].get<std::string>()) == names.group, "exactly");

  ClusterAnswers answers;
  answers.name = names.source;
  answers.metadata.cluster_id = names.group;
  answers.metadata.brokers.push_back({1, names.source, 9092, names.reason});
  auto& described = answers.metadata.topics.emplace_back();
  described.name = names.topic;
  auto& partition = described.partitions.emplace_back();
  partition.leader_id = -1;
  partition.replica_nodes = {1};
  const ClusterView cluster = view_cluster(answers);
  hold_text(text_of(cluster, true).text(), 9);
  const nlohmann::json shown = hold_json(json_of(cluster, true));
  CHECK(read_back(shown["cluster"].get<std::string>()) == names.source, "exactly");
}

}  // namespace isthmus::cli
