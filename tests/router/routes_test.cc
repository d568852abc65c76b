#include "router/routes.h"

#include <gtest/gtest.h>

namespace isthmus::router {
namespace {

process::Route topic_route(const std::string& topic, const std::string& cluster) {
  return {.topic = topic, .group = {}, .fallback = {}, .cluster = cluster};
}
process::Route group_route(const std::string& group, const std::string& cluster) {
  return {.topic = {}, .group = group, .fallback = {}, .cluster = cluster};
}
process::Route default_route(const std::string& cluster) {
  return {.topic = {}, .group = {}, .fallback = cluster, .cluster = {}};
}

Routes corp() {
  return Routes(
      {topic_route("orders", "tokyo"), group_route("billing", "tokyo"), default_route("seoul")});
}

TEST(Routes, ExactNamesBeforeTheDefault) {
  const Routes routes = corp();
  EXPECT_EQ(routes.home_of_topic("orders"), "tokyo");
  EXPECT_EQ(routes.home_of_topic("orders2"), "seoul");
  EXPECT_EQ(routes.home_of_group("billing"), "tokyo");
  EXPECT_EQ(routes.home_of_group("orders"), "seoul") << "a topic's route is not a group's";
  EXPECT_EQ(routes.default_home(), "seoul");
}

TEST(Routes, WhatIsTakenOverMovesWithAllItsNames) {
  Routes routes = corp();
  EXPECT_TRUE(routes.apply(1, {{"tokyo", "seoul"}}));
  EXPECT_EQ(routes.home_of_topic("orders"), "seoul");
  EXPECT_EQ(routes.home_of_group("billing"), "seoul");
  EXPECT_EQ(routes.initial_home_of_topic("orders"), "tokyo");
  EXPECT_TRUE(routes.everything_is_at("seoul"));
  EXPECT_FALSE(routes.is_home_of_something("tokyo"));
}

TEST(Routes, ALowerVersionNeverComesBack) {
  Routes routes = corp();
  EXPECT_TRUE(routes.apply(7, {{"seoul", "tokyo"}}));
  EXPECT_FALSE(routes.apply(6, {}));
  EXPECT_FALSE(routes.apply(7, {}));
  EXPECT_EQ(routes.default_home(), "tokyo");
  EXPECT_EQ(routes.version(), 7);
  EXPECT_TRUE(routes.apply(8, {}));
  EXPECT_EQ(routes.default_home(), "seoul");
}

TEST(Routes, TheRecordNamesWhoIsInChargeAtLast) {
  Routes routes({default_route("a"), topic_route("t", "b")});
  routes.apply(1, {{"a", "b"}, {"b", "a"}});
  EXPECT_EQ(routes.default_home(), "b");
  EXPECT_EQ(routes.home_of_topic("t"), "a") << "following twice would lead back to b";
}

TEST(Routes, AReloadKeepsWhatWasTakenOver) {
  Routes routes = corp();
  routes.apply(3, {{"seoul", "tokyo"}});
  const uint64_t before = routes.changes();
  routes.reload({default_route("seoul")});
  EXPECT_EQ(routes.home_of_topic("orders"), "tokyo");
  EXPECT_EQ(routes.version(), 3);
  EXPECT_GT(routes.changes(), before);
}

TEST(Routes, EverythingIsSomewhereOnlyIfAllNamesAre) {
  EXPECT_FALSE(corp().everything_is_at("seoul"));
  EXPECT_FALSE(corp().everything_is_at("tokyo"));
  EXPECT_TRUE(corp().is_home_of_something("seoul"));
  EXPECT_TRUE(corp().is_home_of_something("tokyo"));
  EXPECT_TRUE(Routes({default_route("seoul")}).everything_is_at("seoul"));
}

}  // namespace
}  // namespace isthmus::router
