// The router's walking through requests that it passes on or refuses: API key, version, then the
// request. A refusal is a response that a client can read.
#include <algorithm>
#include <random>
#include <vector>

#include "base/check.h"
#include "router/answers.h"
#include "router/reading.h"
#include "router/refusals.h"
#include "tests/fuzz/input.h"
#include "tests/kafka/messages.h"
#include "tests/sim/world/world.h"

namespace {

using namespace isthmus;

process::RouterConfig config() {
  process::RouterConfig made;
  made.virtual_cluster.name = "corp";
  made.virtual_cluster.advertise = "127.0.0.1";
  made.virtual_cluster.ports = {20'000, 20'009};
  made.routes = {{.topic = "t", .group = {}, .fallback = {}, .cluster = "tokyo"},
                 {.topic = {}, .group = "g", .fallback = {}, .cluster = "tokyo"},
                 {.topic = {}, .group = {}, .fallback = "seoul", .cluster = {}}};
  return made;
}

struct Around {
  sim::SimWorld world{1};
  sim::SimProcess& process = world.add_host("router").start_process();
  router::Picture picture{process.env().main_loop(), config()};
};

const kafka::Codec* codec_of(const kafka::ApiInfo& api, std::string_view kind) {
  const auto& codecs = kafka::all_codecs();
  const auto found =
      std::ranges::find(codecs, std::string(api.name).append(kind), &kafka::Codec::name);
  return found == codecs.end() ? nullptr : &*found;
}

void check_refusal(const server::Request& request, const kafka::ApiInfo& api) {
  const int16_t version = request.header.api_version;
  auto refusal = router::refuse(request);
  if (!refusal) return;
  const Slice bytes = refusal->flatten().value();
  const size_t head = kafka::response_header_version(api, version) == 0 ? 4 : 5;
  CHECK(bytes.size() >= head, "it has a header");
  const kafka::Codec* codec = codec_of(api, "Response");
  CHECK(codec != nullptr && codec->recode(bytes.sub(head, bytes.size() - head), version),
        "a client can read it");
}

}  // namespace

// Half of all inputs begin as a good request of some API.
extern "C" size_t LLVMFuzzerMutate(uint8_t* data, size_t size, size_t max_size);
extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t max_size,
                                          unsigned int seed) {
  std::minstd_rand random(seed);
  if (random() % 8 != 0) return LLVMFuzzerMutate(data, size, max_size);
  const auto apis = kafka::all_apis();
  const kafka::ApiInfo& api = apis[random() % apis.size()];
  const kafka::Codec* codec = codec_of(api, "Request");
  if (codec == nullptr || static_cast<int16_t>(api.key) > UINT8_MAX) return size;
  const auto versions = static_cast<size_t>(codec->max_version - codec->min_version + 1);
  const auto version = static_cast<int16_t>(codec->min_version + random() % versions);
  kafka::Fill fill(random());
  const Slice body = codec->sample(fill, version);
  if (body.size() + 2 > max_size) return size;
  data[0] = static_cast<uint8_t>(api.key);
  data[1] = static_cast<uint8_t>(version);
  std::ranges::copy(body.view(), data + 2);
  return body.size() + 2;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static Around& around = *new Around;
  fuzz::Input input(data, size);
  server::Request request;
  request.header.api_key = input.byte();
  request.header.api_version = static_cast<int8_t>(input.byte());
  request.header.correlation_id = 7;
  request.body = Slice::copy_of(input.rest());
  const kafka::ApiInfo* api = kafka::find_api(request.header.api_key);
  if (api == nullptr || !router::is_bound_to_a_node(api->key) ||
      !router::Answers::is_spoken(request.header.api_key, request.header.api_version)) {
    return 0;
  }
  for (const char* cluster : {"seoul", "tokyo"}) {
    (void)router::whereabouts(request, around.picture, cluster);
  }
  if (api->key == kafka::ApiKey::produce) (void)router::expects_reply(request);
  if (api->key == kafka::ApiKey::fetch) (void)router::fetch_session_epoch(request);
  check_refusal(request, *api);
  return 0;
}
