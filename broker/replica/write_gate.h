// WriteGate: who may write to a partition now. Pure: the owner passes the time in.
//
//            own ───fence(id, deadline)──► fenced ───hand over(id)──► closed
//             ▲   ◄──deadline, lift(id)──────┘                          │
//             ▲   ◄──take back(id)──────────────────────────────────────┤
//             │                                                         │
//          promote                                          become a mirror of the
//             │                                             link that runs the other way
//             └──────────────────── mirror(link) ◄──────────────────────┘
//
// The states are those of kafka/topic_writer.h, with a fence on top.
//
// own:     clients write.
// fenced:  a switchover has begun. Nobody writes; the gate opens by itself at the deadline, because
//          until the hand-over nobody else can have become writable. In memory only: a restart
//          lifts it too, and the hand-over then fails, which is safe.
// closed:  handed over, or stepped down after a failover elsewhere: the other site may be writable
//          by now. Durable (the controller's record); opens again only on the other site's word.
//          Clients wait at a gate that is fenced or handed over: a moment later they may write
//          here, or be sent where they may. Told earlier, they would find no leader anywhere.
// mirror:  only the owning link writes, under its current epoch: a mirror process that was replaced
//          still speaks an older one and is refused (a zombie would else write twice).
// aside:   a mirror that was set aside. Nobody writes any more; transactions that were open are
//          aborted. There is no way on from here.
//
// A fence may also lie on a mirror, without a deadline, while a promotion is being written down:
// the end that was looked at must be the end that is promoted. It survives records that leave the
// kind of the gate as it is, and ends with the record that changes it.
#pragma once

#include <optional>
#include <string>

#include "base/ids.h"
#include "broker/replica/writer.h"
#include "io/loop.h"
#include "kafka/errors.h"
#include "kafka/topic_writer.h"

namespace isthmus::broker {

struct Refusal {
  kafka::ErrorCode code;
  std::string reason;  // for the answer's error message
  // It will pass: a client waits for that, and is told this only if it has waited enough
  // (fence_wait.h).
  bool passes = false;
};

class WriteGate {
 public:
  // What the controller's records say; a fence (below) lies on top. `link_epoch` is that of the
  // owning link, if one writes.
  void set(kafka::TopicWriter writer, int64_t link_epoch = 0);

  // Refuses all writers until `deadline` (Instant::max(): until lifted, or until a record decides).
  // Repeating the id may move the deadline further away, never nearer: a late fence must not open
  // what a hand-over holds. Another id is refused while one holds. A fence that finds it open is
  // known by `number` from then on, so that one that ended and began again is another.
  std::optional<Refusal> fence(const Uuid& id, io::Instant now, io::Instant deadline,
                               int64_t number = 0);
  // A fence without a deadline, while `attempt` writes a record down: no other attempt at the same
  // switchover lifts it, however late it ends. NOT_LEADER_OR_FOLLOWER while another one holds,
  // which passes; `takes_over`: from whoever has held it, who may have died.
  std::optional<Refusal> hold(const Uuid& id, io::Instant now, const Uuid& attempt,
                              bool takes_over = false);
  // What is fenced, or held for that attempt (zero: for none).
  void lift(const Uuid& id, const Uuid& attempt = {});
  bool fenced_by(const Uuid& id, io::Instant now) const;
  // Of the fence in force, or the last one.
  int64_t fence_number() const { return fence_number_; }
  // When it opens by itself; Instant::max() where the clock does not matter.
  io::Instant opens_at(io::Instant now) const {
    return fenced(now) ? fence_deadline_ : io::Instant::max();
  }

  // Whether `writer` may write, or delete, now. All but links write where clients may: a fence
  // holds the markers and records of this cluster too. Only clients have the time to wait.
  std::optional<Refusal> admit(const Writer& writer, io::Instant now) const;

  const kafka::TopicWriter& topic_writer() const { return topic_writer_; }

 private:
  std::optional<Refusal> admit_own(io::Instant now) const;
  std::optional<Refusal> admit_link(const std::string& link, int64_t epoch, io::Instant now) const;
  bool fenced(io::Instant now) const { return fence_ && now < fence_deadline_; }

  kafka::TopicWriter topic_writer_;
  int64_t link_epoch_ = 0;
  std::optional<Uuid> fence_;
  io::Instant fence_deadline_{};
  int64_t fence_number_ = 0;
  Uuid attempt_;  // that holds it; zero: none does
};

}  // namespace isthmus::broker
