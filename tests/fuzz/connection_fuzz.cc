// A client's conversation with a whole broker: frames in any sequence and in any pieces, on a
// listener of clients or of mirrors. What was asked in good order is answered in that order by
// what a client can decode, whatever else it says; and the next client is served.
//
// The input: which listener, then steps. A step begins with one byte: an API key (those from 10000
// on as 200 and more), followed by version, length (two bytes) and body, which get a header in
// front; or 240: bytes as they are, one byte saying how many; or 248 and more: a pause.
#include <deque>
#include <optional>
#include <random>
#include <vector>

#include "base/check.h"
#include "base/log.h"
#include "broker/broker.h"
#include "io/frames.h"
#include "kafka/api.h"
#include "kafka/gen/create_partitions.h"
#include "kafka/gen/create_topics.h"
#include "tests/broker/started.h"
#include "tests/fuzz/input.h"
#include "tests/kafka/messages.h"

namespace {

using namespace isthmus;

constexpr int first_private_key = 10'000, private_keys = 200, raw_bytes = 240, pauses = 248;
constexpr size_t max_frame = size_t{64} << 20;
constexpr auto patience = std::chrono::seconds(5);

const kafka::Codec* codec_of(std::string_view api, std::string_view kind) {
  const auto& codecs = kafka::all_codecs();
  const auto found = std::ranges::find(codecs, std::string(api).append(kind), &kafka::Codec::name);
  return found == codecs.end() ? nullptr : &*found;
}

int16_t key_of(uint8_t step) {
  return static_cast<int16_t>(step < private_keys ? step : first_private_key + step - private_keys);
}

// Thousands are made in good order, and take seconds in which nothing else would be found.
template <typename Request, auto Topics, auto Count>
bool makes_many(const kafka::RequestHeader& header, Bytes body) {
  constexpr int32_t many = 20;
  kafka::Reader reader(Slice::copy_of(body));
  const auto request = Request::decode(reader, header.api_version);
  if (!request) return false;
  int64_t all = 0;
  for (const auto& topic : (*request).*Topics) all += std::max(topic.*Count, 0);
  return all > many;
}

bool makes_many_partitions(const kafka::RequestHeader& header, Bytes body) {
  using Create = kafka::CreateTopicsRequest;
  using Grow = kafka::CreatePartitionsRequest;
  switch (static_cast<kafka::ApiKey>(header.api_key)) {
    case kafka::ApiKey::create_topics:
      return makes_many<Create, &Create::topics, &Create::CreatableTopic::num_partitions>(header,
                                                                                          body);
    case kafka::ApiKey::create_partitions:
      return makes_many<Grow, &Grow::topics, &Grow::CreatePartitionsTopic::count>(header, body);
    default: return false;
  }
}

struct Asked {
  const kafka::ApiInfo* api = nullptr;
  int16_t version = 0;
  int32_t correlation_id = 0;
};

class Conversation {
 public:
  Conversation(sim::SimProcess& process, std::vector<uint8_t> input)
      : process_(process), input_(std::move(input)) {}

  void begin(io::Address to) { process_.spawn("fuzz", run(this, std::move(to))); }
  bool over() const { return over_; }

 private:
  static io::Task<void> run(Conversation* self, io::Address to) {
    const io::Instant deadline = self->loop().now() + patience;
    auto dialled = co_await self->process_.env().network.dial(std::move(to), deadline);
    CHECK(dialled, "it listens");
    self->stream_ = std::move(*dialled);
    self->process_.spawn("listen", listen(self));
    fuzz::Input steps(self->input_.data(), self->input_.size());
    steps.byte();
    while (!steps.empty() && !self->over_) co_await step(self, &steps);
    self->said_all_ = true;
    self->over_ |= self->asked_.empty();
  }

  static io::Task<void> step(Conversation* self, fuzz::Input* steps) {
    const uint8_t what = steps->byte();
    if (what >= pauses) {
      co_await io::sleep(self->loop(), std::chrono::milliseconds(20) * (what - pauses + 1));
      co_return;
    }
    Rope bytes = what >= raw_bytes ? self->raw(*steps) : self->request(what, *steps);
    (void)co_await self->stream_->write(std::move(bytes));
  }

  static io::Task<void> listen(Conversation* self) {
    io::FrameReader frames(self->loop(), *self->stream_, max_frame);
    for (;;) {
      const auto frame = frames.next();
      CHECK(frame, "it answers in frames");
      if (*frame) {
        self->hear(**frame);
        continue;
      }
      auto more = co_await frames.fill();
      if (!more || !*more) break;
    }
    self->over_ = true;
  }

  Rope raw(fuzz::Input& steps) {
    orderly_ = false;
    return Rope(Slice::copy_of(steps.bytes(steps.byte())));
  }

