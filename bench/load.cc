#include "bench/load.h"

#include <fmt/core.h>

#include <algorithm>
#include <csignal>
#include <functional>

#include "bench/certificates.h"
#include "client/admin.h"
#include "io/real.h"
#include "kafka/gen/list_offsets.h"

namespace isthmus::bench {

namespace {

client::ConnectionOptions connection_options(const Arguments& arguments) {
  client::ConnectionOptions options;
  auto tls = dialer_of(arguments);
  if (tls) options.security.tls = std::make_shared<Published<io::TlsContext>>(std::move(tls));
  return options;
}

client::ClusterOptions cluster_options(const Target& target) {
  client::ClusterOptions options;
  options.name = "bench";
  options.bootstrap = {target.address};
  options.connection = target.options;
  return options;
}

double seconds(io::Duration duration) { return std::chrono::duration<double>(duration).count(); }

// Of the monotonic clock, which other processes share.
double since_boot(io::Instant instant) { return seconds(instant.time_since_epoch()); }

// The end of a line of JSON.
void print_span(io::Instant began, io::Instant ended) {
  fmt::print(R"("began": {:.6f}, "ended": {:.6f}}})"
             "\n",
             since_boot(began), since_boot(ended));
}

double percentile(std::vector<io::Duration>& sorted, double share) {
  if (sorted.empty()) return -1;
  return seconds(sorted[static_cast<size_t>(share * static_cast<double>(sorted.size() - 1))]);
}

}  // namespace

Target::Target(io::Env& e, const Arguments& arguments)
    : env(e),
      loop(e.main_loop()),
      partition{arguments.text("topic"),
                static_cast<PartitionIndex>(arguments.number("partition", 0))},
      address(must(io::Address::parse(arguments.text("server")), "server")),
      direct(arguments.number("direct", 0) != 0),
      options(connection_options(arguments)),
      gate(loop),
      cluster(env, loop, cluster_options(*this)) {}

io::Task<std::shared_ptr<client::Connection>> connect(Target& target) {
  const io::Instant deadline = target.loop.now() + patience;
  if (target.direct) {
    auto opened = co_await client::Connection::open(target.env, target.gate, target.address,
                                                    target.options, deadline);
    co_return must(std::move(opened), "connect");
  }
  target.cluster.add_interest(target.partition.topic);
  auto leader = co_await target.cluster.leader(target.partition, deadline);
  co_return must(std::move(leader), "find the leader");
}

io::Task<void> close(Target& target) {
  co_await target.cluster.close();
  co_await target.gate.close();
}

Batches make_batches(const Arguments& arguments) {
  return Batches({.seed = static_cast<uint64_t>(arguments.number("seed", 1)),
                  .batch_bytes = static_cast<size_t>(arguments.number("batch")),
                  .record_bytes = static_cast<size_t>(arguments.number("record", 1024)),
                  .timestamp_ms = arguments.number("timestamp"),
                  .text = arguments.number("text", 0) != 0});
}

void print(const Measured& measured) {
  fmt::print("{{");
  auto sorted = measured.latencies;
  std::ranges::sort(sorted);
  fmt::print(R"("seconds": {:.6f}, "bytes": {}, "records": {}, "end": {}, )",
             seconds(measured.ended - measured.began), measured.bytes, measured.records,
             measured.end);
  fmt::print(R"("p50": {:.6f}, "p99": {:.6f}, )", percentile(sorted, 0.5),
             percentile(sorted, 0.99));
  std::string samples;
  for (size_t i = 0; i < measured.due.size(); ++i) {
    samples += fmt::format("{}[{:.6f}, {:.6f}]", i == 0 ? "" : ", ", since_boot(measured.due[i]),
                           seconds(measured.latencies[i]));
  }
  if (!samples.empty()) fmt::print(R"("samples": [{}], )", samples);
  print_span(measured.began, measured.ended);
}

io::Task<void> create_topic(Target& target, const Arguments& arguments) {
  client::Admin admin(target.cluster);
  kafka::CreateTopicsRequest request;
  auto& topic = request.topics.emplace_back();
  topic.name = target.partition.topic;
  topic.num_partitions = static_cast<int32_t>(arguments.number("partitions", 1));
  topic.replication_factor = -1;
  request.timeout_ms = 30'000;
  const io::Instant began = target.loop.now();
  auto answered = co_await admin.create_topics(std::move(request), target.loop.now() + patience);
  const auto answer = must(std::move(answered), "create the topic");
  for (const auto& result : answer.topics) {
    if (result.error_code != kafka::ErrorCode::none) {
      give_up("create the topic: " + std::string(kafka::error_name(result.error_code)));
    }
  }
  fmt::print("{{");
  print_span(began, target.loop.now());
}

io::Task<void> delete_topic(Target& target, const Arguments& arguments) {
  client::Admin admin(target.cluster);
  std::vector<std::string> names{target.partition.topic};
  const io::Instant began = target.loop.now();
  auto answered = co_await admin.delete_topics(std::move(names), target.loop.now() + patience);
  const auto answer = must(std::move(answered), "delete the topic");
  for (const auto& result : answer.responses) {
    if (result.error_code != kafka::ErrorCode::none) {
      give_up("delete the topic: " + std::string(kafka::error_name(result.error_code)));
    }
  }
  fmt::print("{{");
  print_span(began, target.loop.now());
}

namespace {

kafka::ListOffsetsRequest ask_for_ends(const Target& target, const Arguments& arguments) {
  kafka::ListOffsetsRequest request;
  auto& topic = request.topics.emplace_back();
  topic.name = target.partition.topic;
  for (int32_t index = 0; index < arguments.number("partitions", 1); ++index) {
    auto& partition = topic.partitions.emplace_back();
    partition.partition_index = index;
    partition.timestamp = client::latest_offset;
  }
  return request;
}

// Of those that are there; -1 if there is none yet.
Offset sum_of_ends(const kafka::ListOffsetsResponse& answer) {
  Offset sum = -1;
  for (const auto& partition : answer.topics.at(0).partitions) {
    if (partition.error_code != kafka::ErrorCode::none) continue;
    sum = std::max(sum, Offset{0}) + partition.offset;
  }
  return sum;
}

}  // namespace

io::Task<void> watch(Target& target, const Arguments& arguments) {
  const Offset until = arguments.number("until");
  const auto every = io::milliseconds(arguments.number("every_ms", 5));
  // Straight to the one broker: the cluster's pauses between looks at a missing topic are longer
  // than what is to be seen here.
  auto opened = co_await client::Connection::open(target.env, target.gate, target.address,
                                                  target.options, target.loop.now() + patience);
  const auto connection = must(std::move(opened), "connect");
  const kafka::ListOffsetsRequest request = ask_for_ends(target, arguments);
  for (Offset seen = -1; seen < until;) {
    auto answered = co_await connection->call(request, target.loop.now() + patience);
    const Offset now = sum_of_ends(must(std::move(answered), "list offsets"));
    if (now > seen) {
      seen = now;
      fmt::print("{:.6f} {}\n", since_boot(target.loop.now()), seen);
      std::fflush(stdout);
    }
    co_await io::sleep(target.loop, every);
  }
  connection->close();
}

namespace {

using Command = io::Task<void> (*)(Target&, const Arguments&);

io::Task<void> run(io::Runtime* runtime, Target* target, const Arguments* arguments,
                   Command command) {
  co_await command(*target, *arguments);
  co_await close(*target);
  runtime->stop();
}

Command find_command(const std::string& name) {
  if (name == "produce") return produce;
  if (name == "consume") return consume;
  if (name == "create") return create_topic;
  if (name == "delete") return delete_topic;
  if (name == "watch") return watch;
  give_up("usage: bench_load produce|consume|create|delete|watch server=HOST:PORT topic=T ...");
}

}  // namespace

}  // namespace isthmus::bench

int main(int argc, char** argv) {
  using namespace isthmus;
  const bench::Command command = bench::find_command(argc > 1 ? argv[1] : "");
  const bench::Arguments arguments(argc, argv, 2);
  io::Runtime runtime(1);
  io::Gate gate(runtime.env().main_loop());
  std::optional<bench::Target> target;
  runtime.env().main_loop().post([&] {
    target.emplace(runtime.env(), arguments);
    gate.spawn("bench", bench::run(&runtime, &*target, &arguments, command));
  });
  if (command == bench::produce) {
    runtime.on_signal(SIGTERM, [&] {
      if (target) target->enough = true;
    });
  }
  runtime.run();
  return 0;
}
