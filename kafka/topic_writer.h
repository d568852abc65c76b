// TopicWriter: who writes a topic at one site. One value, which the metadata's record, the gate of
// each partition, the answer of DescribeSite and the commands read alike.
//
//   Clients   the topic is this site's own
//   Link      a mirror topic: only its link writes
//   Nobody    handed over to another site in a switchover, or stepped down after a failover there;
//             until the other site's answer, or the way back
//   Aside     nobody any more: a copy whose topic was created again at its source, renamed, kept to
//             be read (broker/link/set_aside.h). No link carries it
//
// Plain data, copied freely.
#pragma once

#include <optional>
#include <string>
#include <variant>

#include "base/ids.h"
#include "kafka/gen/writer_kind.h"

namespace isthmus::kafka {

class TopicWriter {
 public:
  struct Clients {
    friend bool operator==(const Clients&, const Clients&) = default;
  };
  struct Link {
    std::string name;
    ClusterNumber origin = 0;  // where the records were first written; 0 = a foreign cluster
    // It was writable here before, and moved away: its clients look for another leader, they are
    // not told that the topic is forbidden to them.
    bool moved_away = false;
    friend bool operator==(const Link&, const Link&) = default;
  };
  struct Nobody {
    Uuid since;  // the switchover, or the failover
    bool stepped_down = false;
    friend bool operator==(const Nobody&, const Nobody&) = default;
  };
  struct Aside {
    friend bool operator==(const Aside&, const Aside&) = default;
  };

  TopicWriter() = default;
  TopicWriter(Clients) {}
  TopicWriter(Link link) : who_(std::move(link)) {}
  TopicWriter(Nobody nobody) : who_(nobody) {}
  TopicWriter(Aside aside) : who_(aside) {}

  WriterKind kind() const;
  bool is_clients() const { return std::holds_alternative<Clients>(who_); }
  bool is_aside() const { return std::holds_alternative<Aside>(who_); }
  // nullptr: another.
  const Link* link() const { return std::get_if<Link>(&who_); }
  Link* link() { return std::get_if<Link>(&who_); }
  const Nobody* nobody() const { return std::get_if<Nobody>(&who_); }
  bool is_link(const std::string& name) const { return link() != nullptr && link()->name == name; }
  bool is_closed_by(const Uuid& id) const { return nobody() != nullptr && nobody()->since == id; }

  friend bool operator==(const TopicWriter&, const TopicWriter&) = default;

 private:
  std::variant<Clients, Link, Nobody, Aside> who_;
};

// For commands: "clients", "link seoul-tokyo", "nobody: handed over to the other site".
std::string to_string(const TopicWriter& writer);

// A message or record that has writer, origin, link, closed_by and moved_away. `self` is the
// cluster whose own the topics are that no link writes.
template <typename Fields>
TopicWriter writer_of(const Fields& from) {
  switch (from.writer) {
    case WriterKind::clients: break;
    case WriterKind::link: return TopicWriter::Link{from.link, from.origin, from.moved_away};
    case WriterKind::handed_over: return TopicWriter::Nobody{from.closed_by, false};
    case WriterKind::stepped_down: return TopicWriter::Nobody{from.closed_by, true};
    case WriterKind::set_aside: return TopicWriter::Aside{};
  }
  return TopicWriter::Clients{};
}
template <typename Fields>
void put_writer(Fields& into, const TopicWriter& writer, ClusterNumber self) {
  const auto* link = writer.link();
  into.writer = writer.kind();
  into.origin = link != nullptr ? link->origin : self;
  into.link = link != nullptr ? link->name : "";
  into.closed_by = writer.nobody() != nullptr ? writer.nobody()->since : Uuid{};
  into.moved_away = link != nullptr && link->moved_away;
}

}  // namespace isthmus::kafka
