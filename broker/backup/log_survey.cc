#include "broker/backup/log_survey.h"

#include <fmt/format.h>

#include <algorithm>
#include <span>

#include "broker/backup/sealed_lines.h"
#include "broker/log/checkpoints.h"
#include "broker/log/doomed.h"
#include "broker/repair/offline_partitions.h"

namespace isthmus::broker {

using nlohmann::json;

namespace {

constexpr const char* survey_format = "isthmus-logs";
constexpr int survey_version = 1;

Result<SurveyedLog> look_at_log(OfflinePartitions& offline, const TopicPartition& name,
                                const Uuid& topic_id, const LogConfig& config) {
  auto place = offline.find(name);
  if (!place) return fail(place.error());
  if (place->state != Whereabouts::State::there) {
    return fail(name.to_string() + ": " + place->to_string());
  }
  auto found = offline.diagnose(*place, config);
  if (!found) return fail(found.error());
  SurveyedLog log{.topic_id = topic_id, .name = name, .start = found->start, .end = found->end};
  log.last_epoch = found->last_epoch;
  log.highest_epoch = found->highest_epoch;
  log.is_damaged = !found->well();
  log.known_end = found->lost_end();
  return log;
}

// What is assigned to these directories and is not in them: each with where it is expected.
std::vector<std::string> missing_of(io::Disk& disk, const OfflinePartitions& offline,
                                    const Assignments& assignments, const LogSurvey& survey) {
  std::map<Uuid, std::string> there;
  for (const auto& [dir, id] : offline.directories()) there[id] = dir;
  std::vector<std::string> missing;
  for (const auto& [key, assigned] : assignments.partitions) {
    const bool is_gone = assigned.topic == Assignments::deleted || assigned.directory.is_zero() ||
                         assignments.is_given_up(assigned.directory);
    if (is_gone) continue;
    const TopicPartition tp{assigned.topic, key.second};
    const auto dir = there.find(assigned.directory);
    if (dir == there.end()) {
      const auto seen = assignments.directories.find(assigned.directory);
      missing.push_back(fmt::format(
          "{} in directory {}, last seen at {}", tp.to_string(), assigned.directory.to_string(),
          seen == assignments.directories.end() ? "an unknown path" : seen->second));
      continue;
    }
    const std::string folder = dir->second + "/" + tp.to_string();
    // Its deletion was decided, and a crash has left it half done.
    if (disk.exists(doomed_path(folder, key.first, key.second))) continue;
    if (survey.find(key.first, key.second) == nullptr) missing.push_back("folder " + folder);
  }
  return missing;
}

Result<void> check_all_found(io::Disk& disk, const OfflinePartitions& offline,
                             const std::vector<std::string>& log_dirs, const LogSurvey& survey) {
  constexpr size_t shown = 3;
  const auto& assignments = offline.assignments();
  if (!assignments) {
    // A release that noted no assignments was here last: what a directory had nobody knows.
    const auto is_away = [&](const auto& dir) { return !offline.directories().contains(dir); };
    const auto away = std::ranges::find_if(log_dirs, is_away);
    if (away == log_dirs.end()) return {};
    return fail(*away + ": there is no meta.properties: mount it, or take it out of log.dirs");
  }
  const auto missing = missing_of(disk, offline, *assignments, survey);
  if (missing.empty()) return {};
  const std::span first(missing.begin(), std::min(shown, missing.size()));
  return fail(fmt::format(
      "partitions of this broker are not there, {} in all: {}{}: mount what is missing and name it "
      "in log.dirs, or give each up, with its records, with `isthmus partition forget`",
      missing.size(), fmt::join(first, "; "), missing.size() > shown ? "; ..." : ""));
}

}  // namespace

const SurveyedLog* LogSurvey::find(const Uuid& topic_id, PartitionIndex index) const {
  const auto found = std::ranges::find_if(logs, [&](const SurveyedLog& log) {
    return log.topic_id == topic_id && log.name.partition == index;
  });
  return found == logs.end() ? nullptr : &*found;
}

Result<LogSurvey> survey_logs(io::Disk& disk, const std::vector<std::string>& log_dirs,
                              const LogConfig& config) {
  auto offline = OfflinePartitions::open(disk, log_dirs);
  if (!offline) return fail(offline.error());
  if (offline->broker_runs()) return fail(log_dirs.front() + ": a broker runs here: stop it first");
  auto mine = MetaProperties::read(disk, log_dirs.front());
  if (!mine) return fail(mine.error());
  if (!*mine) return fail(log_dirs.front() + ": no broker has kept its data here");
  LogSurvey survey{
      (*mine)->cluster_id, (*mine)->node_id, (*mine)->incarnation, (*mine)->directory_id, {}};
  for (const auto& [dir, id] : offline->directories()) {
    auto names = disk.list(dir);
    if (!names) return fail(names.error());
    for (const std::string& folder : *names) {
      const auto name = parse_partition(folder);
      if (!name) continue;
      auto topic_id = read_partition_topic_id(disk, dir + "/" + folder);
      if (!topic_id) return fail(topic_id.error());
      if (!*topic_id) continue;
      auto log = look_at_log(*offline, *name, **topic_id, config);
      if (!log) return fail(log.error());
      survey.logs.push_back(std::move(*log));
    }
  }
  if (auto all = check_all_found(disk, *offline, log_dirs, survey); !all) return fail(all.error());
  return survey;
}

std::string encode_survey(const LogSurvey& survey) {
  SealedLines content;
  content.header = {{"cluster_id", survey.cluster_id},
                    {"node", survey.node},
                    {"incarnation", survey.incarnation},
                    {"directory_id", survey.directory_id.to_string()}};
  for (const SurveyedLog& log : survey.logs) {
    content.lines.push_back({{"topic_id", log.topic_id.to_string()},
                             {"topic", log.name.topic},
                             {"partition", log.name.partition},
                             {"start", log.start},
                             {"end", log.end},
                             {"last_epoch", log.last_epoch},
                             {"highest_epoch", log.highest_epoch},
                             {"damaged", log.is_damaged},
                             {"known_end", log.known_end}});
  }
  return encode_sealed(content, survey_format, survey_version);
}

namespace {

// Reads members that have to be there; what is wrong with one shows at the end.
class Members {
 public:
  explicit Members(const json& object) : object_(object) {}
  int64_t number(const char* name) {
    const json value = object_.value(name, json());
    good_ = good_ && value.is_number_integer();
    return value.is_number_integer() ? value.get<int64_t>() : -1;
  }
  std::string text(const char* name) {
    const json value = object_.value(name, json());
    good_ = good_ && value.is_string();
    return value.is_string() ? value.get<std::string>() : "";
  }
  Uuid uuid(const char* name) {
    auto id = Uuid::parse(text(name));
    good_ = good_ && id.has_value();
    return id.value_or(Uuid());
  }
  bool flag(const char* name) {
    const json value = object_.value(name, json());
    good_ = good_ && value.is_boolean();
    return value.is_boolean() && value.get<bool>();
  }
  bool good() const { return good_; }

