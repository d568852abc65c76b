// The audit's file: written beside the loop, opened anew when it was renamed, tried again when it
// has failed.
#include "server/audit.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cerrno>
#include <nlohmann/json.hpp>
#include <sstream>

#include "tests/sim/world/world.h"

namespace isthmus::server {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

class AuditFile : public testing::Test {
 protected:
  Audit& start(Audit::Options options = {.file = "/audit.log"}) {
    audit = &process.make<Audit>(process.env(), std::move(options));
    stop = &process.make<io::Event>(process.env().main_loop());
    process.spawn("audit", audit->keep_writing(*stop));
    return *audit;
  }
  void note(const std::string& action, AuditOutcome outcome = AuditOutcome::allowed) {
    AuditEvent e;
    e.action = action;
    e.outcome = outcome;
    audit->note(std::move(e), process.env().main_loop().now());
  }
  // The actions in the file, line by line; "torn" for what is none.
  std::vector<std::string> actions(const std::string& path = "/audit.log") {
    std::vector<std::string> all;
    const auto file = host.disk().find(path);
    if (!file) return all;
    std::istringstream in(std::string(file->data().begin(), file->data().end()));
    for (std::string line; std::getline(in, line);) {
      const auto json = nlohmann::json::parse(line, nullptr, false);
      all.push_back(json.is_discarded() ? "torn" : json["action"].get<std::string>());
    }
    return all;
  }
  double counted(const Metric& metric, const Samples::LabelValues& labels) {
    Samples samples;
    audit->add_to(samples);
    const auto series = samples.all().find(&metric);
    return series == samples.all().end() ? -1 : series->second.at(labels).number;
  }
  using Actions = std::vector<std::string>;

  sim::SimWorld world{1};
  sim::SimHost& host = world.add_host("site");
  sim::SimProcess& process = host.start_process();
  Audit* audit = nullptr;
  io::Event* stop = nullptr;
};

TEST_F(AuditFile, HoldsTheLinesInTheirOrderSoon) {
  start();
  note("A");
  note("B", AuditOutcome::refused);
  EXPECT_EQ(actions(), Actions{}) << "not on the loop";
  world.run_for(2 * Audit::write_interval);
  EXPECT_EQ(actions(), (Actions{"A", "B"}));
  EXPECT_EQ(counted(metric::audit_lines, {"allowed"}), 1);
  EXPECT_EQ(counted(metric::audit_lines, {"refused"}), 1);
  EXPECT_EQ(counted(metric::audit_dropped, {}), 0);
}

TEST_F(AuditFile, IsAppendedTo) {
  start();
  note("A");
  world.run_for(seconds(1));
  stop->close();
  start();
  note("B");
  world.run_for(seconds(1));
  EXPECT_EQ(actions(), (Actions{"A", "B"}));
}

TEST_F(AuditFile, IsOpenedAnewWhenItWasRenamed) {
  start();
  note("A");
  world.run_for(seconds(1));
  ASSERT_TRUE(host.disk().rename("/audit.log", "/audit.log.1"));
  note("B");
  world.run_for(seconds(1));
  EXPECT_EQ(actions("/audit.log.1"), (Actions{"A", "B"})) << "until it is told of it";
  audit->reopen();
  world.run_for(seconds(1));
  EXPECT_TRUE(host.disk().exists("/audit.log"));
  note("C");
  world.run_for(seconds(1));
  EXPECT_EQ(actions(), Actions{"C"});
}

// A part of what was tried may be in the file.
TEST_F(AuditFile, WhatCouldNotBeWrittenIsWrittenLaterAsWholeLines) {
  start();
  for (int i = 0; i < 20; ++i) {
    host.disk().fail_next_append("audit", EIO);
    note("A" + std::to_string(i));
    world.run_for(milliseconds(500));
    EXPECT_EQ(counted(metric::audit_lines, {"allowed"}), 2 * i);
    note("B" + std::to_string(i));
    world.run_for(seconds(3));
    const auto all = actions();
    ASSERT_GE(all.size(), 2u);
    EXPECT_EQ(all[all.size() - 2], "A" + std::to_string(i));
    EXPECT_EQ(all.back(), "B" + std::to_string(i));
  }
  EXPECT_GT(std::ranges::count(actions(), "torn"), 0) << "or this shows nothing";
}

TEST_F(AuditFile, WhileItIsFullWhatDoesNotFitIsCounted) {
  start();
  host.disk().capacity = 0;
  for (int i = 0; i < 100; ++i) {
    for (int j = 0; j < 100; ++j) note("A");
    world.run_for(seconds(1));
  }
  EXPECT_EQ(counted(metric::audit_lines, {"allowed"}), 0);
  const double dropped = counted(metric::audit_dropped, {});
  EXPECT_GT(dropped, 0);
  host.disk().capacity = UINT64_MAX;
  world.run_for(seconds(5));
  EXPECT_EQ(static_cast<double>(actions().size()), 10'000 - dropped);
  EXPECT_EQ(std::ranges::count(actions(), "torn"), 0) << "a full disk holds nothing of it";
}

TEST_F(AuditFile, ThatCannotBeHadIsSaidAtTheStart) {
  Audit& missing = start({.file = "/no/such/folder/audit.log"});
  const auto opened = missing.open();
  ASSERT_FALSE(opened);
  EXPECT_TRUE(opened.error().text.starts_with("audit.file: ")) << opened.error().text;
}

TEST_F(AuditFile, WithoutOneNothingIsNotedNorCounted) {
  EXPECT_FALSE(start({}).enabled());
  EXPECT_TRUE(audit->open());
  EXPECT_EQ(counted(metric::audit_dropped, {}), -1);
  EXPECT_TRUE(start({.to_stderr = true}).enabled());
}

}  // namespace
}  // namespace isthmus::server
