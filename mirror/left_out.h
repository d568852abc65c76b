// LeftOut: what is written at a link's source and not brought to its target: topics that the link
// does not select, that the target refuses, or that no discovery has come to yet. A switchover
// moves the clients of these too, so operators are told before; after a failover nobody could look
// any more, so the target is told all along.
//
// Pure; owned by a Session, on its loop.
#pragma once

#include <map>
#include <set>
#include <string>

#include "kafka/gen/report_mirror.h"
#include "mirror/source.h"

namespace isthmus::mirror {

class LeftOut {
 public:
  // Of each discovery: begin(), then every topic of the source.
  void begin() { written_.clear(); }
  void found(const SourceTopic& topic, bool selected);

  // All that is not among `mirrored`, with the reason where one is known.
  void tell(const std::set<std::string>& mirrored,
            const std::map<std::string, std::string>& refused,
            kafka::ReportMirrorRequest& into) const;

 private:
  std::map<std::string, bool> written_;  // by clients at the source: whether the link selects it
};

}  // namespace isthmus::mirror
