// isthmus cluster describe: the brokers of one cluster, and which partitions are not whole.
#include <charconv>
#include <nlohmann/json.hpp>

#include "cli/cluster_drain.h"
#include "cli/cluster_report.h"
#include "cli/sites.h"
#include "client/admin.h"
#include "client/describe_site.h"

namespace isthmus::cli {
namespace {

struct ClusterOptions {
  Where where;
  std::string cluster;
  bool partitions = false;
};
using Options = std::shared_ptr<ClusterOptions>;
using Connection = std::shared_ptr<client::Connection>;

// A foreign Kafka has no such API, nor has a listener for clients; and not everybody may ask.
bool is_not_told(const Error& error) {
  if (error.kind != Error::Kind::kafka) return false;
  const auto code = static_cast<kafka::ErrorCode>(error.code);
  return code == kafka::ErrorCode::unsupported_version ||
         code == kafka::ErrorCode::cluster_authorization_failed;
}

io::Task<Result<void>> ask_site(Sites& sites, Connection connection, ClusterAnswers& answers) {
  kafka::DescribeSiteRequest request;
  request.include_brokers = true;
  request.include_topics = !under_replicated_topics(answers.metadata).empty();
  auto answer = co_await connection->call(std::move(request), sites.deadline());
  auto site = client::told(std::move(answer));
  if (site) {
    answers.site = std::move(*site);
  } else if (!is_not_told(site.error())) {
    co_return fail(site.error());
  }
  co_return Result<void>{};
}

// Without the right to know them, or without an answer, they are not known.
io::Task<void> ask_min_isr(Sites& sites, client::Cluster& cluster, ClusterAnswers& answers) {
  auto names = under_replicated_topics(answers.metadata);
  if (answers.site || names.empty()) co_return;
  client::Admin admin(cluster);
  auto told = co_await admin.describe_configs(kafka::ConfigResource::topic, std::move(names),
                                              sites.deadline());
  if (!told) co_return;
  for (const auto& topic : told->results) {
    for (const auto& config : topic.configs) {
      if (config.name != "min.insync.replicas" || !config.value) continue;
      const std::string& text = *config.value;
      int32_t value = -1;
      std::from_chars(text.data(), text.data() + text.size(), value);
      if (value >= 0) answers.min_insync_replicas[topic.resource_name] = value;
    }
  }
}

io::Task<Result<ClusterAnswers>> ask(Sites& sites, std::string name) {
  auto cluster = sites.at(name);
  if (!cluster) co_return fail(cluster.error());
  auto connection = co_await (*cluster)->try_any(sites.deadline());
  if (!connection) co_return fail(connection.error());
  kafka::MetadataRequest request;
  request.topics = std::nullopt;
  request.allow_auto_topic_creation = false;
  auto metadata = co_await (*connection)->call(std::move(request), sites.deadline());
  if (!metadata) co_return fail(metadata.error());
  ClusterAnswers answers;
  answers.name = name;
  answers.metadata = std::move(*metadata);
  auto asked = co_await ask_site(sites, *connection, answers);
  if (!asked) co_return fail(asked.error());
  co_await ask_min_isr(sites, **cluster, answers);
  co_return answers;
}

io::Task<Exit> describe(Sites& sites, Options options, bool as_json) {
  auto name = sites.choose(options->cluster);
  if (!name) co_return fail_with(name.error());
  auto answers = co_await ask(sites, *name);
  if (!answers) co_return fail_with(answers.error());
  const bool is_named = options->where.bootstrap_server.empty();
  if (is_named && answers->site && answers->site->name != *name) {
    const std::string said = *name + ": the cluster there calls itself " + answers->site->name;
    co_return fail_with(Error::message(said));
  }
  const ClusterView view = view_cluster(*answers);
  if (as_json) {
    show(json_of(view, options->partitions));
  } else {
    show(text_of(view, options->partitions));
  }
  co_return view.is_whole() ? Exit::done : Exit::degraded;
}

}  // namespace

void add_cluster_group(Command line) {
  Command group = line.group("cluster", "The brokers of one cluster");
  auto options = std::make_shared<ClusterOptions>();
  Command described =
      add_site_command(group,
                       {"describe", "Shows each broker, and what is not in sync or has no leader",
                        "isthmus cluster describe --bootstrap-server 127.0.0.1:9393 --partitions"},
                       options, describe, Naming::by_address);
  described.flag("--partitions", options->partitions,
                 "Also lists the partitions that are not whole");
  add_cluster_drain(group);
}

}  // namespace isthmus::cli
