// LogSurvey: which logs a broker has, where they end and under which epochs: what the metadata of a
// cluster that has lost them are set right by (rebuild.h). Taken beside the broker, while it is
// stopped; changes nothing. A file of it is what `isthmus metadata survey` writes (formats.md).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/ids.h"
#include "broker/log/config.h"
#include "io/disk.h"

namespace isthmus::broker {

struct SurveyedLog {
  Uuid topic_id;
  TopicPartition name;  // as its folder has it
  Offset start = 0;
  Offset end = 0;                  // of what is good
  LeaderEpoch last_epoch = -1;     // of the last record
  LeaderEpoch highest_epoch = -1;  // that this log has heard of
  bool is_damaged = false;
  Offset known_end = 0;  // up to where it reaches, or once did, behind the damage
};

struct LogSurvey {
  std::string cluster_id;
  NodeId node = -1;
  int incarnation = 0;  // of the metadata that it has seen last
  Uuid directory_id;    // of the first directory
  std::vector<SurveyedLog> logs;

  const SurveyedLog* find(const Uuid& topic_id, PartitionIndex index) const;
};

// An error if a broker runs on them, or no broker ever did; if a partition that is assigned to them
// is not there (log/assignments.h): another's stale copy would be taken for the best. Waits for the
// disk: reads every record.
Result<LogSurvey> survey_logs(io::Disk& disk, const std::vector<std::string>& log_dirs,
                              const LogConfig& config);

std::string encode_survey(const LogSurvey& survey);
Result<LogSurvey> decode_survey(std::string_view text, const std::string& where);

}  // namespace isthmus::broker
