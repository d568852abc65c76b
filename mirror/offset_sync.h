// OffsetSync: brings the committed offsets of the source's groups to the target, as they are: the
// target serves at most what it has. Only what changed since the last round is sent; a group that
// is new to the session, or has lost an offset at the source, is sent as a whole, so that the
// target forgets what is gone (kafka/schema/private/10004_mirror_offsets.schema).
//
// "Gone" is believed only of a group that its coordinator has answered for, without any error, and
// only in topics that the link mirrors and the source still has: a group that could not be read, a
// topic that the link leaves out, and a topic that was deleted (whose offsets Kafka deletes with
// it, while the target keeps its copy) say nothing.
//
// The last round of a switchover takes the groups' members along. Where one end is too old to know
// of that, or is no Isthmus, they join anew at the target. Clients stand still meanwhile, so a
// round before it, with nobody waiting, sends all that can be known by then: the last one asks for
// what the groups' coordinators hold (standstill.h), and takes one way over the line and back.
//
// A round reads and sends whatever many groups in few round trips, each request with a deadline of
// its own. Rounds never overlap: an older one would bring back what a newer one has replaced.
//
// Lives on the link's loop; owned by its Session.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/log.h"
#include "client/group_offsets.h"
#include "io/mutex.h"
#include "kafka/gen/mirror_offsets.h"
#include "kafka/gen/read_members.h"
#include "kafka/selector.h"
#include "mirror/standstill.h"

namespace isthmus::mirror {

class OffsetSync {
 public:
  using Topics = std::set<std::string>;

  // `patience` is that of each request.
  OffsetSync(client::Cluster& source, client::Cluster& target, std::string link, int64_t link_epoch,
             kafka::Selector groups, io::Duration patience, Logger log);

  // One round over all groups. `topics` are those that the link mirrors; offsets of others stay
  // away. A group that does not get across is tried again in the next round, and the log says so
  // once.
  io::Task<Result<void>> round(Topics topics);
  // Before the fence: a round, after which no other begins until what is returned is gone.
  io::Task<Result<io::Mutex::Held>> prepare_last_round(Topics topics);
  // The last round of a switchover, after which the target's offsets are the only ones: a group
  // that did not get across is an error that names it; one that the target holds is none. Members
  // go along, so that they go on there in the same generation. REQUIRES: the source is fenced, and
  // prepare_last_round() has returned, and is held.
  io::Task<Result<void>> last_round(Topics topics, Standstill standstill);

  size_t groups() const { return known_.size() - held(); }
  // Those that have members or commits of their own at the target, which therefore does not take
  // them.
  size_t held() const;

 private:
  struct Position {
    Offset offset = -1;
    std::string metadata;
    bool operator==(const Position&) const = default;
  };
  using Positions = std::map<TopicPartition, Position>;
  struct News {
    Positions positions;
    bool complete = false;
    std::optional<Slice> membership = std::nullopt;  // as the source gave it
  };
  using NewsByGroup = std::map<std::string, News>;
  // What the source has answered.
  struct Reading {
    client::GroupOffsets::ByGroup offsets;
    std::map<std::string, Result<Slice>> members;  // of a last round, where both ends know of it
  };
  using Names = std::set<std::string>;
  using Failures = std::map<std::string, std::string>;  // group -> why

  // `standstill`: of whose last round it is; of no switchover if it is none.
  io::Task<Result<Failures>> run(Topics topics, Standstill standstill);
  io::Task<Result<void>> learn_from_target();
  io::Task<Result<Names>> groups_to_read();
  // All of the groups to read, which `reading` then has the answers of.
  io::Task<Result<Names>> read_all(Uuid switchover, Reading& reading);
  io::Task<void> list(Result<Names>& groups);
  io::Task<void> read(Names groups, Uuid switchover, Reading& reading);
  io::Task<void> read_offsets(Names groups, Reading& reading);
  io::Task<void> read_members(Names groups, Uuid switchover, Reading& reading);
  io::Task<Result<Names>> read_standstill(const Standstill& standstill, Reading& reading);
  using Members = kafka::ReadMembersResponse::ReadMembersGroup;
  io::Task<Result<std::vector<Members>>> ask_members(Names groups, Uuid switchover,
                                                     int16_t at_least);
  Positions positions_in(const client::ByPartition<client::CommittedOffset>& committed) const;
  // What the target should hear of a group, if anything.
  void compare(const std::string& group, Positions now, NewsByGroup& news) const;
  // Adds what the groups' members are to the news.
  void add_members(const Names& groups, Reading reading, NewsByGroup& news,
                   Failures& failures) const;
  News& news_of(const std::string& group, NewsByGroup& news) const;
  io::Task<Result<void>> send(NewsByGroup news, Uuid switchover, Failures& failures);
  void note_answer(const kafka::MirrorOffsetsResponse& answer, NewsByGroup& news,
                   Failures& failures);
  void report(const Result<Failures>& outcome);
  io::Instant soon() const { return source_.loop().now() + patience_; }

  client::Cluster& source_;
  client::Cluster& target_;
  const std::string link_;
  const int64_t link_epoch_;
  const kafka::Selector selector_;
  const io::Duration patience_;
  Logger log_;
  client::GroupOffsets reader_;
  io::Mutex turn_;
  bool asked_target_ = false;
  Names latest_;                           // that the latest round has read
  Topics topics_;                          // that sent_ speaks of
  std::map<std::string, Positions> sent_;  // what the target has taken
  std::map<std::string, bool> known_;      // that the target has something of, or (true) holds
  Failures failures_;                      // that the log has told
  std::string trouble_;                    // likewise, of a whole round
};

}  // namespace isthmus::mirror