  Rope request(uint8_t step, fuzz::Input& steps) {
    kafka::RequestHeader header{key_of(step), static_cast<int8_t>(steps.byte()), ++sent_, "fuzz"};
    Bytes body = steps.bytes(steps.word());
    if (makes_many_partitions(header, body)) body = {};
    const kafka::ApiInfo* api = kafka::find_api(header.api_key);
    if (api != nullptr && orderly_) asked_.push_back({api, header.api_version, sent_});
    kafka::Writer head;
    if (api != nullptr) {
      header.encode(head);
    } else {  // as version 1, which is how it is read
      head.int16(header.api_key);
      head.int16(header.api_version);
      head.int32(header.correlation_id);
      head.string(*header.client_id, false);
    }
    kafka::Writer frame;
    frame.int32(static_cast<int32_t>(head.size() + body.size()));
    frame.raw(head.unsealed());
    frame.raw(body);
    return std::move(frame).finish();
  }

  // Produce without acks has no answer; all others come in order.
  void hear(const Slice& frame) {
    CHECK(frame.size() >= 4, "an answer has a correlation id");
    const auto id = load_be<int32_t>(frame.data());
    while (!asked_.empty() && asked_.front().correlation_id != id &&
           asked_.front().api->key == kafka::ApiKey::produce) {
      asked_.pop_front();
    }
    if (!asked_.empty() && asked_.front().correlation_id == id) {
      look_at(asked_.front(), frame);
      asked_.pop_front();
    } else {
      CHECK(!orderly_, "answers come in the order of requests");
    }
    over_ |= said_all_ && asked_.empty();
  }

  static void look_at(const Asked& asked, const Slice& frame) {
    const bool known = asked.api->supports(asked.version);
    if (!known && asked.api->key != kafka::ApiKey::api_versions) return;
    const int16_t version = known ? asked.version : int16_t{0};  // KIP-511
    const size_t head = kafka::response_header_version(*asked.api, version) == 0 ? 4 : 5;
    const kafka::Codec* codec = codec_of(asked.api->name, "Response");
    CHECK(frame.size() >= head && codec != nullptr, "an answer has a header");
    CHECK(codec->recode(frame.sub(head, frame.size() - head), version), "and a client reads it");
  }

  io::Loop& loop() { return process_.env().main_loop(); }

  sim::SimProcess& process_;
  const std::vector<uint8_t> input_;
  std::unique_ptr<io::Stream> stream_;
  std::deque<Asked> asked_;
  int32_t sent_ = 0;
  bool orderly_ = true;  // until bytes were sent as they are
  bool said_all_ = false;
  bool over_ = false;
};

process::BrokerConfig site_config() {
  process::BrokerConfig config;
  config.cluster = {"seoul", 7};
  config.broker.node_id = 701;
  config.broker.log_dirs = {"/data"};
  config.broker.num_partitions = 1;
  config.broker.offsets_topic_num_partitions = 1;
  config.listeners = {
      {.name = "clients", .bind = {"0.0.0.0", 9092}, .advertised = {"site", 9092}, .peers = {}},
      {.name = "mirrors",
       .bind = {"0.0.0.0", 9093},
       .advertised = {"site", 9093},
       .peers = {process::Peer::mirrors}}};
  return config;
}

class World {
 public:
  World() {
    auto& process = site_.start_process();
    auto& broker = process.make<broker::Broker>(process.env(), site_config());
    CHECK(broker::run_in(world_, process, broker.start()), "it starts");
  }

  void talk(std::vector<uint8_t> input, uint16_t port) {
    auto& process = client_.start_process();
    auto& conversation = process.make<Conversation>(process, std::move(input));
    conversation.begin({"site", port});
    world_.run_until([&] { return conversation.over(); }, patience);
    served_ = conversation.over();
    process.kill();
  }
  bool served() const { return served_; }

 private:
  sim::SimWorld world_{1};
  sim::SimHost& site_ = world_.add_host("site");
  sim::SimHost& client_ = world_.add_host("client");
  bool served_ = false;
};

}  // namespace

// Now and then, one more good request of some API.
extern "C" size_t LLVMFuzzerMutate(uint8_t* data, size_t size, size_t max_size);
extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t max_size,
                                          unsigned int seed) {
  std::minstd_rand random(seed);
  if (random() % 4 != 0) return LLVMFuzzerMutate(data, size, max_size);
  const auto apis = kafka::all_apis();
  const kafka::ApiInfo& api = apis[random() % apis.size()];
  const kafka::Codec* codec = codec_of(api.name, "Request");
  if (codec == nullptr || size == 0) return size;
  const auto versions = static_cast<size_t>(codec->max_version - codec->min_version + 1);
  const auto version = static_cast<int16_t>(codec->min_version + random() % versions);
  kafka::Fill fill(random());
  const Slice body = codec->sample(fill, version);
  if (size + 4 + body.size() > max_size || body.size() > UINT16_MAX) return size;
  const int key = static_cast<int16_t>(api.key);
  data[size++] =
      static_cast<uint8_t>(api.is_private ? key - first_private_key + private_keys : key);
  data[size++] = static_cast<uint8_t>(version);
  store_be(data + size, static_cast<uint16_t>(body.size()));
  std::ranges::copy(body.view(), data + size + 2);
  return size + 2 + body.size();
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  World world;
  world.talk({data, data + size}, data[0] % 2 == 0 ? 9092 : 9093);
  const uint8_t question[] = {0, static_cast<uint8_t>(kafka::ApiKey::api_versions), 0, 0, 0};
  world.talk({question, question + sizeof question}, 9092);
  CHECK(world.served(), "the next client is served");
  return 0;
}