 private:
  const json& object_;
  bool good_ = true;
};

}  // namespace

Result<LogSurvey> decode_survey(std::string_view text, const std::string& where) {
  auto content = decode_sealed(text, survey_format, survey_version, where);
  if (!content) return fail(content.error());
  const auto broken = [&where](size_t line) {
    return Error::corrupt(where + ": line " + std::to_string(line) + " is not what it should be");
  };
  Members header(content->header);
  LogSurvey survey{header.text("cluster_id"),
                   static_cast<NodeId>(header.number("node")),
                   static_cast<int>(header.number("incarnation")),
                   header.uuid("directory_id"),
                   {}};
  if (!header.good()) return fail(broken(1));
  for (const json& line : content->lines) {
    Members members(line);
    SurveyedLog log;
    log.topic_id = members.uuid("topic_id");
    log.name = {members.text("topic"), static_cast<PartitionIndex>(members.number("partition"))};
    log.start = members.number("start");
    log.end = members.number("end");
    log.last_epoch = static_cast<LeaderEpoch>(members.number("last_epoch"));
    log.highest_epoch = static_cast<LeaderEpoch>(members.number("highest_epoch"));
    log.is_damaged = members.flag("damaged");
    log.known_end = members.number("known_end");
    if (!members.good()) return fail(broken(survey.logs.size() + 2));
    survey.logs.push_back(std::move(log));
  }
  return survey;
}

}  // namespace isthmus::broker
