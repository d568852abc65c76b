#include "process/admin.h"

#include <thread>

#include "io/real.h"
#include "tests/process/http_get.h"

namespace isthmus::process {
namespace {

class AdminTest : public testing::Test {
 protected:
  void start() {
    auto started = Admin::start({"127.0.0.1", 0}, runtime.env().main_loop(), board, measure);
    ASSERT_TRUE(started) << started.error().text;
    admin = std::move(*started);
  }
  std::string get(const std::string& path) { return http_get(admin->local().port, path); }

  io::Runtime runtime{1};
  StatusBoard board;
  Measure measure = [](std::function<void(Samples)> done) {
    Samples samples;
    samples.add(metric::partitions, 5);
    done(std::move(samples));
  };
  std::unique_ptr<Admin> admin;
};

TEST_F(AdminTest, readiness_and_status_are_what_was_posted_last) {
  start();
  EXPECT_TRUE(get("/readyz").starts_with("HTTP/1.1 503"));
  EXPECT_NE(get("/readyz").find("starting"), std::string::npos);
  board.publish({.ready = true, .reason = "", .json = "{\"topics\":3}"});
  EXPECT_TRUE(get("/readyz").starts_with("HTTP/1.1 200"));
  EXPECT_NE(get("/status").find("{\"topics\":3}"), std::string::npos);
}

// A load balancer or an orchestrator that asks would take away what serves the rest.
TEST_F(AdminTest, what_serves_in_part_is_ready_and_says_what_it_lacks) {
  start();
  board.publish({.ready = true, .degraded = "1 partition is offline: a-0: \x1b[31m"});
  const std::string answer = get("/readyz");
  EXPECT_TRUE(answer.starts_with("HTTP/1.1 200"));
  EXPECT_NE(answer.find("ready, degraded: 1 partition is offline: a-0: "), std::string::npos);
  EXPECT_EQ(answer.find('\x1b'), std::string::npos);
}

TEST_F(AdminTest, metrics_are_those_that_the_loop_tells_now) {
  start();
  EXPECT_TRUE(get("/metrics").starts_with("HTTP/1.1 503"));  // nobody runs it yet
  std::thread running([this] { runtime.run(); });
  const std::string text = get("/metrics");
  EXPECT_NE(text.find("\nkafka_server_replicamanager_partitioncount 5\n"), std::string::npos);
  EXPECT_NE(text.find("\nisthmus_ready 0\n"), std::string::npos) << text;
  EXPECT_NE(text.find("\nprocess_open_fds "), std::string::npos);
  board.publish({.ready = true});
  EXPECT_NE(get("/metrics").find("\nisthmus_ready 1\n"), std::string::npos);
  runtime.stop();
  running.join();
}

TEST_F(AdminTest, a_role_that_cannot_tell_its_numbers_is_said_at_once) {
  measure = [](std::function<void(Samples)>) {};
  start();
  std::thread running([this] { runtime.run(); });
  EXPECT_TRUE(get("/metrics").starts_with("HTTP/1.1 503"));
  runtime.stop();
  running.join();
}

TEST_F(AdminTest, health_is_whether_the_loop_answers) {
  start();
  EXPECT_TRUE(get("/healthz").starts_with("HTTP/1.1 503"));  // nobody runs it yet
  std::thread running([this] { runtime.run(); });
  EXPECT_TRUE(get("/healthz").starts_with("HTTP/1.1 200"));
  runtime.stop();
  running.join();
}

TEST_F(AdminTest, what_is_not_there_is_not_found) {
  start();
  EXPECT_TRUE(get("/etc/passwd").starts_with("HTTP/1.1 404"));
}

TEST_F(AdminTest, a_port_in_use_is_named) {
  start();
  auto second = Admin::start(admin->local(), runtime.env().main_loop(), board, measure);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().text,
            "admin.bind " + admin->local().to_string() + ": Address already in use");
}

TEST_F(AdminTest, may_end_as_soon_as_it_has_started) {
  for (int i = 0; i < 20; ++i) {
    start();
    admin.reset();
  }
}

}  // namespace
}  // namespace isthmus::process
