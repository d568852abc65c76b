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

kafka::Takeovers told(const std::string& from, const std::string& to, int64_t version) {
  kafka::Takeovers told;
  told.put(from, to, version);
  return told;
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
  EXPECT_TRUE(routes.merge(told("tokyo", "seoul", 1)));
  EXPECT_EQ(routes.home_of_topic("orders"), "seoul");
  EXPECT_EQ(routes.home_of_group("billing"), "seoul");
  EXPECT_EQ(routes.initial_home_of_topic("orders"), "tokyo");
  EXPECT_TRUE(routes.everything_is_at("seoul"));
  EXPECT_FALSE(routes.is_home_of_something("tokyo"));
}

TEST(Routes, ALowerVersionNeverComesBack) {
  Routes routes = corp();
  EXPECT_TRUE(routes.merge(told("seoul", "tokyo", 7)));
  EXPECT_FALSE(routes.merge(told("seoul", "seoul", 6)));
  EXPECT_FALSE(routes.merge(told("seoul", "tokyo", 7)));
  EXPECT_FALSE(routes.merge({}));
  EXPECT_EQ(routes.default_home(), "tokyo");
  EXPECT_EQ(routes.takeovers().version(), 7);
  EXPECT_TRUE(routes.merge(told("seoul", "seoul", 8)));
  EXPECT_EQ(routes.default_home(), "seoul");
}

TEST(Routes, TheRecordNamesWhoIsInChargeAtLast) {
  Routes routes({default_route("a"), topic_route("t", "b")});
  routes.merge(told("a", "b", 1));
  routes.merge(told("b", "a", 1));
  EXPECT_EQ(routes.default_home(), "b");
  EXPECT_EQ(routes.home_of_topic("t"), "a") << "following twice would lead back to b";
}

TEST(Routes, AReloadKeepsWhatWasTakenOver) {
  Routes routes = corp();
  routes.merge(told("seoul", "tokyo", 3));
  const uint64_t before = routes.changes();
  routes.reload({default_route("seoul")});
  EXPECT_EQ(routes.home_of_topic("orders"), "tokyo");
  EXPECT_EQ(routes.takeovers().version(), 3);
  EXPECT_GT(routes.changes(), before);
}

// Neither pair knows of the other's move: each tells what it has, again and again.
TEST(Routes, TwoPairsBehindOneRouterMoveWithoutEachOther) {
  Routes routes({default_route("seoul"), topic_route("wine", "paris")});
  routes.merge(told("seoul", "tokyo", 1));
  routes.merge(told("paris", "berlin", 2));
  EXPECT_EQ(routes.home_of_topic("orders"), "tokyo") << "sent back by the other pair's move";
  EXPECT_EQ(routes.home_of_topic("wine"), "berlin");
  const uint64_t before = routes.changes();
  EXPECT_FALSE(routes.merge(told("seoul", "tokyo", 1)));
  EXPECT_FALSE(routes.merge(told("paris", "berlin", 2)));
  EXPECT_EQ(routes.changes(), before);
  routes.merge(told("seoul", "seoul", 3));
  EXPECT_EQ(routes.home_of_topic("orders"), "seoul");
  EXPECT_EQ(routes.home_of_topic("wine"), "berlin");
}

TEST(Routes, CompressionIsOfTheTopicsOwnRouteOrElseOfTheDefaults) {
  const kafka::CompressionSettings none, zstd{kafka::Compression::zstd, 3},
      lz4{kafka::Compression::lz4, 9};
  EXPECT_EQ(corp().compression_of_topic("orders"), none);
  EXPECT_FALSE(corp().compress_anything());
  auto fallback = default_route("seoul"), orders = topic_route("orders", "tokyo");
  fallback.compression.type = kafka::Compression::zstd;
  Routes routes({orders, fallback});
  EXPECT_TRUE(routes.compress_anything());
  EXPECT_EQ(routes.compression_of_topic("orders"), none) << "its route says nothing of it";
  EXPECT_EQ(routes.compression_of_topic("others"), zstd);
  routes.merge(told("seoul", "tokyo", 1));
  EXPECT_EQ(routes.compression_of_topic("others"), zstd) << "it stays with the route";
  orders.compression.type = kafka::Compression::lz4;
  routes.reload({orders, default_route("seoul")});
  EXPECT_TRUE(routes.compress_anything());
  EXPECT_EQ(routes.compression_of_topic("orders"), lz4);
  EXPECT_EQ(routes.compression_of_topic("others"), none);
  routes.reload({default_route("seoul")});
  EXPECT_EQ(routes.compression_of_topic("orders"), none);
  EXPECT_FALSE(routes.compress_anything());
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
