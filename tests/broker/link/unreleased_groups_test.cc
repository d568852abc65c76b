#include "broker/link/unreleased_groups.h"

#include <gtest/gtest.h>

namespace isthmus::broker {
namespace {

using Phase = SwitchoverImage::Phase;
using Groups = std::map<std::string, std::vector<std::string>>;

TEST(UnreleasedGroups, AreThoseThatAPromotedLinkStillOwns) {
  Image image;
  image.groups["a"].link = "promoted";
  image.groups["b"].link = "mirroring";
  image.groups["c"].link = "promoted";
  image.groups["d"].link = "wished";
  image.switchovers["promoted"].phase = Phase::promoted;
  image.switchovers["wished"].phase = Phase::wished;
  EXPECT_EQ(unreleased_groups(image), (Groups{{"promoted", {"a", "c"}}}));
  image.groups["c"].version = 2;  // the link has taken it for a topic that came after
  EXPECT_EQ(unreleased_groups(image), (Groups{{"promoted", {"a"}}}));
  image.switchovers["promoted"].phase = Phase::none;  // after the way back
  EXPECT_EQ(unreleased_groups(image), Groups{});
}

}  // namespace
}  // namespace isthmus::broker
