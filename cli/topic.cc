// isthmus topic list|create|describe|delete.
#include <fmt/core.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "broker/image/image.h"
#include "cli/output.h"
#include "cli/sites.h"
#include "cli/table.h"
#include "client/admin.h"

namespace isthmus::cli {
namespace {

using nlohmann::json;
using Topic = SiteAnswer::SiteTopic;

struct TopicOptions {
  Where where;
  std::string cluster;
  std::string name;
  int64_t partitions = -1;           // -1 = the site's num.partitions
  std::vector<std::string> configs;  // key=value
};
using Options = std::shared_ptr<TopicOptions>;

int64_t offsets_in(const Topic& topic) {
  int64_t sum = 0;
  for (const auto& p : topic.partitions) {
    if (p.end_offset >= 0) sum += p.high_watermark - p.start_offset;
  }
  return sum;
}

json to_json(const Topic& topic) {
  json configs = json::object();
  for (const auto& [name, value] : topic.configs) configs[name] = value;
  json partitions = json::array();
  for (const auto& p : topic.partitions) {
    partitions.push_back({{"partition", p.index},
                          {"start_offset", p.start_offset},
                          {"high_watermark", p.high_watermark},
                          {"end_offset", p.end_offset},
                          {"leader_epoch", p.leader_epoch},
                          {"offline", p.offline}});
  }
  return {{"topic", topic.name}, {"id", topic.topic_id.to_string()},
          {"link", topic.link},  {"writer", to_string(kafka::writer_of(topic))},
          {"configs", configs},  {"partitions", partitions}};
}

io::Task<Exit> list(Sites& sites, Options options, bool as_json) {
  Table table({{"CLUSTER"}, {"TOPIC"}, {"PARTS", true}, {"OFFSETS", true}, {"WRITTEN BY"}});
  json out = json::array();
  bool all_known = true;
  for (const std::string& name : sites.names(options->cluster)) {
    auto site = co_await sites.describe(name, true, false);
    if (!site) {
      without(name, site.error());
      all_known = false;
      continue;
    }
    for (const Topic& topic : site->topics) {
      table.add({name, topic.name, std::to_string(topic.partitions.size()),
                 grouped(offsets_in(topic)), to_string(kafka::writer_of(topic))});
      json entry = to_json(topic);
      entry["cluster"] = name;
      out.push_back(std::move(entry));
    }
  }
  as_json ? show(out) : show(table);
  co_return exit_of_list(all_known, !out.empty());
}

void print_topic(const std::string& cluster, const Topic& topic) {
  say("{}  at {}  {}  written by {}", topic.name, cluster, topic.topic_id.to_string(),
      to_string(kafka::writer_of(topic)));
  for (const auto& [name, value] : topic.configs) say("  {}={}", name, value);
  Table table(
      {{"PART", true}, {"START", true}, {"HW", true}, {"END", true}, {"EPOCH", true}, {"MIRROR"}});
  for (const auto& p : topic.partitions) {
    std::string state;
    if (topic.writer == kafka::WriterKind::link) state = to_string(p.mirror_state);
    if (!p.mirror_reason.empty()) state += "(" + p.mirror_reason + ")";
    const bool open = p.end_offset >= 0;
    table.add({std::to_string(p.index), open ? grouped(p.start_offset) : "offline",
               open ? grouped(p.high_watermark) : "–", open ? grouped(p.end_offset) : "–",
               std::to_string(p.leader_epoch), state});
  }
  show(table);
  for (const auto& p : topic.partitions) {
    if (!p.offline.empty()) say("partition {} is offline at {}: {}", p.index, cluster, p.offline);
  }
}

io::Task<Exit> describe(Sites& sites, Options options, bool as_json) {
  json out = json::array();
  bool found = false;
  bool all_known = true;
  for (const std::string& name : sites.names(options->cluster)) {
    auto site = co_await sites.describe(name, true, false);
    if (!site) {
      without(name, site.error());
      all_known = false;
      continue;
    }
    auto topic = std::ranges::find(site->topics, options->name, &Topic::name);
    if (topic == site->topics.end()) continue;
    found = true;
    json entry = to_json(*topic);
    entry["cluster"] = name;
    out.push_back(std::move(entry));
    if (!as_json) print_topic(name, *topic);
  }
  if (!found) co_return fail_with(Error::message(nowhere("topic", options->name, all_known)));
  if (as_json) show(out);
  co_return exit_of_list(all_known, !out.empty());
}

// What the broker said of the one topic of a request.
template <typename Result>
Exit report(const std::string& cluster, const std::string& topic, const char* done,
            const Result& result, bool as_json) {
  const bool ok = result.error_code == kafka::ErrorCode::none;
  std::string why(kafka::error_name(result.error_code));
  if (result.error_message && !result.error_message->empty()) why = *result.error_message;
  if (!ok) return fail_with(Error::message(cluster + ": " + topic + ": " + why));
  if (as_json) {
    const json out{{"cluster", cluster}, {"topic", topic}, {done, true}};
    show(out);
  } else {
    say("{} {} at {}", topic, done, cluster);
  }
  return Exit::done;
}

Result<kafka::CreateTopicsRequest> creation_of(const TopicOptions& options) {
  kafka::CreateTopicsRequest request;
  auto& topic = request.topics.emplace_back();
  topic.name = options.name;
  topic.num_partitions = static_cast<int32_t>(options.partitions);
  topic.replication_factor = -1;
  for (const std::string& config : options.configs) {
    const size_t equals = config.find('=');
    if (equals == std::string::npos) return fail("--config-entry " + config + ": not KEY=VALUE");
    topic.configs.push_back({config.substr(0, equals), config.substr(equals + 1)});
  }
  return request;
}

io::Task<Exit> create(Sites& sites, Options options, bool as_json) {
  auto request = creation_of(*options);
  if (!request) co_return fail_with(request.error());
  auto name = sites.choose(options->cluster);
  if (!name) co_return fail_with(name.error());
  auto cluster = sites.at(*name);
  if (!cluster) co_return fail_with(cluster.error());
  client::Admin admin(**cluster);
  auto answer = co_await admin.create_topics(std::move(*request), sites.deadline());
  if (!answer) co_return fail_with(answer.error());
  if (answer->topics.empty()) co_return fail_with(Error::message(*name + ": an empty answer"));
  co_return report(*name, options->name, "created", answer->topics[0], as_json);
}

io::Task<Exit> remove(Sites& sites, Options options, bool as_json) {
  auto name = sites.choose(options->cluster);
  if (!name) co_return fail_with(name.error());
  auto cluster = sites.at(*name);
  if (!cluster) co_return fail_with(cluster.error());
  client::Admin admin(**cluster);
  std::vector<std::string> names{options->name};
  auto answer = co_await admin.delete_topics(std::move(names), sites.deadline());
  if (!answer) co_return fail_with(answer.error());
  if (answer->responses.empty()) co_return fail_with(Error::message(*name + ": an empty answer"));
  co_return report(*name, options->name, "deleted", answer->responses[0], as_json);
}

}  // namespace

void add_topic(Command line) {
  Command group = line.group("topic", "Topics of a site");
  auto options = std::make_shared<TopicOptions>();
  add_site_command(group,
                   {"list", "Lists the topics of all clusters, and who may write them",
                    "isthmus topic list --config config/router.yaml"},
                   options, list);
  Command made = add_site_command(group,
                                  {"create", "Creates a topic",
                                   "isthmus topic create orders --partitions 12 --config "
                                   "config/seoul.yaml"},
                                  options, create);
  made.option("--partitions", options->partitions, "Default: the site's num.partitions",
              {1, 10'000});
  made.option("--config-entry", options->configs, "KEY=VALUE, as in retention.ms=3600000");
  Command described =
      add_site_command(group,
                       {"describe", "Shows a topic wherever it exists",
                        "isthmus topic describe orders --config config/router.yaml"},
                       options, describe);
  Command deleted =
      add_site_command(group,
                       {"delete", "Deletes a topic and all its records",
                        "isthmus topic delete orders --cluster seoul --config config/router.yaml"},
                       options, remove);
  for (Command* command : {&made, &described, &deleted}) command->argument("TOPIC", options->name);
}

}  // namespace isthmus::cli
