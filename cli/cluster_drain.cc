// isthmus cluster drain: leadership, and then replicas, off one broker. isthmus cluster remove: a
// broker that is gone leaves its cluster.
#include "cli/cluster_drain.h"

#include <fmt/format.h>

#include <charconv>
#include <nlohmann/json.hpp>

#include "cli/drain_left.h"
#include "cli/output.h"
#include "cli/sites.h"
#include "kafka/gen/drain_broker.h"
#include "kafka/gen/unregister_broker.h"

namespace isthmus::cli {

namespace {

using nlohmann::json;

struct DrainOptions {
  Where where;
  std::string cluster;
  std::string broker;
  bool replicas = false, undo = false;
  int64_t timeout_s = 600;
};
using Options = std::shared_ptr<DrainOptions>;

Result<NodeId> node_in(const std::string& text) {
  NodeId node = -1;
  const char* last = text.data() + text.size();
  const auto [end, error] = std::from_chars(text.data(), last, node);
  if (error != std::errc() || end != last || node < 0) {
    return fail("'" + text + "' is no broker: it is called by its node.id, a number");
  }
  return node;
}

// Nothing has moved for so long: somebody has to do something.
constexpr auto stuck_after = std::chrono::seconds(30);
constexpr auto look_every = std::chrono::milliseconds(500);

io::Task<Result<DrainLeft>> look(Sites& sites, std::string name, NodeId broker) {
  kafka::MetadataRequest request;
  request.topics = std::nullopt;
  request.allow_auto_topic_creation = false;
  auto metadata = co_await sites.ask(name, std::move(request));
  if (!metadata) co_return fail(metadata.error());
  auto moves = co_await sites.ask(name, kafka::ListPartitionReassignmentsRequest());
  if (!moves) co_return fail(moves.error());
  if (auto refused = refusal(name, *moves)) co_return fail(*refused);
  co_return drain_left(broker, *metadata, *moves);
}

json json_of(const std::string& broker, const DrainLeft& left, bool done) {
  return {{"broker", broker},          {"done", done},          {"leads", left.leads},
          {"replicas", left.replicas}, {"moving", left.moving}, {"left", left.named}};
}

Exit conclude(const DrainOptions& options, const DrainLeft& left, bool as_json) {
  const bool done = left.is_done(options.replicas);
  if (as_json) {
    show(json_of(options.broker, left, done));
  } else if (done) {
    say("broker {}: drained. It stays so until `isthmus cluster drain {} --undo`", options.broker,
        options.broker);
    if (options.replicas) {
      say("Next: stop it, then isthmus cluster remove {}", options.broker);
    }
  } else {
    say("broker {}: DEGRADED: {}", options.broker, text_of(left));
    say("Next: {}", next_of(left, options.replicas));
  }
  return done ? Exit::done : Exit::degraded;
}

io::Task<Exit> watch(Sites& sites, std::string name, Options options, bool as_json) {
  auto node = node_in(options->broker);
  if (!node) co_return fail_with(node.error());
  const io::Instant limit = sites.loop().now() + std::chrono::seconds(options->timeout_s);
  DrainLeft last;
  io::Instant moved_at = sites.loop().now();
  for (;;) {
    auto left = co_await look(sites, name, *node);
    if (!left) co_return fail_with(left.error());
    const io::Instant now = sites.loop().now();
    if (*left != last) {
      moved_at = now;
      last = *left;
      if (!as_json && !left->is_done(options->replicas)) {
        say("broker {}: {}", options->broker, text_of(*left));
      }
    }
    const bool is_stuck = left->moving == 0 && now - moved_at > stuck_after;
    if (left->is_done(options->replicas) || is_stuck || now >= limit) {
      co_return conclude(*options, *left, as_json);
    }
    co_await io::sleep(sites.loop(), look_every);
  }
}

io::Task<Exit> drain(Sites& sites, Options options, bool as_json) {
  auto name = sites.choose(options->cluster);
  if (!name) co_return fail_with(name.error());
  auto node = node_in(options->broker);
  if (!node) co_return fail_with(node.error());
  kafka::DrainBrokerRequest request;
  request.broker_id = *node;
  request.drain = options->undo       ? kafka::BrokerDrain::none
                  : options->replicas ? kafka::BrokerDrain::replicas
                                      : kafka::BrokerDrain::leadership;
  auto answer = co_await sites.ask(*name, std::move(request));
  if (!answer) co_return fail_with(answer.error());
  if (auto refused = refusal(*name, *answer)) {
    complain(refused->text + "; nothing was changed");
    co_return Exit::not_ready;
  }
  if (options->undo) {
    if (as_json) {
      show(json{{"broker", options->broker}, {"drained", false}});
    } else {
      say("broker {}: as the others again; leaders go back to it by themselves", options->broker);
    }
    co_return Exit::done;
  }
  auto done = co_await watch(sites, *name, options, as_json);
  co_return done;
}

io::Task<Exit> remove(Sites& sites, Options options, bool as_json) {
  auto name = sites.choose(options->cluster);
  if (!name) co_return fail_with(name.error());
  auto node = node_in(options->broker);
  if (!node) co_return fail_with(node.error());
  kafka::UnregisterBrokerRequest request;
  request.broker_id = *node;
  auto answer = co_await sites.ask(*name, std::move(request));
  if (!answer) co_return fail_with(answer.error());
  if (auto refused = refusal(*name, *answer)) {
    complain(refused->text + "; nothing was changed");
    const bool has_replicas = refused->text.find("has replicas") != std::string::npos;
    if (has_replicas) complain(fmt::format("isthmus cluster drain {} --replicas", options->broker));
    co_return Exit::not_ready;
  }
  if (as_json) {
    show(json{{"broker", options->broker}, {"removed", true}});
  } else {
    say("broker {}: removed from {}. Should it start again, it joins as a new one", options->broker,
        *name);
  }
  co_return Exit::done;
}

}  // namespace

void add_cluster_drain(Command group) {
  auto options = std::make_shared<DrainOptions>();
  Command drained = add_site_command(
      group,
      {"drain", "Moves leadership off a broker, and with --replicas all that it has",
       "isthmus cluster drain 103 --bootstrap-server 127.0.0.1:9393 --replicas"},
      options, drain);
  drained.argument("BROKER", options->broker, "Its node.id");
  drained.flag("--replicas", options->replicas,
               "Also moves its replicas to others, where the replication factor allows");
  drained.flag("--undo", options->undo, "Takes that back: it is as the others again");
  drained.option("--timeout", options->timeout_s,
                 "How many seconds this watches at most; the cluster goes on by itself",
                 {1, 86'400});
  auto removal = std::make_shared<DrainOptions>();
  Command removed = add_site_command(
      group,
      {"remove", "Takes a broker that is gone for good, and has nothing, out of its cluster",
       "isthmus cluster remove 103 --bootstrap-server 127.0.0.1:9393"},
      removal, remove);
  removed.argument("BROKER", removal->broker, "Its node.id");
}

}  // namespace isthmus::cli
