// The answer to ApiVersions, by which a client learns what it may ask.
//
// It has rules of its own, because the two sides do not know each other yet: a request of a version
// that we do not speak is answered in version 0 with UNSUPPORTED_VERSION and the range of
// ApiVersions itself (KIP-511), so that the client can ask again, and the response header has no
// tagged fields in any version.
//
// Plain functions; any loop.
#pragma once

#include <functional>

#include "kafka/gen/api_versions.h"
#include "server/service.h"

namespace isthmus::server {

// What to announce of an API; nullopt hides it. The router announces no more than all of its
// clusters understand.
struct VersionRange {
  int16_t min = 0;
  int16_t max = 0;
};
using ApiFilter = std::function<std::optional<VersionRange>(const kafka::ApiInfo&)>;

// Everything that we decode, without the private APIs.
std::optional<VersionRange> public_apis(const kafka::ApiInfo& api);
std::optional<VersionRange> public_and_private_apis(const kafka::ApiInfo& api);

// The table of APIs; the caller adds features where it has some.
kafka::ApiVersionsResponse describe_apis(const ApiFilter& filter);

// The complete answer to a request of that key, whatever its version or body: `table`, or the error
// that the rules above and KIP-511 ask for. Notes the client's software in its context.
Rope answer_api_versions(const Request& request, const kafka::ApiVersionsResponse& table);

}  // namespace isthmus::server
