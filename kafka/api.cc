#include "kafka/api.h"

#include <algorithm>

#include "base/check.h"

namespace isthmus::kafka {

extern const ApiInfo api_table[];
extern const size_t api_table_size;

namespace {

const ApiInfo& known_api(ApiKey key) {
  const ApiInfo* api = find_api(key);
  CHECK(api != nullptr, "an ApiKey that is not in the table");
  return *api;
}

}  // namespace

std::span<const ApiInfo> all_apis() { return {api_table, api_table_size}; }

const ApiInfo* find_api(int16_t key) {
  const auto apis = all_apis();
  const auto at = std::ranges::lower_bound(apis, static_cast<ApiKey>(key), {}, &ApiInfo::key);
  return at != apis.end() && at->key == static_cast<ApiKey>(key) ? &*at : nullptr;
}

int request_header_version(const ApiInfo& api, int16_t version) {
  return api.is_flexible(version) ? 2 : 1;
}

int response_header_version(const ApiInfo& api, int16_t version) {
  return api.is_flexible(version) && api.key != ApiKey::api_versions ? 1 : 0;
}

int request_header_version(ApiKey key, int16_t version) {
  return request_header_version(known_api(key), version);
}

int response_header_version(ApiKey key, int16_t version) {
  return response_header_version(known_api(key), version);
}

Result<RequestHeader> RequestHeader::decode(Reader& r) {
  RequestHeader h;
  h.api_key = r.int16();
  h.api_version = r.int16();
  h.correlation_id = r.int32();
  h.client_id = r.nullable_string(false);  // never compact, even in header version 2
  const ApiInfo* api = find_api(h.api_key);
  if (api && request_header_version(*api, h.api_version) == 2) r.skip_tagged_fields();
  if (!r.ok()) return fail(decode_error(r, "request header", h.api_version));
  return h;
}

void RequestHeader::encode(Writer& w) const {
  w.int16(api_key);
  w.int16(api_version);
  w.int32(correlation_id);
  w.nullable_string(client_id, false);
  if (request_header_version(static_cast<ApiKey>(api_key), api_version) == 2) w.unsigned_varint(0);
}

void encode_response_header(Writer& w, ApiKey key, int16_t version, int32_t correlation_id) {
  w.int32(correlation_id);
  if (response_header_version(key, version) == 1) w.unsigned_varint(0);
}

}  // namespace isthmus::kafka
