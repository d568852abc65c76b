// The line between the sites is slow, or long, and carries more than it takes at once: the mirror
// keeps its link, brings everything, and what is asked beside the records is answered in time.
#include "kafka/batch.h"
#include "kafka/gen/produce.h"
#include "tests/sim/change_of_sites.h"

namespace isthmus::sim {

using std::chrono::milliseconds;
using std::chrono::seconds;

namespace {

constexpr const char* bulk = "bulk";
constexpr int bulk_producer = 9999;  // not one of the ledger's
constexpr uint64_t largest_batch = 400'000;

// The mirror's machines stand beside one of the sites.
struct Sides {
  Site& near;
  Site& far;
};

template <typename Change>
void shape(Stage& stage, const Sides& line, Change change) {
  SimNetwork& network = stage.world().network();
  change(network, line.near.name(), line.far.name());
  for (const char* mirror : Pair::mirror_names) change(network, mirror, line.far.name());
}

std::optional<int64_t> link_epoch(Stage& stage, Pair& pair) {
  auto site = stage.asker().describe(pair.follower());
  if (!site) return std::nullopt;
  for (const auto& link : site->links) {
    if (link.name == pair.link()) return link.epoch;
  }
  return 0;
}

Offset end_of_bulk(Stage& stage, Site& at) {
  auto site = stage.asker().describe(at);
  if (!site) return -1;
  for (const auto& topic : site->topics) {
    if (topic.name == bulk) return topic.partitions.at(0).high_watermark;
  }
  return 0;
}

// So many batches that the line needs a while for them.
void leave_a_backlog(Stage& stage, Pair& pair, size_t bytes) {
  if (!stage.asker().create_topic(pair.writer(), bulk, 1)) return;
  int64_t number = 0;
  for (size_t sent = 0; sent < bytes && stage.content(); ++number) {
    // What it is stands in the value; what makes it large is its key.
    const std::vector<uint8_t> key(stage.random().between(largest_batch / 4, largest_batch), 'x');
    const std::string value = value_of({bulk_producer, number});
    sent += key.size();
    kafka::BatchBuilder builder({});
    builder.add(1000, Bytes(key), as_bytes(value));
    kafka::ProduceRequest request;
    request.acks = -1;
    request.timeout_ms = 5000;
    auto& topic = request.topic_data.emplace_back();
    topic.name = bulk;
    auto& partition = topic.partition_data.emplace_back();
    partition.records = Rope(std::move(builder).finish());
    stage.asker().insist(pair.writer().clients(), std::move(request), 9);
  }
}

void check_backlog_arrives(Stage& stage, Pair& pair, Duration within) {
  const Offset end = end_of_bulk(stage, pair.writer());
  const Instant deadline = stage.world().now() + within;
  while (stage.content() && end_of_bulk(stage, pair.follower()) < end) {
    if (stage.world().now() > deadline) {
      return stage.judge().broken("a slow line brings what it can",
                                  std::to_string(end_of_bulk(stage, pair.follower())) + " of " +
                                      std::to_string(end) + " batches");
    }
    stage.world().run_for(milliseconds(500));
  }
}

void check_kept(Stage& stage, Pair& pair, std::optional<int64_t> since) {
  const auto now = link_epoch(stage, pair);
  if (!since || !now || *now == *since) return;
  stage.judge().broken("a mirror that lives keeps its link",
                       "epoch " + std::to_string(*since) + " became " + std::to_string(*now));
}

struct Kind {
  uint64_t rate;
  Duration latency;
  uint64_t seconds_of_it;  // that the backlog takes
  bool switches;
};

// More than a request may take that does not get on; enough for a switchover beside it; and long
// enough to be read ahead.
constexpr Kind kinds[] = {
    {128 << 10, milliseconds(20), 50, false},
    {1 << 20, milliseconds(20), 8, true},
    {16 << 20, milliseconds(80), 1, true},
};

void check_same(Stage& stage, Pair& pair) {
  const auto original = stage.asker().read(pair.writer(), {bulk, 0});
  const auto copy = stage.asker().read(pair.follower(), {bulk, 0});
  if (!original || !copy || original->bytes == copy->bytes) return;
  stage.judge().broken("a mirror is a prefix of its source, byte for byte", bulk);
}

void loaded(Stage& stage, Pair& pair, const Sides& line) {
  const Kind& kind = kinds[stage.random().below(std::size(kinds))];
  shape(stage, line, [&kind](SimNetwork& network, const std::string& a, const std::string& b) {
    network.set_latency(a, b, kind.latency / 2, kind.latency);
    network.set_rate(a, b, kind.rate);
  });
  const auto epoch = link_epoch(stage, pair);
  leave_a_backlog(stage, pair, kind.rate * kind.seconds_of_it);
  check_backlog_arrives(stage, pair, seconds(3 * kind.seconds_of_it + 20));
  check_kept(stage, pair, epoch);
  check_same(stage, pair);
  if (!kind.switches) return;
  // What clients write meanwhile is little, and the fence long enough for it.
  ChangeOfSites(stage, pair).succeed();
}

void far_away(Stage& stage, Pair& pair, const Sides& line) {
  shape(stage, line, [](SimNetwork& network, const std::string& a, const std::string& b) {
    network.set_latency(a, b, milliseconds(295), milliseconds(305));
  });
  // Who was attached over a short line has promised to report often.
  stage.world().run_for(seconds(15));
  pair.start_mirror(1);
  stage.world().run_for(seconds(15));
  const auto epoch = link_epoch(stage, pair);
  stage.world().run_for(seconds(60));
  check_kept(stage, pair, epoch);
  pair.kill_mirror(0);
  stage.world().run_for(seconds(60));
  if (link_epoch(stage, pair) == epoch) {
    stage.judge().broken("a mirror in reserve takes over", pair.link());
  }
}

}  // namespace

void lines(Stage& stage) {
  Pair pair(stage);
  if (!pair.begin()) return;
  // A run takes minutes of virtual time, which records a few milliseconds apart would make dear.
  stage.add_clients("orders", 2, true, milliseconds(80));
  stage.world().run_for(seconds(3));
  pair.await_groups();
  stage.destination().sites = {pair.writer().clients(), pair.follower().clients()};
  const bool beside_writer = stage.one_in(2);
  const Sides line =
      beside_writer ? Sides{pair.writer(), pair.follower()} : Sides{pair.follower(), pair.writer()};
  if (stage.one_in(3)) {
    far_away(stage, pair, line);
  } else {
    loaded(stage, pair, line);
  }
  stage.settle("over a bad line");
  stage.catch_up();
  pair.check_writer();
  pair.check_caught_up();
}

}  // namespace isthmus::sim
