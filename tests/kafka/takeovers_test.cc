#include "kafka/takeovers.h"

#include <gtest/gtest.h>

#include <random>

#include "kafka/gen/describe_site.h"

namespace isthmus::kafka {
namespace {

using Map = std::map<std::string, std::string>;

Takeovers of(const std::string& from, const std::string& to, int64_t version) {
  Takeovers takeovers;
  takeovers.put(from, to, version);
  return takeovers;
}

Takeovers merged(Takeovers a, const Takeovers& b) {
  a.merge(b);
  return a;
}

// A few entries about few clusters, with few versions: many of them meet.
class Draw {
 public:
  explicit Draw(uint32_t seed) : engine_(seed) {}
  Takeovers some() {
    Takeovers drawn;
    for (uint32_t i = below(6); i > 0; --i) drawn.put(cluster(), cluster(), below(4));
    return drawn;
  }
  // As a promotion somewhere makes it, from what it knows.
  Takeovers promoted(Takeovers known, int64_t version) {
    known.take_over(cluster(), cluster(), version);
    return known;
  }
  uint32_t below(uint32_t bound) { return static_cast<uint32_t>(engine_() % bound); }

 private:
  std::string cluster() { return std::string(1, static_cast<char>('a' + below(4))); }
  std::mt19937 engine_;
};

TEST(Takeovers, MergingIsCommutativeAssociativeAndIdempotent) {
  for (uint32_t seed = 0; seed < 3000; ++seed) {
    Draw draw(seed);
    const Takeovers a = draw.some(), b = draw.some(), c = draw.some();
    EXPECT_EQ(merged(a, b), merged(b, a)) << seed;
    EXPECT_EQ(merged(merged(a, b), c), merged(a, merged(b, c))) << seed;
    EXPECT_EQ(merged(merged(a, b), b), merged(a, b)) << seed;
    Takeovers again = merged(a, b);
    EXPECT_FALSE(again.merge(b)) << "nothing new: " << seed;
  }
}

// Sites promote, each from what it has heard, and tell each other in any order, some of it late.
TEST(Takeovers, WhoeverHearsAllComesToTheSameWhateverTheOrder) {
  for (uint32_t seed = 0; seed < 500; ++seed) {
    Draw draw(seed);
    std::vector<Takeovers> said;
    std::array<Takeovers, 3> sites;
    for (int64_t version = 1; version < 12; ++version) {
      Takeovers& site = sites[draw.below(3)];
      if (!said.empty() && draw.below(2) == 0) site.merge(said[draw.below(said.size())]);
      if (draw.below(2) == 0) site = draw.promoted(site, version);
      said.push_back(site);
    }
    Takeovers forward, backward;
    for (const Takeovers& word : said) forward.merge(word);
    for (auto word = said.rbegin(); word != said.rend(); ++word) backward.merge(*word);
    EXPECT_EQ(forward, backward) << seed;
  }
}

TEST(Takeovers, WhatOnePairMovesSaysNothingOfAnother) {
  Takeovers first = of("seoul", "tokyo", 10);
  Takeovers second;
  second.take_over("paris", "berlin", 20);
  EXPECT_TRUE(first.merge(second));
  EXPECT_EQ(first.moved(), (Map{{"paris", "berlin"}, {"seoul", "tokyo"}}));
  EXPECT_EQ(first.version(), 20);
  EXPECT_FALSE(second.merge(of("paris", "paris", 19)));
}

TEST(Takeovers, WhoIsInChargeTakesWhatItHadTakenOverAlong) {
  Takeovers routes = of("rome", "seoul", 1);
  routes.take_over("seoul", "tokyo", 2);
  EXPECT_EQ(routes.in_charge_of("rome"), "tokyo");
  EXPECT_EQ(routes.in_charge_of("seoul"), "tokyo");
  routes.take_over("tokyo", "seoul", 3);
  EXPECT_EQ(routes.in_charge_of("seoul"), "seoul");
  EXPECT_EQ(routes.in_charge_of("tokyo"), "seoul");
  EXPECT_FALSE(routes.put("seoul", "tokyo", 2)) << "home again, for who comes late with the move";
  EXPECT_EQ(routes.moved(), (Map{{"rome", "seoul"}, {"tokyo", "seoul"}}));
}

// What peers of before entries tell; at home was who was not named.
TEST(Takeovers, AMapOfOneVersionNamesWhomItLeavesOut) {
  DescribeSiteResponse old;
  old.route_version = 7;
  old.routes = {{"tokyo", "seoul", -1}};
  EXPECT_EQ(takeovers_in(old.routes, old.route_version, "seoul"),
            merged(of("tokyo", "seoul", 7), of("seoul", "seoul", 7)));
  EXPECT_EQ(takeovers_in(old.routes, old.route_version, "osaka").in_charge_of("osaka"), "osaka");
  old.routes.clear();
  EXPECT_EQ(takeovers_in(old.routes, old.route_version, "seoul"), of("seoul", "seoul", 7));
  EXPECT_EQ(takeovers_in(old.routes, 0, "seoul"), Takeovers());
}

TEST(Takeovers, MessagesCarryEveryVersion) {
  Takeovers routes = of("seoul", "tokyo", 3);
  routes.put("paris", "paris", 9);
  DescribeSiteResponse told;
  put_takeovers(told.routes, routes);
  EXPECT_EQ(takeovers_in(told.routes, 9, "rome"), routes);
}

}  // namespace
}  // namespace isthmus::kafka
