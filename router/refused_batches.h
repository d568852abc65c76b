// RefusedBatches: which batches of idempotent producers (KIP-98) the routes have refused here, and
// not seen again yet.
//
// A client pipelines. Where its first batch is refused because the topic is at home elsewhere, and
// the routes change before the second one is read, that one would be accepted before the retry of
// the first, and the sequence would be broken for good. It happens when a router has just begun and
// hears of an older record first. So what is ahead of a refused batch is refused, too, until that
// one comes again, over whichever connection. A node does the same with what it has refused itself
// (broker/log/producers.h).
//
// Who asks for metadata has not shown by it that it knows of a refusal: that question may have been
// on its way before, or be another program's.
//
// A plain value, of the router (router/picture.h). Bounded: when full, who was refused longest ago
// is forgotten, and so is a batch that has not come again for so long that its client has given it
// up or asks another router. The brokers' own checks of sequences are what is left then.
#pragma once

#include <list>
#include <map>
#include <string>
#include <tuple>

#include "base/ids.h"
#include "io/loop.h"
#include "kafka/gen/produce.h"

namespace isthmus::router {

class RefusedBatches {
 public:
  static constexpr size_t max_batches = 50'000;
  static constexpr auto expected_again_within = std::chrono::seconds(10);

  RefusedBatches() = default;
  RefusedBatches(const RefusedBatches&) = delete;
  RefusedBatches& operator=(const RefusedBatches&) = delete;

  bool empty() const { return by_age_.empty(); }
  // `who`: a batch of somebody else, whatever it says of its producer, is another one.
  void note(const std::string& who, const kafka::ProduceRequest& refused, io::Instant now);
  // Whether a refused batch comes before one of these. If not, these have come again.
  bool come_before(const std::string& who, const kafka::ProduceRequest& request, io::Instant now);

 private:
  using Key = std::tuple<std::string, ProducerId, std::string, PartitionIndex>;
  struct Batch {
    Key key;
    ProducerEpoch epoch = -1;
    int32_t sequence = -1;
    io::Instant at{};
  };
  void forget_the_old(io::Instant now);
  void forget(std::list<Batch>::iterator batch);

  std::list<Batch> by_age_;  // oldest first
  std::map<Key, std::list<Batch>::iterator> by_key_;
};

}  // namespace isthmus::router
