#include "process/lifecycle.h"

#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <fstream>
#include <stdexcept>

#include "tests/io/real_world.h"

namespace isthmus::process {
namespace {

// Writes down what is done to it.
class FakeRole final : public Role {
 public:
  io::Task<Result<void>> start() override {
    calls += "start ";
    if (start_fails) co_return fail("port 1 is taken");
    if (start_waits != nullptr) {
      co_await start_waits->wait();
      co_return fail(Error::closed("told to stop"));
    }
    co_return Result<void>{};
  }
  std::string waits_for() override { return start_waits == nullptr ? "" : "for a server"; }
  void stop_waiting() override {
    calls += "stop_waiting ";
    if (start_waits != nullptr) start_waits->close();
  }
  void on_failed(std::function<void(Error)> f) override { failed = std::move(f); }
  io::Task<void> drain() override {
    calls += "drain ";
    co_return;
  }
  Result<void> reload(std::string_view text, const std::string& file) override {
    calls += "reload(" + std::string(text) + ") ";
    if (text == "bad") return fail(file + ": bad");
    return {};
  }
  io::Task<Status> status() override {
    if (++asked == 1 && on_first_status) on_first_status();
    co_return Status{.ready = true, .reason = "", .json = "{}"};
  }

  io::Task<Samples> measure() override {
    Samples samples;
    samples.add(metric::partitions, 3);
    co_return samples;
  }

  std::string calls;
  bool start_fails = false;
  io::Event* start_waits = nullptr;
  std::function<void(Error)> failed;
  int asked = 0;
  std::function<void()> on_first_status;
};

class LifecycleTest : public testing::Test {
 protected:
  void live() {
    runtime.env().main_loop().post([this] {
      life.begin([this](Result<void> how) {
        outcome = std::move(how);
        ++ended;
        runtime.stop();
      });
    });
    runtime.run();
  }

  io::Runtime runtime{1};
  FakeRole role;
  StatusBoard board;
  std::vector<std::string> told;  // to whoever watches over the process
  Lifecycle life{runtime.env(), role, board,
                 [this](std::string_view lines) { told.emplace_back(lines); }};
  Result<void> outcome;
  int ended = 0;
};

TEST_F(LifecycleTest, starts_serves_drains) {
  role.on_first_status = [this] {
    EXPECT_FALSE(board.read()->ready);
    runtime.env().main_loop().post([this] {
      EXPECT_TRUE(board.read()->ready);
      life.drain();
      life.drain();
    });
  };
  live();
  EXPECT_EQ(role.calls, "start drain ");
  EXPECT_EQ(ended, 1);
  EXPECT_TRUE(outcome);
  EXPECT_FALSE(board.read()->ready);
  EXPECT_EQ(board.read()->reason, "draining");
}

TEST_F(LifecycleTest, a_start_that_waits_is_told_of_and_ends_in_order) {
  io::Loop& loop = runtime.env().main_loop();
  io::Event waits(loop);
  role.start_waits = &waits;
  std::string told;
  loop.run_at(loop.now() + std::chrono::milliseconds(50), [&] {
    told = board.read()->reason;
    life.drain();
  });
  live();
  EXPECT_EQ(told, "starting: for a server");
  EXPECT_EQ(role.calls, "start stop_waiting drain ");
  EXPECT_TRUE(outcome) << "who was told to end has not failed";
}

TEST_F(LifecycleTest, a_role_that_cannot_go_on_is_drained_and_the_process_fails) {
  role.on_first_status = [this] { role.failed(Error::closed("the lease is over")); };
  live();
  EXPECT_EQ(role.calls, "start drain ");
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().text, "the lease is over");
}

TEST_F(LifecycleTest, status_is_asked_for_again_and_again) {
  role.on_first_status = [this] {
    io::Loop& loop = runtime.env().main_loop();
    loop.run_at(loop.now() + std::chrono::milliseconds(1200), [this] { life.drain(); });
  };
  live();
  EXPECT_EQ(role.asked, 2);
}

TEST_F(LifecycleTest, a_status_that_throws_is_a_reason_of_not_being_ready) {
  role.on_first_status = [this] {
    runtime.env().main_loop().post([this] {
      EXPECT_FALSE(board.read()->ready);
      EXPECT_NE(board.read()->reason.find("no JSON"), std::string::npos);
      life.drain();
    });
    throw std::runtime_error("no JSON");
  };
  live();
  EXPECT_EQ(role.calls, "start drain ");
  EXPECT_TRUE(outcome);
}

TEST_F(LifecycleTest, numbers_are_those_of_a_role_that_serves) {
  std::vector<size_t> metrics;
  const auto note = [&metrics](const Samples& samples) { metrics.push_back(samples.all().size()); };
  life.measure(note);
  role.on_first_status = [&] {
    runtime.env().main_loop().post([&] {
      life.measure(note);
      life.drain();
      life.measure(note);
    });
  };
  live();
  EXPECT_EQ(metrics, (std::vector<size_t>{0, 2, 0})) << "the role's, and the turns of its loop";
}

TEST_F(LifecycleTest, a_failed_start_is_drained_and_reported) {
  role.start_fails = true;
  live();
  EXPECT_EQ(role.calls, "start drain ");
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().text, "port 1 is taken");
}

