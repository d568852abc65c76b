#include "mirror/first_look.h"

#include <gtest/gtest.h>

namespace isthmus::mirror {
namespace {

Uuid look_id(uint8_t number) {
  Uuid id;
  id.bytes.fill(number);
  return id;
}

TEST(FirstLook, WhatIsFoundLaterWasNotThere) {
  FirstLook look(true);
  look.found(look_id(1), 1);
  look.found_all();
  look.found(look_id(1), 2);
  look.found(look_id(2), 1);
  EXPECT_TRUE(look.was_there(look_id(1), 0));
  EXPECT_FALSE(look.was_there(look_id(1), 1)) << "a partition that the topic got since";
  EXPECT_FALSE(look.was_there(look_id(2), 0));
}

TEST(FirstLook, OfALinkThatHasBegunNothingWasThere) {
  FirstLook look(false);
  look.found(look_id(1), 1);
  EXPECT_FALSE(look.was_there(look_id(1), 0));
  EXPECT_TRUE(look.done());
}

TEST(FirstLook, IsDoneWhenTheTargetKnowsWhereEachCopyBegins) {
  FirstLook look(true);
  look.found(look_id(1), 2);
  EXPECT_FALSE(look.done()) << "there may be more";
  for (PartitionIndex index : {0, 1}) look.asks(look_id(1), index);
  look.found_all();
  EXPECT_FALSE(look.done());
  look.began(look_id(1), 0);
  EXPECT_FALSE(look.done());
  look.cannot_tell(look_id(1), 1);
  EXPECT_TRUE(look.done()) << "an offline partition would hold it open for days";
  EXPECT_FALSE(look.was_there(look_id(1), 0)) << "deleted at the target, it is copied whole";
  EXPECT_TRUE(look.was_there(look_id(1), 1)) << "it comes back within this session";
}

}  // namespace
}  // namespace isthmus::mirror
