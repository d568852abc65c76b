#include "mirror/selector.h"

#include <gtest/gtest.h>

namespace isthmus::mirror {
namespace {

TEST(Selector, TakesWhatMatchesWhollyAndIsNotExcluded) {
  Selector selector({"orders", "pay.*"}, {".*[\\-.]internal", "pay-secret"});
  EXPECT_TRUE(selector.takes("orders"));
  EXPECT_FALSE(selector.takes("orders2")) << "a pattern matches the whole name";
  EXPECT_FALSE(selector.takes("my-orders"));
  EXPECT_TRUE(selector.takes("payments"));
  EXPECT_FALSE(selector.takes("pay-secret"));
  EXPECT_FALSE(selector.takes("pay.internal"));
}

TEST(Selector, TakesNothingWithoutAPattern) {
  EXPECT_FALSE(Selector({}, {}).takes("orders"));
  EXPECT_TRUE(Selector({".*"}, {}).takes("orders"));
}

}  // namespace
}  // namespace isthmus::mirror