TEST_F(LifecycleTest, reload_reaches_a_serving_role_only) {
  EXPECT_FALSE(life.reload("early", "f.yaml"));
  role.on_first_status = [this] {
    runtime.env().main_loop().post([this] {
      EXPECT_TRUE(life.reload("good", "f.yaml"));
      EXPECT_FALSE(life.reload("bad", "f.yaml"));
      life.drain();
      EXPECT_FALSE(life.reload("late", "f.yaml"));
    });
  };
  live();
  EXPECT_EQ(role.calls, "start reload(good) reload(bad) drain ");
}

TEST_F(LifecycleTest, a_watcher_is_told_of_each_turn_of_it) {
  role.on_first_status = [this] {
    runtime.env().main_loop().post([this] {
      EXPECT_TRUE(life.reload("good", "f.yaml"));
      life.drain();
    });
  };
  live();
  ASSERT_EQ(told.size(), 7u);
  EXPECT_EQ(told[0], "STATUS=starting\nEXTEND_TIMEOUT_USEC=60000000");
  EXPECT_EQ(told[1], "READY=1");
  EXPECT_EQ(told[2], "WATCHDOG=1");
  EXPECT_EQ(told[3], "STATUS=ready");
  EXPECT_TRUE(told[4].starts_with("RELOADING=1\nMONOTONIC_USEC=")) << told[4];
  EXPECT_EQ(told[5], "READY=1");
  EXPECT_EQ(told[6], "STOPPING=1\nSTATUS=draining");
}

TEST_F(LifecycleTest, a_loop_that_answers_pets_the_watchdog_once_a_second) {
  role.on_first_status = [this] {
    io::Loop& loop = runtime.env().main_loop();
    loop.run_at(loop.now() + std::chrono::milliseconds(1200), [this] { life.drain(); });
  };
  live();
  const auto pets = std::ranges::count(told, "WATCHDOG=1");
  EXPECT_TRUE(pets == 2 || pets == 3) << pets << ": three where the end comes late";
}

TEST_F(LifecycleTest, a_watcher_hears_what_a_start_waits_for_and_of_a_failed_one_no_ready) {
  io::Loop& loop = runtime.env().main_loop();
  io::Event waits(loop);
  role.start_waits = &waits;
  loop.run_at(loop.now() + std::chrono::milliseconds(50), [&] { life.drain(); });
  live();
  const auto again = std::ranges::unique(told);  // each second
  told.erase(again.begin(), again.end());
  EXPECT_EQ(told,
            (std::vector<std::string>{"STATUS=starting: for a server\nEXTEND_TIMEOUT_USEC=60000000",
                                      "STOPPING=1\nSTATUS=draining"}));
}

TEST(RunRole, signals_reload_and_drain) {
  io::TemporaryFolder folder;
  const std::string file = folder / "f.yaml";
  std::ofstream(file) << "text of the file";
  io::Runtime runtime(1);
  FakeRole role;
  Logging logging(Product::mirror, {}, std::nullopt);
  role.on_first_status = [&] {
    ::raise(SIGHUP);
    io::Loop& loop = runtime.env().main_loop();
    loop.run_at(loop.now() + std::chrono::milliseconds(100), [] { ::raise(SIGTERM); });
  };
  Result<void> ended =
      run_role(runtime, role, logging, {.admin = {}, .tls = {}, .config_file = file});
  EXPECT_TRUE(ended);
  EXPECT_EQ(role.calls, "start reload(text of the file) drain ");
}

TEST(RunRole, an_admin_port_in_use_starts_nothing) {
  io::Runtime other(1);
  auto listener = other.env().network.listen(other.env().main_loop(), {"127.0.0.1", 0});
  ASSERT_TRUE(listener);
  io::Runtime runtime(1);
  FakeRole role;
  Logging logging(Product::mirror, {}, std::nullopt);
  Result<void> ended =
      run_role(runtime, role, logging,
               {.admin = {.bind = (*listener)->local()}, .tls = {}, .config_file = ""});
  ASSERT_FALSE(ended);
  EXPECT_NE(ended.error().text.find(" is in use by another process"), std::string::npos)
      << ended.error().text;
  EXPECT_EQ(role.calls, "");
}

TEST(RunRoleDeath, a_second_signal_ends_at_once) {
  class Stuck : public Role {
    io::Task<Result<void>> start() override {
      ::raise(SIGTERM);
      co_return Result<void>{};
    }
    io::Task<void> drain() override {
      ::raise(SIGTERM);
      while (true) co_await io::sleep(*io::Loop::current(), std::chrono::seconds(1));
    }
    Result<void> reload(std::string_view, const std::string&) override { return {}; }
    io::Task<Status> status() override { co_return Status{}; }
    io::Task<Samples> measure() override { co_return Samples{}; }
  };
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(
      {
        io::Runtime runtime(1);
        Stuck role;
        Logging logging(Product::mirror, {}, std::nullopt);
        (void)run_role(runtime, role, logging, {});
      },
      testing::ExitedWithCode(1), "");
}

}  // namespace
}  // namespace isthmus::process
