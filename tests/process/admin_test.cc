#include "process/admin.h"

#include <unistd.h>

#include <thread>

#include "io/real.h"
#include "tests/process/http_get.h"

namespace isthmus::process {
namespace {

class AdminTest : public testing::Test {
 protected:
  void start() {
    auto started = try_start({"127.0.0.1", 0});
    ASSERT_TRUE(started) << started.error().text;
    admin = std::move(*started);
  }
  Result<std::unique_ptr<Admin>> try_start(const io::Address& bind) {
    AdminWork work{.measure = measure,
                   .reload = reload,
                   .note = [](server::AuditEvent) {},
                   .logging = logging};
    return Admin::start({.bind = bind, .users = users}, {}, runtime.env().main_loop(), board,
                        std::move(work));
  }
  std::string get(const std::string& path) { return http_get(admin->local().port, path); }

  io::Runtime runtime{1};
  StatusBoard board;
  Logging logging{Product::mirror, {}, std::nullopt};
  std::map<std::string, AdminUserConfig> users;
  std::function<void(std::function<void(Samples)>)> measure =
      [](std::function<void(Samples)> done) {
        Samples samples;
        samples.add(metric::partitions, 5);
        done(std::move(samples));
      };
  std::function<Result<void>()> reload = [] { return Result<void>{}; };
  std::unique_ptr<Admin> admin;
};

TEST_F(AdminTest, readiness_and_status_are_what_was_posted_last) {
  start();
  EXPECT_TRUE(get("/readyz").starts_with("HTTP/1.1 503"));
  EXPECT_NE(get("/readyz").find("starting"), std::string::npos);
  board.publish({.ready = true, .reason = "", .json = "{\"topics\":3}"});
  EXPECT_TRUE(get("/readyz").starts_with("HTTP/1.1 200"));
  const std::string status = get("/status");
  EXPECT_NE(status.find("\"ready\":true"), std::string::npos);
  EXPECT_NE(status.find("\"version\":1,\"topics\":3}"), std::string::npos) << status;
  const std::string pid = "\"pid\":" + std::to_string(::getpid()) + ",";
  EXPECT_NE(status.find(pid), std::string::npos) << status;
}

TEST_F(AdminTest, the_page_and_its_files_come_from_the_port_alone) {
  start();
  const std::string page = get("/");
  EXPECT_TRUE(page.starts_with("HTTP/1.1 200"));
  EXPECT_NE(page.find("Content-Type: text/html; charset=utf-8\r\n"), std::string::npos);
  EXPECT_NE(page.find("Content-Security-Policy: default-src 'none'"), std::string::npos);
  EXPECT_NE(get("/page/chart.js").find("Chart"), std::string::npos);
  EXPECT_TRUE(get("/page/index.html").starts_with("HTTP/1.1 404"));
  EXPECT_TRUE(get("/page/../admin.cc").starts_with("HTTP/1.1 404"));
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

TEST_F(AdminTest, nobody_changes_anything_where_there_are_no_users) {
  reload = []() -> Result<void> { return fail("must not be asked"); };
  start();
  EXPECT_TRUE(
      http_ask(admin->local().port, "POST /reload HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 403"));
  EXPECT_TRUE(get("/reload").starts_with("HTTP/1.1 405"));
}

TEST_F(AdminTest, levels_of_the_log_are_shown_to_whoever_may_look) {
  start();
  const std::string answer = get("/log");
  EXPECT_TRUE(answer.starts_with("HTTP/1.1 200")) << answer;
  EXPECT_NE(answer.find("\"mirror\":\"info\""), std::string::npos) << answer;
  EXPECT_TRUE(get("/log/mirror=debug").starts_with("HTTP/1.1 405"));
  EXPECT_TRUE(get("/logs").starts_with("HTTP/1.1 404"));
  EXPECT_TRUE(http_ask(admin->local().port, "POST /log/mirror=debug HTTP/1.1\r\n\r\n")
                  .starts_with("HTTP/1.1 403"));
  EXPECT_EQ(log_levels(), LoggingConfig{}.effective());
}

// Nobody runs the role's loop here: it may be what the lines are wanted for.
TEST_F(AdminTest, an_operator_sets_levels_of_the_log) {
  ::setenv("WORD_OF_OPS", "word", 1);
  users["ops"] = {.password = {.env = "WORD_OF_OPS"}, .role = AdminRole::administrator};
  start();
  const auto post = [&](const std::string& path) {
    return http_ask(admin->local().port,
                    "POST " + path + " HTTP/1.1\r\nAuthorization: Basic b3BzOndvcmQ=\r\n\r\n");
  };
  EXPECT_TRUE(post("/log/mirror=debug")
                  .ends_with("\r\n\r\nmirror=debug, until the next reload or restart\n"));
  EXPECT_EQ(log_levels()[static_cast<size_t>(LogComponent::mirror)], LogLevel::debug);
  EXPECT_EQ(log_levels()[static_cast<size_t>(LogComponent::tls)], LogLevel::info);
  EXPECT_TRUE(post("/log/warn").starts_with("HTTP/1.1 200"));
  EXPECT_EQ(log_levels()[static_cast<size_t>(LogComponent::mirror)], LogLevel::warn);

  const std::string unknown = post("/log/mirorr=debug");
  EXPECT_TRUE(unknown.starts_with("HTTP/1.1 400")) << unknown;
  EXPECT_NE(unknown.find("\"mirorr\" is no component; there are process, "), std::string::npos);
  EXPECT_TRUE(post("/log/off").starts_with("HTTP/1.1 400"));
  EXPECT_TRUE(post("/log/").starts_with("HTTP/1.1 400"));
  EXPECT_TRUE(post("/log").starts_with("HTTP/1.1 405"));
  set_log_level(LogLevel::info);
}

TEST_F(AdminTest, what_is_no_request_is_told_so_and_ends) {
  start();
  EXPECT_TRUE(
      http_ask(admin->local().port, "\x16\x03\x01 hello\r\n\r\n").starts_with("HTTP/1.1 400"));
  EXPECT_TRUE(http_ask(admin->local().port, "HEAD /readyz HTTP/1.1\r\n\r\n").ends_with("\r\n\r\n"));
}

// Those that say nothing give way to the one that asks.
TEST_F(AdminTest, silent_connections_keep_nobody_out) {
  start();
  std::vector<int> silent;
  for (int i = 0; i < 200; ++i) silent.push_back(http_connect(admin->local().port));
  EXPECT_TRUE(get("/readyz").starts_with("HTTP/1.1 503"));
  for (const int fd : silent) ::close(fd);
}

TEST_F(AdminTest, a_port_in_use_is_named) {
  start();
  auto second = try_start(admin->local());
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().text,
            "admin.bind: " + admin->local().to_string() +
                " is in use by another process; choose another port, or stop that process");
}

TEST_F(AdminTest, may_end_as_soon_as_it_has_started) {
  for (int i = 0; i < 20; ++i) {
    start();
    admin.reset();
  }
}

}  // namespace
}  // namespace isthmus::process
