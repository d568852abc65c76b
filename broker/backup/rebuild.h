// Rebuilds the metadata of a cluster that has lost them, out of an export and of what its brokers
// still have. Pure.
//
// An export is old: since it was written leaders were elected, ISRs have changed, topics came and
// went. So of each partition
//
//   leads    the broker whose log ends last, by the epoch of its last record and then by its end.
//            With all brokers surveyed that is one that has all that was ever acknowledged: it was
//            on every member of the ISR of its epoch, and who was elected later had it before it
//            wrote. It alone is in sync; the others join when they have caught up;
//   replicas those of the export, and every other broker that has a log of it: partitions were
//            moved since, and who is no replica deletes what it has;
//   epoch    a new generation above every epoch that the export or any log knows: none means two
//            things (architecture.md, Identity and epochs). A mirror's stays in its source's
//            generation, and leaps over the elections that no log tells of.
//
// The cluster goes on under its id, in a new incarnation: no producer id is given out twice. What
// brokers hold and the export does not know is named, and left where it is.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "base/error.h"
#include "broker/backup/log_survey.h"
#include "broker/backup/metadata_file.h"

namespace isthmus::broker {

struct Rebuilt {
  std::string cluster_name;
  ClusterNumber cluster_number = 0;
  int8_t incarnation = 0;
  size_t topics = 0, partitions = 0;
  std::vector<MetadataStore::Put> puts;  // into an empty store
  std::vector<std::string> notes;        // for people: what is not as it was, line by line
};

// `without`: brokers of which nothing is left, whose copies cannot be asked; of those that were
// surveyed the damaged logs, which are passed over then. An error if a broker of the export is
// neither surveyed nor among those, a survey is of another cluster, or a damaged log may reach
// further than the best one.
Result<Rebuilt> rebuild(const MetadataFile& file, const std::vector<LogSurvey>& surveys,
                        const std::set<NodeId>& without);

}  // namespace isthmus::broker
