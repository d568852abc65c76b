// What `isthmus top` makes of /status: what is wrong first, in whatever width, whatever is missing,
// and whatever the names are.
#include "cli/top_view.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "base/printable.h"
#include "cli/top_trouble.h"

namespace isthmus::cli {
namespace {

using nlohmann::json;

constexpr int64_t now = 1'770'000'000'000;

json history(int64_t lag_ms) {
  json lag = json::array(), rate = json::array();
  for (int i = 0; i < 360; ++i) {
    lag.push_back(i == 200 ? lag_ms * 10 : lag_ms);
    rate.push_back(i < 60 ? json(nullptr) : json(3900));
  }
  return {{"every_ms", 10'000}, {"until_ms", now}, {"lag_ms", lag}, {"records_per_s", rate}};
}

json broker(int64_t id, const std::string& state) {
  return {{"node_id", id},
          {"address", "k1.seoul:9092"},
          {"rack", "a"},
          {"state", state},
          {"controller", id == 102},
          {"leads", 137},
          {"in_sync", 412},
          {"replicas", 412},
          {"drain", "none"}};
}

json site(const std::string& name) {
  return {{"name", name},
          {"number", 1},
          {"reachable", true},
          {"trouble", ""},
          {"told_ms_ago", 420},
          {"topics", 34},
          {"partitions", 412},
          {"leaderless", 0},
          {"under_replicated", 0},
          {"findings", json::array()},
          {"brokers", {broker(101, "serving"), broker(102, "serving")}}};
}

json link() {
  return {{"name", "seoul-tokyo"},
          {"source", "seoul"},
          {"target", "tokyo"},
          {"summary", "OK"},
          {"ok", true},
          {"lag_records", 1204},
          {"lag_ms", 312},
          {"records_per_s", 3859},
          {"partitions", 412},
          {"groups", 38},
          {"mirror_age_ms", 340},
          {"failed", 0},
          {"would_lose", "≤1,204 records (0.3 s) in 2 partitions"},
          {"history", history(300)}};
}

json router() {
  return {{"version", 1},
          {"role", "router"},
          {"name", "corp-1"},
          {"virtual_cluster", "corp"},
          {"time_ms", now},
          {"age_ms", 300},
          {"ready", true},
          {"reason", ""},
          {"degraded", ""},
          {"sites", {site("seoul"), site("tokyo")}},
          {"links", {link()}},
          {"groups",
           {{{"name", "billing"},
             {"site", "seoul"},
             {"owned_by", "clients"},
             {"lag_ms", 240},
             {"lag_records", 812}},
            {{"name", "export"},
             {"site", "seoul"},
             {"owned_by", "clients"},
             {"lag_ms", 5'410'000},
             {"lag_records", 2'400'117}}}},
          {"groups_count", 40}};
}

std::vector<TopLine> lines_of(const json& status, TopLook look = {}) {
  return top_view({.status = status}, look);
}

std::string text_of(const std::vector<TopLine>& lines) {
  std::string text;
  for (const TopLine& line : lines) text += line.text + "\n";
  return text;
}

std::string shown(const json& status, TopLook look = {}) { return text_of(lines_of(status, look)); }

bool has(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

void hold_printable_and_within(const json& status,
                               const std::vector<size_t>& widths = {1, 10, 40, 80, 200}) {
  for (const size_t width : widths) {
    for (const bool unicode : {true, false}) {
      for (const auto& line : lines_of(status, {.width = width, .unicode = unicode})) {
        EXPECT_LE(columns_of(std::string_view(line.text)), width) << line.text;
        EXPECT_EQ(printable(line.text), line.text);
        EXPECT_TRUE(is_utf8(line.text));
        if (unicode) continue;
        EXPECT_TRUE(std::ranges::all_of(line.text, [](char c) { return c >= ' ' && c <= '~'; }))
            << line.text;
      }
    }
  }
}

TEST(TopView, AQuietDay) {
  const std::string text = shown(router());
  EXPECT_TRUE(has(text, "corp-1, Isthmus router of corp; as of "));
  EXPECT_TRUE(has(text, "Ready. All is well."));
  EXPECT_FALSE(has(text, "WHAT IS WRONG"));
  EXPECT_TRUE(has(text, "seoul (1): answers\n"));
  EXPECT_TRUE(has(text, "serving, controller"));
  EXPECT_TRUE(has(text, "seoul-tokyo: seoul → tokyo: OK\n"));
  EXPECT_TRUE(has(text, "lag 312 ms, 1,204 records, 3,859 records/s"));
  EXPECT_TRUE(has(text, "a failover now would lose ≤1,204 records (0.3 s) in 2 partitions"));
  EXPECT_TRUE(has(text, "most 3.0 s"));
  EXPECT_LT(text.find("export"), text.find("billing")) << "the furthest behind first";
  EXPECT_TRUE(has(text, "38 more groups"));
  EXPECT_FALSE(is_wrong({.status = router()}));
  hold_printable_and_within(router());
}

TEST(TopView, WhatIsWrongComesFirstWithWhatToDoNext) {
  json status = router();
  status["sites"][0]["reachable"] = false;
  status["sites"][0]["trouble"] = "connection refused.";
  status["sites"][0]["told_ms_ago"] = 42'000;
  status["sites"][1]["findings"] = {
      {{"verdict", "warn"}, {"text", "broker 201 is fenced"}, {"next", "start it"}},
      {{"verdict", "ok"}, {"text", "unseen"}, {"next", ""}}};
  status["links"][0].update({{"ok", false},
                             {"failed", 2},
                             {"summary", "DEGRADED: 2 of 412"},
                             {"stuck", {"pay-3: failed(retention_overtook): x", "orders-7: y"}}});
  const std::string text = shown(status, {.width = 200});
  EXPECT_TRUE(has(text, "Ready. 2 stops, 1 warning."));
  EXPECT_TRUE(has(text,
                  "STOP  seoul: does not answer: connection refused; it was last heard 42 s "
                  "ago.\n"));
  EXPECT_TRUE(has(text, "isthmus failover --from seoul --to tokyo --dry-run"));
  EXPECT_TRUE(has(text, "isthmus link resume seoul-tokyo --partition pay-3 --accept-gap"));
  EXPECT_TRUE(has(text, "- orders-7: y"));
  EXPECT_TRUE(has(text, "WARN  tokyo: broker 201 is fenced.\n      next: start it\n"));
  EXPECT_FALSE(has(text, "unseen"));
  EXPECT_LT(text.find("STOP  seoul-tokyo"), text.find("WARN  tokyo"));
  EXPECT_LT(text.find("WARN  tokyo"), text.find("SITES"));
  EXPECT_TRUE(is_wrong({.status = status}));
  hold_printable_and_within(status);
}

TEST(TopView, ASwitchoverThatStands) {
  json status = router();
  const json steps = {{{"phase", "wished"}, {"time_ms", now - 60'100}},
                      {{"phase", "handed_over"}, {"time_ms", now - 60'000}}};
  status["switchovers"] = {{{"link", "seoul-tokyo"},
                            {"id", "1"},
                            {"failover", false},
                            {"over", false},
                            {"trouble", ""},
                            {"steps", steps}}};
  const std::string text = shown(status);
  EXPECT_TRUE(has(text, "STOP  seoul-tokyo: a switchover stands since ")) << text;
  EXPECT_TRUE(has(text, "seoul-tokyo: switchover under way for 1 min\n"));
  EXPECT_TRUE(has(text, "1. wished at "));
  EXPECT_TRUE(has(text, "for 100 ms: asked for; the source is written"));
  EXPECT_TRUE(has(text, "2. handed over at "));
  status["links"][0]["switchover"] = {{"handed_over", true}, {"trouble", ""}};
  const auto troubles = troubles_of(status);
  ASSERT_EQ(troubles.size(), 1u) << "once, of the link";
  EXPECT_TRUE(has(troubles[0].next, "take-back --from seoul --to tokyo"));
}

TEST(TopView, WhatIsOverIsOneLine) {
  json status = router();
  status["switchovers"] = {{{"link", "seoul-tokyo"},
                            {"over", true},
                            {"stand_still_ms", 221},
                            {"steps",
                             {{{"phase", "wished"}, {"time_ms", now - 9000}},
                              {{"phase", "done"}, {"time_ms", now - 8000}}}}},
                           {{"link", "another"}, {"over", true}}};
  const std::string text = shown(status, {.width = 120});
  EXPECT_TRUE(has(text, "the last: switchover of seoul-tokyo, began "));
  EXPECT_TRUE(has(text, ", done, stand-still 221 ms\n"));
  EXPECT_FALSE(has(text, "another"));
  EXPECT_FALSE(is_wrong({.status = status}));
}

TEST(TopView, StaleIsSaidPlainly) {
  json status = router();
  status["age_ms"] = 9000;
  EXPECT_TRUE(has(shown(status),
                  "STALE: the router itself has said nothing new for 9 s. What "
                  "stands below"));
  EXPECT_TRUE(is_wrong({.status = status}));
  const TopHeard lost{
      .status = router(), .lost = "http://a: cannot be reached", .answered_ms_ago = 12'000};
  const std::string text = text_of(top_view(lost, {}));
  EXPECT_TRUE(has(text, "STALE: no answer for 12 s: http://a: cannot be reached."));
  EXPECT_TRUE(has(text, "seoul (1): answers")) << "the last picture stays";
  EXPECT_TRUE(is_wrong(lost));
  const TopHeard never{.lost = "cannot be reached"};
  EXPECT_EQ(text_of(top_view(never, {})), "No answer: cannot be reached\n");
  EXPECT_TRUE(is_wrong(never));
}

// Each member in turn: left out, nothing, and of another kind.
void hold_whatever_is_told(const json& whole) {
  const json flat = whole.flatten();
  for (const auto& [path, value] : flat.items()) {
    for (const json& instead :
         {json(nullptr), json("text"), json(-1), json(1e300), json(UINT64_MAX), json(INT64_MIN),
          json::array(), json::object(), json(true)}) {
      json status = whole;
      status[json::json_pointer(path)] = instead;
      hold_printable_and_within(status, {40});
    }
  }
  for (const auto& [name, value] : whole.items()) {
    json status = whole;
    status.erase(name);
    hold_printable_and_within(status, {40});
    status[name] = json::array({nullptr, 1, "text", json::object(), json::array()});
    hold_printable_and_within(status, {40});
    status[name] = {{"a", nullptr}, {"b", 1}, {"c", json::object()}, {"d", json::array()}};
    hold_printable_and_within(status, {40});
  }
}

TEST(TopView, WhatIsMissingOrOfAnotherKindIsNotKnown) {
  json small = router();
  for (const char* member : {"lag_ms", "records_per_s"}) {
    small["links"][0]["history"][member] = {1, nullptr, 3};
  }
  hold_whatever_is_told(small);
  hold_printable_and_within(json::object());
  const std::string text =
      shown({{"role", "router"}, {"sites", {{{"name", "seoul"}}}}, {"links", {{{"name", "a-b"}}}}});
  EXPECT_TRUE(has(text, "seoul: not known"));
  EXPECT_TRUE(has(text, "lag not known, rate not known"));
  EXPECT_TRUE(has(text, "what a failover now would lose is unknown"));
}

TEST(TopView, AnOlderRouterTellsOfItsClusters) {
  const json status = {{"virtual_cluster", "corp"},
                       {"clusters",
                        {{"seoul", {{"reachable", true}}},
                         {"tokyo", {{"reachable", false}, {"trouble", "refused"}}}}}};
  const std::string text = shown(status);
  EXPECT_TRUE(has(text, "STOP  tokyo: does not answer: refused."));
  EXPECT_TRUE(has(text, "seoul: answers\n"));
}

TEST(TopView, NamesFromOutsideMoveNothing) {
  const std::string hostile =
      "\x1b[2J\x1b]0;taken\x07\r\n\xc2\x9b"
      "31m\xe2\x80\xae"
      "evil";
  json status = router();
  for (const char* member : {"name", "virtual_cluster", "reason", "degraded"}) {
    status[member] = hostile;
  }
  for (const char* member : {"name", "trouble"}) status["sites"][0][member] = hostile;
  for (const char* member : {"address", "rack", "state", "drain"}) {
    status["sites"][0]["brokers"][0][member] = hostile;
  }
  status["sites"][1]["findings"] = {{{"verdict", "stop"}, {"text", hostile}, {"next", hostile}}};
  for (const char* member : {"name", "source", "target", "summary", "would_lose"}) {
    status["links"][0][member] = hostile;
  }
  status["links"][0].update({{"ok", false},
                             {"failed", 9},
                             {"stuck", {hostile}},
                             {"held", {hostile, std::string(300, 'a')}}});
  status["groups"][0]["name"] = std::string(249, 'b');
  status["groups"][0]["owned_by"] = hostile;
  status["switchovers"] = {{{"link", hostile},
                            {"over", false},
                            {"trouble", hostile},
                            {"steps", {{{"phase", hostile}, {"time_ms", now - 60'000}}}}}};
  hold_printable_and_within(status);
  EXPECT_TRUE(has(shown(status, {.width = 200}), "\\x1b[2J"));
  const TopHeard lost{.status = status, .lost = hostile};
  for (const auto& line : top_view(lost, {})) EXPECT_EQ(printable(line.text), line.text);
}

TEST(TopView, WideCharactersTakeTwoColumns) {
  json status = router();
  std::string name;
  for (int i = 0; i < 60; ++i) name += "주";
  status["groups"][0]["name"] = name;
  hold_printable_and_within(status);
  EXPECT_EQ(columns_of(std::string_view("주a")), 3u);
  EXPECT_EQ(cut_text("주주주", 4, {}), "주…");
}

TEST(TopView, ABroker) {
  json offline = json::array();
  for (int i = 0; i < 5; ++i) {
    offline.push_back(
        {{"topic", "orders"}, {"partition", i}, {"reason", "damaged"}, {"readable", i == 0}});
  }
  const json status = {
      {"role", "broker"},
      {"name", "seoul-101"},
      {"time_ms", now},
      {"age_ms", 100},
      {"ready", true},
      {"cluster", "seoul"},
      {"number", 1},
      {"node_id", 101},
      {"connections", 1204},
      {"offline", offline},
      {"partitions_offline", 7},
      {"degraded", "7 partitions are offline"},
      {"reassignments", {{"partitions", 4}, {"led_here", 2}, {"bytes_to_go", 1'412'000'000}}}};
  const std::string text = shown(status);
  EXPECT_TRUE(has(text, "STOP  disk: 7 partitions offline.\n")) << text;
  EXPECT_TRUE(has(text, "- orders-0: damaged (still read)\n"));
  EXPECT_TRUE(has(text, "      and 5 more\n"));
  EXPECT_TRUE(has(text, "next: isthmus partition describe orders-0\n"));
  EXPECT_TRUE(has(text, "Connections  1,204\n"));
  EXPECT_TRUE(has(text, "Moving       4 partitions, 2 led here, 1.4 GB to go\n"));
  hold_whatever_is_told(status);
}

TEST(TopView, AMirror) {
  const json status = {{"role", "mirror"},
                       {"name", "m"},
                       {"time_ms", now},
                       {"age_ms", 100},
                       {"ready", true},
                       {"links",
                        {{"seoul-tokyo",
                          {{"attached", true},
                           {"lag_ms", 312},
                           {"lag_records", 1},
                           {"partitions", 412},
                           {"topics", 34},
                           {"failed", 0},
                           {"groups", 1},
                           {"held", 0},
                           {"bytes", 999},
                           {"access", {{"acls", 2}, {"problems", {"User:eve: x"}}}}}},
                         {"tokyo-seoul", {{"attached", false}, {"problem", "refused"}}}}}};
  const std::string text = shown(status);
  EXPECT_TRUE(has(text, "STOP  tokyo-seoul: not attached: refused.\n")) << text;
  EXPECT_TRUE(has(text, "WARN  seoul-tokyo: not all ACLs, users and quotas follow.\n"));
  EXPECT_TRUE(has(text, "seoul-tokyo: attached\n  lag 312 ms, 1 record, "));
  EXPECT_TRUE(has(text, "copied 999 bytes in - requests"));
  hold_whatever_is_told(status);
}

TEST(TopView, AsManyLinesAsTheTerminalHas) {
  const auto all = lines_of(router());
  EXPECT_EQ(fit_rows(all, all.size()).size(), all.size());
  const auto some = fit_rows(all, 5);
  ASSERT_EQ(some.size(), 5u);
  EXPECT_EQ(some.back().text, std::to_string(all.size() - 4) + " more lines");
  EXPECT_TRUE(fit_rows(all, 0).empty());
}

TEST(TopText, ALineOfBlocksHasTheWorstOfEachPart) {
  json samples = json::array();
  for (int i = 0; i < 360; ++i) samples.push_back(0);
  samples[0] = 7000;
  samples[359] = 3500;
  EXPECT_EQ(spark_line(samples, 10'000, 1000, 6, {}), "█▁▁▁▁▅");
  EXPECT_EQ(spark_line(samples, 10'000, 1000, 6, {.unicode = false}), "#____=");
  for (int i = 60; i < 120; ++i) samples[i] = nullptr;
  EXPECT_EQ(spark_line(samples, 10'000, 1000, 6, {}), "█ ▁▁▁▅");
  EXPECT_EQ(spark_line({0, 0}, 10'000, 1000, 6, {}), "     ▁") << "nothing is known of before";
  EXPECT_EQ(spark_line(samples, std::nullopt, 1000, 6, {}), "");
}

TEST(TopText, WrappedLinesHangBelowTheirBeginning) {
  const auto lines = wrapped_text("- ", "one two three", {.width = 12});
  ASSERT_EQ(lines.size(), 2u);
  EXPECT_EQ(lines[0], "- one two");
  EXPECT_EQ(lines[1], "  three");
  EXPECT_EQ(wrapped_text("- ", "", {.width = 12}), std::vector<std::string>{"- "});
}

}  // namespace
}  // namespace isthmus::cli
