#include "server/api_versions.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace isthmus::server {
namespace {

using kafka::ApiVersionsResponse;
using kafka::ErrorCode;

Request request_of(int16_t version, const kafka::ApiVersionsRequest& message) {
  Request request;
  request.header = {static_cast<int16_t>(kafka::ApiKey::api_versions), version, 5, "c"};
  kafka::Writer w;
  message.encode(w, std::min(version, kafka::ApiVersionsRequest::max_version));
  request.body = *std::move(w).finish().flatten();
  request.connection = std::make_shared<ConnectionContext>();
  return request;
}

// What a client of that version reads; the correlation id must be the request's.
ApiVersionsResponse read_answer(const Rope& rope, int16_t version) {
  kafka::Reader r(*rope.flatten());
  EXPECT_EQ(r.int32(), 5) << "and no tagged fields follow, in any version";
  auto response = ApiVersionsResponse::decode(r, version);
  EXPECT_TRUE(response.has_value());
  EXPECT_EQ(r.remaining(), 0u);
  return response ? *response : ApiVersionsResponse{};
}

TEST(api_versions, a_known_version_gets_the_table) {
  const auto table = describe_apis(public_apis);
  for (int16_t version = 0; version <= kafka::ApiVersionsRequest::max_version; ++version) {
    const auto request = request_of(version, {"kcat", "1.7.0-dev"});
    EXPECT_EQ(read_answer(answer_api_versions(request, table), version), table);
    EXPECT_EQ(request.connection->software_name, version >= 3 ? "kcat" : "");
  }
}

TEST(api_versions, a_version_too_new_is_refused_in_version_0_with_the_range) {
  const auto request = request_of(kafka::ApiVersionsRequest::max_version + 1, {"kcat", "1"});
  const auto answer = read_answer(answer_api_versions(request, describe_apis(public_apis)), 0);
  EXPECT_EQ(answer.error_code, ErrorCode::unsupported_version);
  ASSERT_EQ(answer.api_keys.size(), 1u);
  EXPECT_EQ(answer.api_keys[0].api_key, 18);
  EXPECT_EQ(answer.api_keys[0].max_version, kafka::ApiVersionsRequest::max_version);
}

TEST(api_versions, software_names_that_would_spoil_logs_are_refused) {
  for (const char* name : {"", "-kcat", "kcat.", "two words", "new\nline"}) {
    const auto request = request_of(3, {name, "1"});
    const auto answer = read_answer(answer_api_versions(request, describe_apis(public_apis)), 3);
    EXPECT_EQ(answer.error_code, ErrorCode::invalid_request) << name;
    EXPECT_EQ(request.connection->software_name, "");
  }
}

TEST(api_versions, a_body_that_does_not_decode_is_refused) {
  auto request = request_of(3, {"kcat", "1"});
  request.body = request.body.sub(0, request.body.size() - 1);
  const auto answer = read_answer(answer_api_versions(request, describe_apis(public_apis)), 3);
  EXPECT_EQ(answer.error_code, ErrorCode::invalid_request);
}

TEST(api_versions, private_apis_are_announced_to_our_own_programs_only) {
  const auto is_private = [](const ApiVersionsResponse::ApiVersion& api) {
    return api.api_key >= 10'000;
  };
  EXPECT_TRUE(std::ranges::none_of(describe_apis(public_apis).api_keys, is_private));
  EXPECT_TRUE(std::ranges::any_of(describe_apis(public_and_private_apis).api_keys, is_private));
}

std::optional<VersionRange> only_old_fetch(const kafka::ApiInfo& api) {
  if (api.key != kafka::ApiKey::fetch) return std::nullopt;
  return VersionRange{4, 11};
}
TEST(api_versions, a_filter_hides_and_narrows) {
  const auto table = describe_apis(only_old_fetch);
  ASSERT_EQ(table.api_keys.size(), 1u);
  EXPECT_EQ(table.api_keys[0], (ApiVersionsResponse::ApiVersion{1, 4, 11}));
}

}  // namespace
}  // namespace isthmus::server
