// AccessSync: has ACLs, SCRAM users and client quotas follow a link (`acls: follow`). A round reads
// both ends, of which most say that nothing has changed, decides (mirror/access_plan.h), and sends
// what follows to the target, in requests of bounded size, each of which happens whole or not at
// all. After one that did not, the next round looks again; what the target keeps as it is holds up
// nothing but what allows, where what it keeps denies.
//
// Nothing is taken from an answer that refuses, or that is cut short: pages that are not of one
// picture are read anew. Passwords' salted hashes are held in memory and told nobody but the
// target.
//
// Lives on the link's loop; owned by its Session.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/log.h"
#include "client/cluster.h"
#include "io/mutex.h"
#include "kafka/gen/report_mirror.h"
#include "mirror/access_plan.h"
#include "mirror/access_reader.h"

namespace isthmus::mirror {

// What is told of it, to the target and to operators.
struct AccessStatus {
  int32_t acls = 0, users = 0, quotas = 0;  // that follow, and are at the target
  int32_t waiting = 0;                      // of these gone at the source, until delete_delay
  std::vector<std::string> problems;        // what does not follow, and why; a few of many
};

class AccessSync {
 public:
  struct Names {
    std::string link, reverse, source, target;
  };
  AccessSync(client::Cluster& source, bool is_foreign, client::Cluster& target, Names names,
             int64_t link_epoch, AccessScope scope, io::Duration delete_delay, Logger log);

  // What goes wrong is in the status, in the log once, and tried again by the next.
  io::Task<void> round();
  // Between two rounds.
  io::Duration pause() const;
  const AccessStatus& status() const { return status_; }
  void tell(kafka::ReportMirrorRequest& into) const;

 private:
  using Changes = std::vector<AccessPlan::Change>;

  io::Task<Result<void>> run();
  io::Task<Result<void>> make(Changes changes);
  kafka::FollowAccessRequest request_of(std::span<const AccessPlan::Change> changes) const;
  void count();
  void tell_problems(const Result<void>& done);
  io::Instant soon() const;

  client::Cluster& source_;
  client::Cluster& target_;
  const bool is_foreign_;
  const Names names_;
  const int64_t link_epoch_;
  const AccessScope scope_;
  Logger log_;
  AccessPlan plan_;
  io::Mutex turn_;
  AccessPicture there_, here_;  // the source, of which only what is carried, and the target
  AccessStatus status_;
  bool failed_ = false;  // the latest round
};

}  // namespace isthmus::mirror
