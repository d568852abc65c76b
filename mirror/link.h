// Link: one configured link. Connects both ends, takes the link over at the target, runs a Session
// until it ends, and begins again.
//
// One process at a time serves a link: attaching raises its epoch and fences the process before. A
// process that finds another one alive (mirror/succession.h) waits in reserve instead of taking the
// link away from it. Nothing is attached while one of the two that
// answer is another cluster than the link's name says, or than the other end has written down.
//
// Lives on one loop; owned by Mirror.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "base/log.h"
#include "client/backoff.h"
#include "client/cluster.h"
#include "mirror/session.h"

namespace isthmus::mirror {

class Link {
 public:
  // What each end is dialled with.
  struct Ends {
    client::Security source;
    client::Security target;
  };
  Link(io::Env& env, io::Loop& loop, std::string name, process::LinkConfig config, Ends ends);
  ~Link();

  io::Task<void> run();
  void stop();
  io::Task<void> close();

  const std::string& name() const { return name_; }
  LinkStatus status() const;
  int64_t lag_percentile(double share) const {
    return session_ ? session_->lag_percentile(share) : -1;
  }

 private:
  io::Task<Result<void>> serve();
  io::Task<Result<void>> wait_until_free();
  io::Task<Result<kafka::AttachLinkResponse>> attach();
  Result<void> check_ends(const kafka::DescribeSiteResponse* source) const;
  void say(const std::string& problem);

  const std::string name_;
  const process::LinkConfig config_;
  Logger log_;
  io::Loop& loop_;
  client::Cluster source_;
  client::Cluster target_;
  Source view_;
  client::Backoff backoff_;
  io::Event stopping_;
  std::unique_ptr<Session> session_;
  std::string problem_;
  kafka::DescribeSiteResponse target_seen_;  // without topics, before the latest attempt to attach
  int64_t last_epoch_ = 0;                   // that this process was given
};

}  // namespace isthmus::mirror
