#include "mirror/switchover/machine.h"

#include <gtest/gtest.h>

#include <map>

namespace isthmus::mirror {
namespace {

constexpr Phase phases[] = {Phase::none,       Phase::wished,      Phase::handed_over,
                            Phase::promoted,   Phase::abandoned,   Phase::done,
                            Phase::taken_back, Phase::stepped_down};

Uuid id(uint8_t number) {
  Uuid id;
  id.bytes.fill(number);
  return id;
}

SideRecord said_by(const char* who, const char* of_whom, Phase phase) {
  SideRecord record{id(1), phase, false, {}, {}};
  record.self = {who, 1};
  if (*of_whom) record.peer = {of_whom, 1};
  return record;
}

// Another cluster answers under the name of the one that was agreed with, or at its address.
TEST(Machine, WhateverAStrangerSaysNothingIsDone) {
  for (Phase source : phases) {
    for (Phase target : phases) {
      EXPECT_EQ(next_step(said_by("s", "t", source), said_by("x", "", target)),
                Step::refuse_stranger);
      EXPECT_EQ(next_step(said_by("x", "", source), said_by("t", "s", target)),
                Step::refuse_stranger);
      EXPECT_EQ(next_step(said_by("s", "t", source), said_by("t", "s", target)),
                next_step({id(1), source}, {id(1), target}))
          << "those that agreed";
    }
  }
}

// The table, for records of one id; what is not in it is "nothing to do".
TEST(Machine, AllPairsOfPhasesOfOneId) {
  std::map<std::pair<Phase, Phase>, Step> table;
  for (Phase source : {Phase::none, Phase::wished, Phase::promoted, Phase::abandoned}) {
    table[{source, Phase::wished}] = Step::fence_and_hand_over;
  }
  for (Phase target : phases) table[{Phase::handed_over, target}] = Step::abandon;
  table[{Phase::handed_over, Phase::wished}] = Step::promote;
  table[{Phase::handed_over, Phase::promoted}] = Step::finish_promoted;
  table[{Phase::handed_over, Phase::abandoned}] = Step::finish_abandoned;
  for (Phase source : phases) {
    for (Phase target : phases) {
      auto found = table.find({source, target});
      Step expected = found == table.end() ? Step::none : found->second;
      EXPECT_EQ(next_step({id(1), source}, {id(1), target}), expected)
          << static_cast<int>(source) << " " << static_cast<int>(target);
    }
  }
}

TEST(Machine, AllPairsOfPhasesOfTwoIds) {
  for (Phase source : phases) {
    for (Phase target : phases) {
      Step expected = target == Phase::wished ? Step::fence_and_hand_over : Step::none;
      if (source == Phase::handed_over) {
        expected = target == Phase::promoted ? Step::finish_promoted : Step::abandon;
      }
      EXPECT_EQ(next_step({id(1), source}, {id(2), target}), expected)
          << static_cast<int>(source) << " " << static_cast<int>(target);
    }
  }
}

// Closed at the source, and the target speaks of something else: without a step, nobody would ever
// write again.
TEST(Machine, WhatWasHandedOverNeverStandsStill) {
  for (Phase target : phases) {
    for (uint8_t other : {1, 2}) {
      EXPECT_NE(next_step({id(1), Phase::handed_over}, {id(other), target}), Step::none);
    }
  }
}

const SideRecord failed_over{id(9), Phase::promoted, true};

TEST(Machine, ASourceThatWasAwayDuringAFailoverIsToldOnce) {
  EXPECT_EQ(next_step({}, failed_over), Step::step_down);
  EXPECT_EQ(next_step({id(1), Phase::done}, failed_over), Step::step_down);
  EXPECT_EQ(next_step({id(1), Phase::stepped_down}, failed_over), Step::step_down)
      << "of an earlier one";
  EXPECT_EQ(next_step({id(1), Phase::handed_over}, failed_over), Step::finish_promoted)
      << "its log ends where the target's began: nothing to save, nothing to cut";
  for (Phase knows : {Phase::stepped_down, Phase::done, Phase::taken_back}) {
    EXPECT_EQ(next_step({id(9), knows}, failed_over), Step::none);
  }
}

TEST(Machine, APlannedPromotionMakesNobodyStepDown) {
  EXPECT_EQ(next_step({id(1), Phase::taken_back}, {id(1), Phase::promoted, false}), Step::none);
}

}  // namespace
}  // namespace isthmus::mirror
