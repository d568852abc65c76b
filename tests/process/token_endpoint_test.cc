// What a token endpoint is asked, which may be asked, and what is said of one that gives nothing.
#include "process/token_endpoint.h"

#include <gtest/gtest.h>

#include "process/fetch_url.h"

namespace isthmus::process {
namespace {

TokenEndpoint endpoint_of(std::string scope = "") {
  return {.url = "https://idp.example/token",
          .client_id = "mirror:1",
          .client_secret = {},
          .scope = std::move(scope)};
}

TEST(TokenEndpoint, IsAskedByBasicAuthentication) {
  const auto asked = token_request(endpoint_of(), "p&ss w");
  EXPECT_EQ(asked.authorization, "Basic bWlycm9yOjE6cCZzcyB3");  // mirror:1:p&ss w
  EXPECT_EQ(asked.form, "grant_type=client_credentials");
  EXPECT_EQ(token_request(endpoint_of("read write&more"), "x").form,
            "grant_type=client_credentials&scope=read%20write%26more");
}

TEST(TokenEndpoint, EncodesIdAndSecretWhereItIsToldTo) {
  auto endpoint = endpoint_of();
  endpoint.url_encodes_header = true;
  EXPECT_EQ(token_request(endpoint, "p&ss w").authorization,
            "Basic bWlycm9yJTNBMTpwJTI2c3MlMjB3");  // mirror%3A1:p%26ss%20w
}

TEST(TokenEndpoint, SecretsGoOverNoLineInPlainText) {
  for (const char* good :
       {"https://idp.example/token", "https://idp.example:8443", "http://127.0.0.1:8080/token",
        "http://localhost/t", "http://[::1]:1/t"}) {
    EXPECT_EQ(form_url_problem(good), "") << good;
  }
  for (const char* bad : {"http://idp.example/token", "http://127.0.0.1@idp.example/token",
                          "http://127.0.0.1.example/token", "http://localhost:1@idp.example/token",
                          "https://", "https:///token", "https://idp.example:99999999999/token",
                          "https://idp.example:x/token", "file:///etc/token", "idp.example", ""}) {
    EXPECT_NE(form_url_problem(bad), "") << bad;
  }
}

TEST(TokenEndpoint, ASecretThatCannotBeReadIsNamed) {
  auto endpoint = endpoint_of();
  endpoint.client_secret.env = "ISTHMUS_TEST_NO_SUCH_SECRET";
  EXPECT_EQ(ask_for_token(endpoint).error().text,
            "the variable ISTHMUS_TEST_NO_SUCH_SECRET is not set");
}

}  // namespace
}  // namespace isthmus::process
