// One site under load, whose broker, disk and lines fail again and again. What was acknowledged is
// there after every restart, at its offset, unchanged and in order; what idempotent producers sent
// is there once; consumers never see a high watermark go back; a group's offset is the one it
// committed.
#include "tests/sim/faults.h"

namespace isthmus::sim {

using std::chrono::milliseconds;
using std::chrono::seconds;

namespace {

void check_records(Stage& stage, Site& site) {
  auto ends = stage.ledger().ends();
  for (const auto& [partition, log] : stage.asker().read_all(site)) {
    stage.ledger().check(site.name(), partition, log, ends[partition]);
  }
}

// Old segments go, by size or by age; never so small or young that consumers are told of holes.
Retention some_retention(Stage& stage) {
  Retention retention;
  if (!stage.one_in(3)) return retention;
  if (stage.one_in(2)) {
    retention.bytes = static_cast<int64_t>(stage.random().between(30'000, 80'000));
  } else {
    retention.ms = static_cast<int64_t>(stage.random().between(1000, 15'000));
  }
  stage.retain(retention);
  return retention;
}

}  // namespace

void one_site(Stage& stage) {
  const Retention retention = some_retention(stage);
  Site site(stage.world(), {.name = "tokyo",
                            .number = 1,
                            .loops = stage.random().between(1, 2),
                            .segment_bytes = stage.one_in(2) ? 3000 : 100'000,
                            .retention = retention});
  site.start();
  if (!stage.asker().await_serving(site)) return;
  if (!stage.asker().create_topic(site, "orders", 2)) return;
  stage.destination().sites = {site.clients()};
  stage.add_clients("orders", 2, stage.one_in(2));
  if (stage.one_in(2)) stage.add_members("orders", 2, stage.random().between(1, 4), true);

  const uint64_t rounds = stage.random().between(2, 5);
  for (uint64_t i = 0; i < rounds && stage.content(); ++i) {
    stage.run_between(milliseconds(20), seconds(2));
    if (stage.one_in(3)) disturb(stage, site, "clients");
    if (stage.one_in(4)) fail_disk(stage, site);
    stage.run_between(milliseconds(0), seconds(1));
    if (stage.one_in(5)) {
      site.drain();
      site.start();
      await_whole(stage, site);
    } else {
      kill_and_restart(stage, site);
    }
    check_records(stage, site);
    stage.check_groups_at(site);
    if (stage.one_in(3)) {
      stage.add_late_producer({"orders", static_cast<PartitionIndex>(stage.random().below(2))});
    }
  }
  calm(stage, site);
  if (stage.content()) kill_and_restart(stage, site);
  stage.settle("after the last restart");
  stage.catch_up();
  check_records(stage, site);
  stage.check_groups_at(site);
}

}  // namespace isthmus::sim
