// One test for each edge of the diagram in write_gate.h, and for those that are not in it.
#include "broker/replica/write_gate.h"

#include <gtest/gtest.h>

#include "tests/broker/apply_plan.h"

namespace isthmus::broker {
namespace {

using kafka::ErrorCode;
using std::chrono::seconds;

const io::Instant start{seconds(1000)};
const Uuid id = uuid_of(1);
const Uuid other = uuid_of(2);

ErrorCode client(const WriteGate& gate, io::Instant now = start) {
  auto refusal = gate.admit(ClientWriter{}, now);
  return refusal ? refusal->code : ErrorCode::none;
}
ErrorCode link(const WriteGate& gate, const char* name = "l", int64_t epoch = 4,
               io::Instant now = start) {
  LinkWriter writer;
  writer.link = name;
  writer.link_epoch = epoch;
  auto refusal = gate.admit(writer, now);
  return refusal ? refusal->code : ErrorCode::none;
}
WriteGate mirror_gate(bool moved = false) {
  WriteGate gate;
  gate.set(TopicWriter::Link{"l", 1, moved}, 4);
  return gate;
}

TEST(WriteGate, ClientsWriteWhatIsOwn) {
  WriteGate gate;
  EXPECT_EQ(client(gate), ErrorCode::none);
  EXPECT_EQ(link(gate), ErrorCode::policy_violation);
}

TEST(WriteGate, AFenceRefusesUntilItsDeadlineAndOpensByItself) {
  WriteGate gate;
  EXPECT_FALSE(gate.fence(id, start, start + seconds(10)));
  EXPECT_EQ(client(gate), ErrorCode::not_leader_or_follower) << "clients look for the leader";
  EXPECT_TRUE(gate.fenced_by(id, start));
  EXPECT_FALSE(gate.fenced_by(other, start));
  EXPECT_EQ(client(gate, start + seconds(9)), ErrorCode::not_leader_or_follower);
  EXPECT_EQ(client(gate, start + seconds(10)), ErrorCode::none);
  EXPECT_FALSE(gate.fenced_by(id, start + seconds(10)));
}

// Markers and records of coordinators are refused like clients (rule: nothing is written behind the
// ends that a hand-over names).
TEST(WriteGate, WhatTheClusterWritesItselfPassesAsClientsDo) {
  for (const Writer& writer :
       {Writer{CoordinatorWriter{}}, Writer{MarkerWriter{}}, Writer{ExportWriter{}}}) {
    WriteGate gate;
    EXPECT_FALSE(gate.admit(writer, start));
    gate.fence(id, start, start + seconds(10));
    EXPECT_TRUE(gate.admit(writer, start));
    EXPECT_FALSE(gate.admit(writer, start + seconds(10)));
    EXPECT_TRUE(mirror_gate().admit(writer, start));
    gate.set(TopicWriter::Nobody{id});
    EXPECT_TRUE(gate.admit(writer, start));
  }
}

// What passes is waited for, by those who have a client that waits; what does not is told at once.
TEST(WriteGate, ClientsWaitAtAFenceAndForTheOtherSitesWord) {
  const auto waits = [](const WriteGate& gate, const Writer& writer = ClientWriter{}) {
    const auto refusal = gate.admit(writer, start);
    return refusal && refusal->passes;
  };
  WriteGate gate;
  EXPECT_FALSE(waits(gate));
  EXPECT_EQ(gate.opens_at(start), io::Instant::max());
  gate.fence(id, start, start + seconds(10));
  EXPECT_TRUE(waits(gate));
  EXPECT_EQ(gate.opens_at(start), start + seconds(10));
  for (const Writer& writer :
       {Writer{CoordinatorWriter{}}, Writer{MarkerWriter{}}, Writer{ExportWriter{}}}) {
    EXPECT_FALSE(waits(gate, writer));
  }
  gate.set(TopicWriter::Nobody{id});
  EXPECT_TRUE(waits(gate)) << "the target has yet to promote";
  EXPECT_EQ(gate.opens_at(start), io::Instant::max());
  gate.set(TopicWriter::Link{"back", 1, true}, 1);
  EXPECT_FALSE(waits(gate)) << "promoted: the leader is elsewhere";
  gate.set(TopicWriter::Nobody{id, true});
  EXPECT_FALSE(waits(gate)) << "until the way back, who knows when";
  EXPECT_FALSE(waits(mirror_gate()));
}

TEST(WriteGate, OnlyItsOwnIdLiftsAFence) {
  WriteGate gate;
  gate.fence(id, start, io::Instant::max());
  gate.lift(other);
  EXPECT_NE(client(gate), ErrorCode::none);
  gate.lift(id);
  EXPECT_EQ(client(gate), ErrorCode::none);
}

TEST(WriteGate, AnotherIdIsRefusedWhileOneHolds) {
  WriteGate gate;
  gate.fence(id, start, start + seconds(10));
  auto refused = gate.fence(other, start, start + seconds(60));
  ASSERT_TRUE(refused);
  EXPECT_NE(refused->reason.find(id.to_string()), std::string::npos);
  EXPECT_EQ(client(gate, start + seconds(11)), ErrorCode::none) << "the refused one has no effect";
  EXPECT_FALSE(gate.fence(other, start + seconds(11), start + seconds(60)));
}

// A fence that comes late, while the hand-over that it led to is being written down.
TEST(WriteGate, ARepeatedFenceNeverOpensEarlierThanTheFirst) {
  WriteGate gate;
  gate.fence(id, start, start + seconds(10));
  EXPECT_FALSE(gate.fence(id, start + seconds(5), start + seconds(15)));
  EXPECT_NE(client(gate, start + seconds(12)), ErrorCode::none) << "it may move further away";
  gate.fence(id, start + seconds(12), io::Instant::max());
  gate.fence(id, start + seconds(12), start + seconds(13));
  EXPECT_NE(client(gate, start + seconds(14)), ErrorCode::none);
  gate.lift(id);
  gate.fence(id, start, start + seconds(1));
  EXPECT_EQ(client(gate, start + seconds(2)), ErrorCode::none) << "after a lift it begins anew";
}

// An attempt that is late, or its end, would let clients in behind the ends that a later one is
// writing down.
TEST(WriteGate, WhatAnAttemptHoldsNoOtherOneLifts) {
  const Uuid early = uuid_of(11), late = uuid_of(12);
  WriteGate gate;
  gate.fence(id, start, start + seconds(10), 5);
  EXPECT_FALSE(gate.hold(id, start, early));
  EXPECT_NE(client(gate, start + seconds(1000)), ErrorCode::none);
  const auto refused = gate.hold(id, start, late);
  ASSERT_TRUE(refused);
  EXPECT_EQ(refused->code, ErrorCode::not_leader_or_follower) << "it passes";
  for (const Uuid& other_one : {late, Uuid{}}) {
    gate.lift(id, other_one);
    EXPECT_NE(client(gate), ErrorCode::none);
  }
  gate.lift(id, early);
  EXPECT_EQ(client(gate), ErrorCode::none);
  EXPECT_FALSE(gate.hold(id, start, late)) << "what nobody has fenced: a promotion";
  EXPECT_FALSE(gate.hold(id, start, early, true)) << "the other one has died";
  gate.lift(id, late);
  EXPECT_NE(client(gate), ErrorCode::none);
  gate.lift(id, early);
  gate.fence(id, start, start + seconds(10), 6);
  gate.lift(id, early);
  EXPECT_EQ(client(gate), ErrorCode::none) << "nobody holds what is only fenced";
}

TEST(WriteGate, WhatIsClosedStaysClosedWhateverTheClockSays) {
  WriteGate gate;
  gate.fence(id, start, start + seconds(1));
  gate.set(TopicWriter::Nobody{id});
  EXPECT_EQ(client(gate, start + seconds(1000)), ErrorCode::not_leader_or_follower);
  EXPECT_EQ(link(gate), ErrorCode::policy_violation);
  gate.lift(id);
  EXPECT_EQ(client(gate), ErrorCode::not_leader_or_follower)
      << "a lift is not the other site's word";
  EXPECT_TRUE(gate.fence(id, start, start + seconds(1))) << "there is nothing left to fence";
}

TEST(WriteGate, TakenBackItIsOwnAndOpen) {
  WriteGate gate;
  gate.fence(id, start, io::Instant::max());
  gate.set(TopicWriter::Nobody{id});
  gate.set(TopicWriter::Clients{});
  EXPECT_EQ(client(gate), ErrorCode::none);
}

TEST(WriteGate, AMirrorIsWrittenByItsLinkInItsEpochOnly) {
  WriteGate gate = mirror_gate();
  EXPECT_EQ(link(gate), ErrorCode::none);
  EXPECT_EQ(link(gate, "another"), ErrorCode::policy_violation);
  EXPECT_EQ(link(gate, "l", 3), ErrorCode::fenced_leader_epoch) << "a zombie writes";
  EXPECT_EQ(link(gate, "l", 5), ErrorCode::leader_not_available) << "of which we have yet to hear";
  EXPECT_TRUE(gate.topic_writer().is_link("l"));
}

TEST(WriteGate, AMirrorTellsClientsWhichLinkWritesIt) {
  auto refusal = mirror_gate().admit(ClientWriter{}, start);
  ASSERT_TRUE(refusal);
  EXPECT_EQ(refusal->code, ErrorCode::policy_violation);
  EXPECT_NE(refusal->reason.find("link l"), std::string::npos);
}

TEST(WriteGate, WhereTheTopicHasMovedAwayClientsLookForItElsewhere) {
  EXPECT_EQ(client(mirror_gate(true)), ErrorCode::not_leader_or_follower);
}

TEST(WriteGate, AFenceOnAMirrorHoldsTheLinkWhileAPromotionIsWrittenDown) {
  WriteGate gate = mirror_gate();
  EXPECT_FALSE(gate.fence(id, start, io::Instant::max()));
  EXPECT_EQ(link(gate), ErrorCode::not_leader_or_follower);
  gate.set(TopicWriter::Clients{});
  EXPECT_EQ(client(gate), ErrorCode::none) << "promoted: the fence ends with the record";
}

TEST(WriteGate, AFenceSurvivesRecordsThatLeaveTheKindAsItIs) {
  WriteGate own;
  own.fence(id, start, io::Instant::max());
  own.set(TopicWriter::Clients{});
  EXPECT_NE(client(own), ErrorCode::none) << "a config change has lifted the fence";
  WriteGate gate = mirror_gate();
  gate.fence(id, start, io::Instant::max());
  gate.set(TopicWriter::Link{"l", 1, false}, 5);
  EXPECT_EQ(link(gate, "l", 5), ErrorCode::not_leader_or_follower);
}

TEST(WriteGate, ClosedItBecomesTheMirrorOfTheOtherDirection) {
  WriteGate gate;
  gate.set(TopicWriter::Nobody{id});
  gate.set(TopicWriter::Link{"back", 1, true}, 1);
  EXPECT_EQ(link(gate, "back", 1), ErrorCode::none);
  EXPECT_EQ(client(gate), ErrorCode::not_leader_or_follower);
}

TEST(WriteGate, WhatIsSetAsideIsReadOnlyButForTheEndOfWhatWasOpen) {
  WriteGate gate = mirror_gate();
  gate.set(TopicWriter::Aside{}, 0);
  EXPECT_EQ(client(gate), ErrorCode::policy_violation);
  EXPECT_EQ(link(gate), ErrorCode::policy_violation);
  for (const Writer& writer : {Writer{CoordinatorWriter{}}, Writer{ExportWriter{}}}) {
    EXPECT_TRUE(gate.admit(writer, start));
  }
  EXPECT_FALSE(gate.admit(MarkerWriter{}, start));
}

TEST(WriteGate, AFenceThatEndedAndBeganAgainIsAnother) {
  WriteGate gate;
  gate.set(kafka::TopicWriter::Clients{});
  gate.fence(id, start, start + seconds(1), 11);
  gate.fence(id, start, start + seconds(10), 12);
  EXPECT_EQ(gate.fence_number(), 11) << "the same one, for longer";
  gate.fence(id, start + seconds(11), start + seconds(20), 13);
  EXPECT_EQ(gate.fence_number(), 13);
  gate.lift(id);
  gate.fence(id, start + seconds(12), start + seconds(20), 14);
  EXPECT_EQ(gate.fence_number(), 14);
}

}  // namespace
}  // namespace isthmus::broker
