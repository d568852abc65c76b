// isthmus partition describe|repair|forget: a partition that its broker has taken offline, looked
// at and set right; what is not marked as damaged, while the broker is stopped.
#include <nlohmann/json.hpp>

#include "broker/repair/offline_partitions.h"
#include "cli/commands.h"
#include "cli/output.h"
#include "process/broker_config.h"
#include "process/config_file.h"

namespace isthmus::cli {
namespace {

using broker::Diagnosis;
using broker::OfflinePartitions;
using broker::Whereabouts;
using nlohmann::json;

struct PartitionOptions {
  std::string config_file;
  std::string name;
  std::string export_path;
  bool yes = false;
};
using Options = std::shared_ptr<PartitionOptions>;

// What a command works on.
struct Subject {
  OfflinePartitions broker;
  TopicPartition partition;
  Whereabouts place;
  broker::LogConfig config;
};

Result<Subject> look_up(io::Disk& disk, const PartitionOptions& options) {
  auto name = broker::parse_partition(options.name);
  if (!name) return fail("'" + options.name + "' is no partition: TOPIC-NUMBER, as in orders-3");
  auto text = process::read_config_file(options.config_file);
  if (!text) return fail(text.error());
  auto config = process::parse_config<process::BrokerConfig>(*text, options.config_file);
  if (!config) return fail(config.error());
  auto stopped = OfflinePartitions::open(disk, config->broker.log_dirs);
  if (!stopped) return fail(stopped.error());
  auto place = stopped->find(*name);
  if (!place) return fail(place.error());
  if (place->state == Whereabouts::State::unknown) {
    return fail(name->to_string() + ": " + place->to_string());
  }
  if (place->state == Whereabouts::State::there) {
    if (auto free = stopped->may_work_on(*place); !free) {
      return fail(name->to_string() + ": " + free.error().text);
    }
  }
  broker::LogConfig log;
  log.cluster = config->cluster.number;
  log.durability = config->broker.durability == process::Durability::fsync
                       ? broker::Durability::fsync
                       : broker::Durability::page_cache;
  return Subject{std::move(*stopped), std::move(*name), std::move(*place), log};
}

std::string range(Offset from, Offset end) {
  if (end <= from) return "none";
  if (end - from == 1) return "offset " + std::to_string(from);
  return "offsets " + std::to_string(from) + " to " + std::to_string(end - 1);
}

std::string damage_of(const Diagnosis& found) {
  const auto& damage = found.damage ? found.damage : found.mark;
  return fmt::format("at offset {}, position {} of segment {}: {}", damage->offset,
                     damage->position, damage->segment, damage->why);
}

json to_json(const Subject& subject, const Diagnosis& found) {
  json out{{"partition", subject.partition.to_string()},
           {"folder", subject.place.folders.front()},
           {"well", found.well()},
           {"start_offset", found.start},
           {"end_offset", found.end},
           {"synced_end", found.known_end},
           {"records", found.records}};
  if (found.well()) return out;
  out["damage"] = damage_of(found);
  out["lost"] = {{"first_offset", found.end},
                 {"end_offset", found.lost_end()},
                 {"readable_records", found.readable()}};
  json readable = json::array();
  for (const auto& s : found.behind) {
    readable.push_back({{"first_offset", s.first},
                        {"last_offset", s.last},
                        {"batches", s.batches},
                        {"records", s.records},
                        {"segment", s.segment},
                        {"position", s.position}});
  }
  out["readable"] = std::move(readable);
  return out;
}

// What a repair would take from the log, offset by offset.
Table losses(const Diagnosis& found) {
  Table table({{"OFFSETS"}, {"RECORDS", true}, {"WHAT BECOMES OF THEM"}});
  Offset next = found.end;
  for (const auto& s : found.behind) {
    if (s.first > next) table.add({range(next, s.first), "?", "lost: cannot be read"});
    table.add({range(s.first, s.last + 1), std::to_string(s.records), "can be read: exported"});
    next = s.last + 1;
  }
  if (found.lost_end() > next) {
    table.add({range(next, found.lost_end()), "?", "lost: cannot be read"});
  }
  return table;
}

void show_diagnosis(const Subject& subject, const Diagnosis& found) {
  say("{}  {}", subject.partition.to_string(), subject.place.folders.front());
  say("  good    {}, {}", range(found.start, found.end), count_of(found.records, "record"));
  if (found.well()) {
    say("  well    synced up to offset {}; nothing is wrong", found.known_end);
    return;
  }
  if (!found.damage) {
    say("  marked  {}", damage_of(found));
    say("  well    it can be read again: `isthmus partition repair` removes the mark, and nothing "
        "else");
    return;
  }
  say("  damage  {}", damage_of(found));
  say("  synced  once up to offset {}", found.known_end);
  show(losses(found));
}

Exit not_there(const Subject& subject, bool as_json) {
  const std::string why = subject.place.to_string();
  if (as_json) {
    show(json{{"partition", subject.partition.to_string()}, {"well", false}, {"damage", why}});
  } else {
    say("{}: {}", subject.partition.to_string(), why);
  }
  return Exit::degraded;
}

Exit describe(io::Disk& disk, const PartitionOptions& options, bool as_json) {
  auto subject = look_up(disk, options);
  if (!subject) return fail_with(subject.error());
  if (subject->place.state != Whereabouts::State::there) return not_there(*subject, as_json);
  auto found = subject->broker.diagnose(subject->place, subject->config);
  if (!found) return fail_with(found.error());
  if (as_json) {
    show(to_json(*subject, *found));
  } else {
    show_diagnosis(*subject, *found);
  }
  return found->well() ? Exit::done : Exit::degraded;
}

Exit refuse(const Subject& subject, const std::string& why) {
  complain(subject.partition.to_string() + ": " + why + "; nothing was changed");
  return Exit::not_ready;
}

Exit cut(Subject& subject, const Diagnosis& found, const PartitionOptions& options, bool as_json) {
  std::string saved;
  if (!found.behind.empty()) {
    saved = options.export_path.empty() ? subject.broker.export_path(subject.place, found)
                                        : options.export_path;
    if (auto done = subject.broker.save(subject.place, found, saved); !done) {
      return fail_with(done.error());
    }
  }
  if (auto done = subject.broker.repair(subject.place, found, subject.config); !done) {
    return fail_with(done.error());
  }
  if (as_json) {
    json out = to_json(subject, found);
    out["repaired"] = true;
    out["exported_to"] = saved;
    show(out);
    return Exit::done;
  }
  if (!saved.empty()) say("{} exported to {}", count_of(found.readable(), "record"), saved);
  say("{} repaired: the log ends at offset {}; {}", subject.partition.to_string(), found.end,
      subject.broker.broker_runs() ? "the broker opens it within seconds" : "start the broker");
  return Exit::done;
}

Exit repair(io::Disk& disk, const PartitionOptions& options, bool as_json) {
  auto subject = look_up(disk, options);
  if (!subject) return fail_with(subject.error());
  if (subject->place.state != Whereabouts::State::there) {
    return refuse(*subject, subject->place.to_string() +
                                ": bring it back, or begin anew with `isthmus partition forget`");
  }
  auto found = subject->broker.diagnose(subject->place, subject->config);
  if (!found) return fail_with(found.error());
  if (found->well()) return refuse(*subject, "it is well");
  if (!options.yes) {
    if (!as_json) show_diagnosis(*subject, *found);
    return refuse(*subject, found->damage ? "a repair exports what can be read, then cuts the log "
                                            "at offset " +
                                                std::to_string(found->end) + ": say --yes"
                                          : "a repair removes the mark: say --yes");
  }
  return cut(*subject, *found, options, as_json);
}

Exit forget(io::Disk& disk, const PartitionOptions& options, bool as_json) {
  using State = Whereabouts::State;
  auto subject = look_up(disk, options);
  if (!subject) return fail_with(subject.error());
  const State state = subject->place.state;
  if (state == State::given_up) return refuse(*subject, subject->place.to_string());
  if (state == State::there || state == State::twice) {
    return refuse(*subject, "its folder is there, " + subject->place.folders.front() +
                                ": use `isthmus partition repair`, or move the folder away first");
  }
  if (auto free = subject->broker.may_work_on(subject->place); !free) {
    return refuse(*subject, free.error().text);
  }
  if (!options.yes) {
    return refuse(*subject, subject->place.to_string() +
                                ", with all its records; to begin anew without them, say --yes");
  }
  if (auto done = subject->broker.forget(subject->partition); !done) {
    return fail_with(done.error());
  }
  if (as_json) {
    show(json{{"partition", subject->partition.to_string()}, {"forgotten", true}});
  } else {
    say("{} begins anew when the broker starts", subject->partition.to_string());
  }
  return Exit::done;
}

using Work = Exit (*)(io::Disk&, const PartitionOptions&, bool as_json);

io::Task<Exit> run_on(io::Env& env, Work work, Options options, bool as_json) {
  co_return work(env.disk, *options, as_json);
}

Command add_partition_command(Command group, const About& about, Options options, Work work) {
  Command command = group.command(about, [options, work](const Common& common) {
    return run_task([&](io::Env& env) { return run_on(env, work, options, common.json); });
  });
  command.argument("PARTITION", options->name, "TOPIC-NUMBER, as in orders-3");
  command.option("--config", options->config_file, "The YAML file of the broker",
                 {.required = true, .type_name = "FILE"});
  return command;
}

}  // namespace

void add_partition(Command line) {
  Command group = line.group("partition", "Partitions that are offline, after damage");
  auto options = std::make_shared<PartitionOptions>();
  add_partition_command(group,
                        {"describe", "Says what is wrong with it, and what a repair would lose",
                         "isthmus partition describe orders-3 --config config/seoul.yaml"},
                        options, describe);
  Command repaired = add_partition_command(
      group,
      {"repair", "Exports what can be read behind the damage, then cuts the log where it begins",
       "isthmus partition repair orders-3 --config config/seoul.yaml --yes"},
      options, repair);
  repaired.option("--export", options->export_path,
                  "A new file for what can be read; default: beside the partition's folder",
                  {.type_name = "PATH"});
  Command forgotten = add_partition_command(
      group,
      {"forget", "Gives up a partition whose folder or directory is gone: it begins anew",
       "isthmus partition forget orders-3 --config config/seoul.yaml --yes"},
      options, forget);
  for (Command* command : {&repaired, &forgotten}) {
    command->flag("--yes", options->yes, "Do it; without, nothing is changed");
  }
}

}  // namespace isthmus::cli
