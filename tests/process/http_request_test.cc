// Requests at the admin port: what is understood, and what is refused because of its form.
#include "process/http_request.h"

#include <gtest/gtest.h>

namespace isthmus::process {
namespace {

HttpRequest parsed(const std::string& text) {
  auto request = parse_http_request(text);
  EXPECT_TRUE(request && *request) << text;
  return request && *request ? **request : HttpRequest{};
}

int refusal(const std::string& text) {
  auto request = parse_http_request(text);
  return request ? 0 : request.error().status;
}

TEST(HttpRequest, is_read_as_far_as_it_matters) {
  const std::string head =
      "GET /metrics?name[]=x HTTP/1.1\r\nHost: a:1\r\nAUTHORIZATION:  Basic eA== \r\n"
      "Accept: */*\r\n\r\n";
  const auto request = parsed(head + "and more");
  EXPECT_EQ(request.method, "GET");
  EXPECT_EQ(request.path, "/metrics");
  EXPECT_EQ(request.authorization, "Basic eA==");
  EXPECT_EQ(request.head_size, head.size());
  EXPECT_EQ(request.body_size, 0u);
  EXPECT_TRUE(request.is_safe());
  EXPECT_FALSE(parsed("POST /reload HTTP/1.0\r\nContent-Length: 3\r\n\r\n").is_safe());
  EXPECT_EQ(parsed("POST /reload HTTP/1.0\r\nContent-Length: 3\r\n\r\n").body_size, 3u);
}

TEST(HttpRequest, is_waited_for_until_it_is_whole) {
  const std::string whole = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
  for (size_t i = 0; i < whole.size(); ++i) {
    auto request = parse_http_request(whole.substr(0, i));
    EXPECT_TRUE(request && !*request) << i;
  }
  EXPECT_EQ(refusal(std::string(longest_http_head, 'x')), 431);
  EXPECT_EQ(refusal("GET / HTTP/1.1\r\nA: " + std::string(longest_http_head, 'x') + "\r\n\r\n"),
            431);
}

TEST(HttpRequest, of_another_form_is_refused) {
  const std::pair<const char*, int> cases[] = {
      {"\r\n\r\n", 400},
      {"GET /\r\n\r\n", 400},
      {"GET status HTTP/1.1\r\n\r\n", 400},
      {"GET http://x/status HTTP/1.1\r\n\r\n", 400},
      {"G ET / HTTP/1.1\r\n\r\n", 400},
      {"GET / HTTP/1.1 \r\n\r\n", 505},
      {"GET / HTTP/2.0\r\n\r\n", 505},
      {"GET /\x01 HTTP/1.1\r\n\r\n", 400},
      {"GET / HTTP/1.1\r\nno header\r\n\r\n", 400},
      {"GET / HTTP/1.1\r\n: x\r\n\r\n", 400},
      {"GET / HTTP/1.1\r\nA : x\r\n\r\n", 400},
      {"GET / HTTP/1.1\r\nA: x\r\n folded\r\n\r\n", 400},
      {"GET / HTTP/1.1\r\nA: x\ny\r\n\r\n", 400},
      {"GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", 501},
      {"GET / HTTP/1.1\r\nAuthorization: a\r\nauthorization: b\r\n\r\n", 400},
      {"GET / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n", 400},
      {"GET / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", 400},
      {"GET / HTTP/1.1\r\nContent-Length: 1x\r\n\r\n", 400},
      {"GET / HTTP/1.1\r\nContent-Length: \r\n\r\n", 400},
      {"GET / HTTP/1.1\r\nContent-Length: 1025\r\n\r\n", 413},
      {"GET / HTTP/1.1\r\nContent-Length: 99999999999999999999999\r\n\r\n", 413},
  };
  for (const auto& [text, status] : cases) EXPECT_EQ(refusal(text), status) << text;
  EXPECT_EQ(refusal(std::string("GET /\0 HTTP/1.1\r\n\r\n", 20)), 400);
}

TEST(HttpRequest, basic_credentials_part_at_the_first_colon) {
  const auto both = parse_basic("Basic b3BzOmE6Yg==");  // ops:a:b
  ASSERT_TRUE(both);
  EXPECT_EQ(both->user, "ops");
  EXPECT_EQ(both->password, "a:b");
  for (const char* other : {"", "Basic", "Basic ", "Basicb3BzOmE6Yg==", "Basic b3Bz",
                            "Basic b3BzOg", "Digest b3BzOmE6Yg=="}) {
    EXPECT_FALSE(parse_basic(other)) << other;
  }
}

TEST(HttpResponse, says_how_to_log_in_and_that_it_ends) {
  const std::string text = render({.status = 401, .body = "no\n"}, true);
  EXPECT_TRUE(text.starts_with("HTTP/1.1 401 Unauthorized\r\n"));
  EXPECT_NE(text.find("\r\nWWW-Authenticate: Basic realm=\"isthmus\""), std::string::npos);
  EXPECT_NE(text.find("\r\nConnection: close\r\n"), std::string::npos);
  EXPECT_TRUE(text.ends_with("\r\n\r\nno\n"));
  EXPECT_TRUE(render({.status = 200, .body = "yes\n"}, false).ends_with("\r\n\r\n"));
}

}  // namespace
}  // namespace isthmus::process
