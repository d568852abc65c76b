#include "broker/replica/write_gate.h"

#include <algorithm>

namespace isthmus::broker {

using kafka::ErrorCode;

void WriteGate::set(kafka::TopicWriter writer, int64_t link_epoch) {
  const bool is_same_kind = writer.is_clients() == topic_writer_.is_clients() &&
                            (writer.link() == nullptr) == (topic_writer_.link() == nullptr);
  if (!is_same_kind) fence_.reset();
  topic_writer_ = std::move(writer);
  link_epoch_ = link_epoch;
}

std::optional<Refusal> WriteGate::fence(const Uuid& id, io::Instant now, io::Instant deadline,
                                        int64_t number) {
  if (topic_writer_.nobody() != nullptr) {
    return Refusal{ErrorCode::invalid_request, "handed over to the other site already"};
  }
  if (fenced(now) && *fence_ != id) {
    return Refusal{ErrorCode::invalid_request,
                   "fenced by another switchover, " + fence_->to_string()};
  }
  bool repeated = fenced(now);
  fence_ = id;
  fence_deadline_ = repeated ? std::max(fence_deadline_, deadline) : deadline;
  if (!repeated) {
    fence_number_ = number;
    attempt_ = {};
  }
  return std::nullopt;
}

std::optional<Refusal> WriteGate::hold(const Uuid& id, io::Instant now, const Uuid& attempt,
                                       bool takes_over) {
  const bool is_held = fenced_by(id, now) && !attempt_.is_zero() && attempt_ != attempt;
  if (is_held && !takes_over) {
    return Refusal{ErrorCode::not_leader_or_follower, "held for another attempt", true};
  }
  auto refusal = fence(id, now, io::Instant::max());
  if (!refusal) attempt_ = attempt;
  return refusal;
}

void WriteGate::lift(const Uuid& id, const Uuid& attempt) {
  if (fence_ != id) return;
  const bool is_its = attempt_.is_zero() || attempt_ == attempt;
  if (is_its) fence_.reset();
}

bool WriteGate::fenced_by(const Uuid& id, io::Instant now) const {
  return fence_ == id && now < fence_deadline_;
}

std::optional<Refusal> WriteGate::admit(const Writer& writer, io::Instant now) const {
  if (const auto* who = std::get_if<LinkWriter>(&writer)) {
    return admit_link(who->link, who->link_epoch, now);
  }
  // A copy takes what its leader's gate has let in; its partition knows the leader.
  if (std::holds_alternative<ReplicaWriter>(writer)) return std::nullopt;
  // The end of what was begun in it is no write of anybody's.
  if (topic_writer_.is_aside() && std::holds_alternative<MarkerWriter>(writer)) return std::nullopt;
  auto refusal = admit_own(now);
  if (refusal && !std::holds_alternative<ClientWriter>(writer)) refusal->passes = false;
  return refusal;
}

std::optional<Refusal> WriteGate::admit_own(io::Instant now) const {
  if (const auto* nobody = topic_writer_.nobody()) {
    return Refusal{ErrorCode::not_leader_or_follower, "handed over to the other site",
                   !nobody->stepped_down};
  }
  if (const auto* mirror = topic_writer_.link()) {
    if (mirror->moved_away) {
      return Refusal{ErrorCode::not_leader_or_follower, "this topic has moved to the other site"};
    }
    return Refusal{ErrorCode::policy_violation,
                   "a mirror topic of link " + mirror->name +
                       ": write to its source, or end the mirroring with: isthmus link promote " +
                       mirror->name};
  }
  if (topic_writer_.is_aside()) {
    return Refusal{ErrorCode::policy_violation,
                   "set aside, as its source has created another topic of the name: it is kept to "
                   "be read"};
  }
  if (fenced(now)) {
    return Refusal{ErrorCode::not_leader_or_follower, "a switchover is under way", true};
  }
  return std::nullopt;
}

std::optional<Refusal> WriteGate::admit_link(const std::string& link, int64_t epoch,
                                             io::Instant now) const {
  if (!topic_writer_.is_link(link)) {
    return Refusal{ErrorCode::policy_violation, "not a mirror topic of link " + link};
  }
  if (epoch > link_epoch_) {
    return Refusal{ErrorCode::leader_not_available, "this broker has yet to hear of epoch " +
                                                        std::to_string(epoch) + " of link " + link};
  }
  if (epoch < link_epoch_) {
    return Refusal{ErrorCode::fenced_leader_epoch,
                   "another mirror process has taken over link " + link};
  }
  if (fenced(now)) {
    return Refusal{ErrorCode::not_leader_or_follower, "the topic is being promoted"};
  }
  return std::nullopt;
}

}  // namespace isthmus::broker
