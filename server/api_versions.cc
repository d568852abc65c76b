#include "server/api_versions.h"

#include <algorithm>

#include "server/reply.h"

namespace isthmus::server {

namespace {

bool is_alphanumeric(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

// KIP-511: letters and digits, with '-' and '.' between them. The names end up in logs and metrics.
bool is_software_name(std::string_view name) {
  if (name.empty() || !is_alphanumeric(name.front()) || !is_alphanumeric(name.back())) return false;
  return std::ranges::all_of(name,
                             [](char c) { return is_alphanumeric(c) || c == '-' || c == '.'; });
}

Rope answer_in(int16_t version, const Request& request,
               const kafka::ApiVersionsResponse& response) {
  kafka::RequestHeader header = request.header;
  header.api_version = version;
  return encode_response(header, response);
}

}  // namespace

std::optional<VersionRange> public_apis(const kafka::ApiInfo& api) {
  if (api.is_private) return std::nullopt;
  return public_and_private_apis(api);
}

std::optional<VersionRange> public_and_private_apis(const kafka::ApiInfo& api) {
  return VersionRange{api.advertised_min, api.max_version};
}

kafka::ApiVersionsResponse describe_apis(const ApiFilter& filter) {
  kafka::ApiVersionsResponse response;
  for (const auto& api : kafka::all_apis()) {
    const auto range = filter(api);
    if (!range) continue;
    response.api_keys.push_back({static_cast<int16_t>(api.key), range->min, range->max});
  }
  return response;
}

Rope answer_api_versions(const Request& request, const kafka::ApiVersionsResponse& table) {
  const int16_t version = request.header.api_version;
  const kafka::ApiInfo& api = *kafka::find_api(kafka::ApiKey::api_versions);
  if (!api.supports(version)) {
    kafka::ApiVersionsResponse refusal;
    refusal.error_code = kafka::ErrorCode::unsupported_version;
    refusal.api_keys.push_back({static_cast<int16_t>(api.key), api.min_version, api.max_version});
    return answer_in(0, request, refusal);
  }
  auto message = decode_request<kafka::ApiVersionsRequest>(request);
  const bool names_itself = version >= 3;
  if (!message || (names_itself && (!is_software_name(message->client_software_name) ||
                                    !is_software_name(message->client_software_version)))) {
    kafka::ApiVersionsResponse refusal;
    refusal.error_code = kafka::ErrorCode::invalid_request;
    return answer_in(version, request, refusal);
  }
  if (names_itself) {
    request.connection->software_name = std::move(message->client_software_name);
    request.connection->software_version = std::move(message->client_software_version);
  }
  return answer_in(version, request, table);
}

}  // namespace isthmus::server
