// Who may do what at the admin port.
#include "process/admin_access.h"

#include <gtest/gtest.h>

#include "base/crypto.h"

namespace isthmus::process {
namespace {

using Verdict = AdminAccess::Verdict;

constexpr io::Instant at_first{};

std::string basic(const std::string& user_and_password) {
  return "Basic " + encode_base64(as_bytes(user_and_password));
}

class AdminAccessTest : public testing::Test {
 protected:
  AdminAccess guarded(std::vector<OpenPage> open = {}) {
    AdminAccess access({}, std::move(open));
    access.set_users({{"ops", "ops-word", AdminRole::administrator},
                      {"eve", "eve-word", AdminRole::viewer},
                      {"prom", std::nullopt, AdminRole::viewer}});
    return access;
  }
  static Verdict ask(AdminAccess& access, const std::string& method, const std::string& path,
                     const std::string& authorization = "",
                     std::optional<std::string> certified = std::nullopt,
                     const std::string& host = "10.0.0.1", io::Instant now = at_first) {
    HttpRequest request{.method = method, .path = path, .authorization = authorization};
    return access.decide(request, certified, host, now).verdict;
  }
};

TEST_F(AdminAccessTest, without_users_everybody_looks_and_nobody_changes) {
  AdminAccess access({}, {});
  EXPECT_EQ(ask(access, "GET", "/status"), Verdict::granted);
  EXPECT_EQ(ask(access, "HEAD", "/metrics"), Verdict::granted);
  EXPECT_EQ(ask(access, "POST", "/reload"), Verdict::refused);
  EXPECT_EQ(ask(access, "POST", "/reload", basic("ops:ops-word")), Verdict::refused);
}

TEST_F(AdminAccessTest, a_viewer_reads_and_an_operator_changes_too) {
  AdminAccess access = guarded();
  for (const char* path : {"/status", "/metrics", "/healthz", "/readyz", "/nowhere"}) {
    EXPECT_EQ(ask(access, "GET", path), Verdict::stranger) << path;
    EXPECT_EQ(ask(access, "GET", path, basic("eve:eve-word")), Verdict::granted) << path;
    EXPECT_EQ(ask(access, "GET", path, basic("ops:ops-word")), Verdict::granted) << path;
  }
  for (const char* method : {"POST", "PUT", "DELETE", "PATCH", "OPTIONS"}) {
    EXPECT_EQ(ask(access, method, "/reload"), Verdict::stranger) << method;
    EXPECT_EQ(ask(access, method, "/reload", basic("eve:eve-word")), Verdict::refused) << method;
    EXPECT_EQ(ask(access, method, "/reload", basic("ops:ops-word")), Verdict::granted) << method;
  }
}

// A browser sends the log-in that it remembers, whoever's page lets it ask.
TEST_F(AdminAccessTest, what_another_sites_page_asks_for_changes_nothing) {
  AdminAccess access = guarded();
  const auto ask_from = [&](const std::string& method, const std::string& origin) {
    HttpRequest request{.method = method,
                        .path = "/reload",
                        .authorization = basic("ops:ops-word"),
                        .host = "router:9646",
                        .origin = origin};
    return access.decide(request, std::nullopt, "10.0.0.1", at_first).verdict;
  };
  EXPECT_EQ(ask_from("POST", ""), Verdict::granted);
  EXPECT_EQ(ask_from("POST", "http://router:9646"), Verdict::granted);
  EXPECT_EQ(ask_from("POST", "https://router:9646"), Verdict::granted);
  for (const char* origin : {"http://evil.example", "http://router", "http://router:9645", "null",
                             "http://router:9646.evil.example", "router:9646"}) {
    EXPECT_EQ(ask_from("POST", origin), Verdict::refused) << origin;
    EXPECT_EQ(ask_from("GET", origin), Verdict::granted) << origin << " may be told, not read";
  }
}

TEST_F(AdminAccessTest, a_log_in_is_name_and_password_of_one_user) {
  AdminAccess access = guarded();
  int i = 0;
  for (const std::string& wrong :
       {basic("ops:eve-word"), basic("ops:"), basic("ops"), basic(":ops-word"),
        basic("OPS:ops-word"), basic("ops:ops-word "), basic("prom:"), std::string("Basic"),
        std::string("Basic !"), std::string("Bearer abc"), basic("nobody:ops-word")}) {
    const std::string host = "10.0.1." + std::to_string(++i);
    EXPECT_EQ(ask(access, "GET", "/status", wrong, std::nullopt, host), Verdict::stranger) << wrong;
  }
  EXPECT_EQ(ask(access, "GET", "/status", "bAsIc " + basic("ops:ops-word").substr(6)),
            Verdict::granted);
}

TEST_F(AdminAccessTest, a_certificate_is_a_user_of_its_name) {
  AdminAccess access = guarded();
  EXPECT_EQ(ask(access, "GET", "/status", "", "prom"), Verdict::granted);
  EXPECT_EQ(ask(access, "POST", "/reload", "", "prom"), Verdict::refused);
  EXPECT_EQ(ask(access, "POST", "/reload", "", "ops"), Verdict::granted);
  EXPECT_EQ(ask(access, "GET", "/status", "", "mirror"), Verdict::stranger);
  // Who says more is taken at that word.
  EXPECT_EQ(ask(access, "GET", "/status", basic("ops:wrong"), "ops"), Verdict::stranger);
}

TEST_F(AdminAccessTest, what_is_open_is_read_by_everybody_and_nothing_else_is) {
  AdminAccess access = guarded({OpenPage::metrics});
  EXPECT_EQ(ask(access, "GET", "/metrics"), Verdict::granted);
  EXPECT_EQ(ask(access, "HEAD", "/metrics", basic("ops:wrong")), Verdict::granted);
  EXPECT_EQ(ask(access, "POST", "/metrics"), Verdict::stranger);
  for (const char* path :
       {"/status", "/healthz", "/readyz", "/metrics/", "/metricsx", "//metrics"}) {
    EXPECT_EQ(ask(access, "GET", path), Verdict::stranger) << path;
  }
}

TEST_F(AdminAccessTest, who_guesses_from_one_address_is_not_listened_to_and_others_are) {
  AdminAccess access = guarded();
  for (int i = 0; i < AttemptLimit::at_once; ++i) {
    EXPECT_EQ(ask(access, "GET", "/status", basic("ops:guess")), Verdict::stranger) << i;
  }
  EXPECT_EQ(ask(access, "GET", "/status", basic("ops:ops-word")), Verdict::limited);
  EXPECT_EQ(ask(access, "GET", "/status", "", "prom"), Verdict::granted);
  EXPECT_EQ(ask(access, "GET", "/status", basic("ops:ops-word"), std::nullopt, "10.0.0.2"),
            Verdict::granted);
  const io::Instant later = at_first + AttemptLimit::again_after;
  EXPECT_EQ(ask(access, "GET", "/status", basic("ops:ops-word"), std::nullopt, "10.0.0.1", later),
            Verdict::granted);
  EXPECT_EQ(ask(access, "GET", "/status", basic("ops:guess"), std::nullopt, "10.0.0.1", later),
            Verdict::stranger);
  EXPECT_EQ(ask(access, "GET", "/status", basic("ops:guess"), std::nullopt, "10.0.0.1", later),
            Verdict::limited);
}

TEST(AttemptLimit, takes_the_addresses_that_one_user_of_ipv6_has_for_one) {
  AttemptLimit limit;
  for (int i = 0; i < AttemptLimit::at_once; ++i) {
    limit.failed("2001:db8:1:2::" + std::to_string(i + 1), at_first);
  }
  EXPECT_TRUE(limit.is_used_up("2001:db8:1:2:ffff::1", at_first));
  EXPECT_FALSE(limit.is_used_up("2001:db8:1:3::1", at_first));
  EXPECT_EQ(limit.addresses(), 1u);
}

TEST(AttemptLimit, remembers_so_many_and_forgets_who_has_to_wait_least) {
  AttemptLimit limit;
  for (int i = 0; i < AttemptLimit::at_once; ++i) limit.failed("10.0.0.1", at_first);
  for (size_t i = 0; i < 2 * AttemptLimit::most_addresses; ++i) {
    limit.failed("h" + std::to_string(i), at_first);
  }
  EXPECT_LE(limit.addresses(), AttemptLimit::most_addresses);
  EXPECT_TRUE(limit.is_used_up("10.0.0.1", at_first));
  for (size_t i = 0; i < AttemptLimit::most_addresses; ++i) {
    for (int n = 0; n < 2; ++n) limit.failed("g" + std::to_string(i), at_first);
  }
  for (int i = 0; i < AttemptLimit::at_once; ++i) limit.failed("new", at_first);
  EXPECT_TRUE(limit.is_used_up("new", at_first)) << "who comes when it is full is limited, too";
  limit.failed("later", at_first + AttemptLimit::at_once * AttemptLimit::again_after);
  EXPECT_LE(limit.addresses(), 2u);
}

}  // namespace
}  // namespace isthmus::process
