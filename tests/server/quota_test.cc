// Whose quota holds, and how much of it is left.
#include "server/quota.h"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

namespace isthmus::server {
namespace {

using kafka::QuotaEntity;
using std::chrono::seconds;

constexpr io::Instant start{std::chrono::hours(1)};
constexpr auto none = std::nullopt;
constexpr auto window = QuotaBucket::window;

kafka::QuotaTable produce_quotas(const std::vector<std::pair<QuotaEntity, double>>& of_entities) {
  kafka::QuotaTable table;
  for (const auto& [entity, rate] : of_entities) table[entity]["producer_byte_rate"] = rate;
  return table;
}

TEST(QuotaBucket, WhatWasSavedIsFreeAndWhatIsBeyondItIsWaitedFor) {
  QuotaBucket bucket(1000);
  EXPECT_TRUE(bucket.is_full(start));
  EXPECT_LE(bucket.charge(10'000, start), io::Duration::zero()) << "ten seconds of it, as in Kafka";
  EXPECT_EQ(bucket.charge(500, start), io::milliseconds(500));
  EXPECT_EQ(bucket.owed(start + io::milliseconds(200)), io::milliseconds(300));
  EXPECT_FALSE(bucket.is_full(start + window));
  EXPECT_TRUE(bucket.is_full(start + window + seconds(1)));
  EXPECT_EQ(bucket.owed(start + seconds(3600)), -window) << "no more is saved";
}

TEST(QuotaBucket, WhoWaitsAsToldHasTheRate) {
  QuotaBucket bucket(1000);
  double used = 0;
  io::Instant now = start;
  // Requests of all sizes, some above what a second brings.
  for (int i = 0; now < start + seconds(600); ++i) {
    const double amount = 17.0 * (1 + i * 31 % 200);
    used += amount;
    now += std::max(io::Duration::zero(), bucket.charge(amount, now)) + io::milliseconds(1);
  }
  EXPECT_NEAR(used, 1000 * (600 + 10), 4000);
}

TEST(QuotaBucket, NoDebtIsLongerThanTheWindow) {
  QuotaBucket bucket(1);
  EXPECT_EQ(bucket.charge(1e18, start), window);
  EXPECT_EQ(bucket.charge(1e18, start), window);
  QuotaBucket tiny(1e-300);
  EXPECT_EQ(tiny.charge(1, start), window);
}

TEST(QuotaBucket, ItIsExactFromManyThreads) {
  QuotaBucket bucket(10'000);
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&bucket] {
      for (int k = 0; k < 10'000; ++k) bucket.charge(1, start);
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(bucket.owed(start), seconds(4) - window);
}

TEST(QuotaBucket, ANewRateForgivesNothingAndTakesNothing) {
  QuotaBucket before(1000);
  before.charge(12'000, start);
  EXPECT_EQ(QuotaBucket(4000, before, start).owed(start), io::milliseconds(500));
  EXPECT_EQ(QuotaBucket(1, before, start).owed(start), window);
  EXPECT_EQ(QuotaBucket(500, QuotaBucket(1000), start).owed(start), -window);
}

class QuotasTest : public testing::Test {
 protected:
  double rate(const std::string& user, const std::string& client_id) {
    const auto bucket = find(user, client_id);
    return bucket ? bucket->rate() : 0;
  }
  std::shared_ptr<QuotaBucket> find(const std::string& user, const std::string& client_id,
                                    io::Instant now = start) {
    return quotas.find(user, client_id, now)[static_cast<size_t>(QuotaKind::produce)];
  }

  Quotas quotas;
};

TEST_F(QuotasTest, TheOrderOfPrecedenceIsKafkas) {
  std::vector<std::pair<QuotaEntity, double>> levels = {
      {{"u", "c", none}, 1}, {{"u", "", none}, 2},  {{"u", none, none}, 3}, {{"", "c", none}, 4},
      {{"", "", none}, 5},   {{"", none, none}, 6}, {{none, "c", none}, 7}, {{none, "", none}, 8}};
  for (double expected = 1; !levels.empty(); ++expected) {
    quotas.set(produce_quotas(levels));
    EXPECT_EQ(rate("u", "c"), expected);
    levels.erase(levels.begin());
  }
  quotas.set({});
  EXPECT_EQ(rate("u", "c"), 0);
}

TEST_F(QuotasTest, AQuotaOfOthersOrOfAnotherKindSaysNothing) {
  auto table = produce_quotas({{{"u", "c", none}, 1}, {{"v", none, none}, 2}});
  table[{none, "c", none}]["request_percentage"] = 50;
  quotas.set(table);
  EXPECT_EQ(rate("u", "d"), 0);
  EXPECT_EQ(rate("w", "c"), 0);
  EXPECT_EQ(quotas.remembered(), 1u) << "of the time that c may take; the rest has no bucket";
  const auto buckets = quotas.find("w", "c", start);
  EXPECT_EQ(buckets[static_cast<size_t>(QuotaKind::fetch)], nullptr);
  EXPECT_EQ(buckets[static_cast<size_t>(QuotaKind::request)]->rate(), 0.5)
      << "seconds of one thread";
}

TEST_F(QuotasTest, WhoSharesABucket) {
  quotas.set(produce_quotas({{{"u", none, none}, 1}, {{"", "", none}, 2}, {{none, "", none}, 3}}));
  EXPECT_EQ(find("u", "a"), find("u", "b")) << "a user's has all his clients";
  EXPECT_NE(find("v", "a"), find("v", "b")) << "a default is for each";
  EXPECT_NE(find("v", "a"), find("w", "a"));
  EXPECT_EQ(find("v", "a"), find("v", "a")) << "on whatever connection";
}

TEST_F(QuotasTest, ANewRateIsInForceAndWhatWasUsedStaysUsed) {
  quotas.set(produce_quotas({{{none, "c", none}, 1000}}));
  const uint64_t version = quotas.version();
  find("u", "c")->charge(12'000, start);
  quotas.set(produce_quotas({{{none, "c", none}, 4000}}));
  EXPECT_NE(quotas.version(), version);
  EXPECT_EQ(find("u", "c")->owed(start), io::milliseconds(500));
}

TEST_F(QuotasTest, TheIdleAreForgottenAndTheOthersAreNot) {
  quotas.set(produce_quotas({{{none, "", none}, 1000}}));
  const auto held = find("u", "held");
  find("u", "owing")->charge(30'000, start + seconds(5));
  for (int i = 0; i < 5000; ++i) find("u", std::to_string(i))->charge(1, start);
  EXPECT_EQ(quotas.remembered(), 5002u);
  const io::Instant later = start + seconds(12);
  find("u", "one more", later);
  EXPECT_EQ(quotas.remembered(), 3u);
  EXPECT_EQ(find("u", "held", later), held);
  EXPECT_EQ(find("u", "owing", later)->owed(later), seconds(3)) << "who waits cannot come anew";
}

TEST_F(QuotasTest, BucketsAreLimitedAndWhoComesBeyondHasHisOwn) {
  quotas.set(produce_quotas({{{none, "", none}, 1000}}));
  for (size_t i = 0; i < Quotas::max_buckets; ++i) {
    find("u", std::to_string(i))->charge(1, start);
  }
  const auto beyond = find("u", "beyond");
  EXPECT_EQ(quotas.remembered(), Quotas::max_buckets);
  ASSERT_NE(beyond, nullptr);
  EXPECT_EQ(beyond->rate(), 1000);
  EXPECT_NE(find("u", "beyond"), beyond);
}

TEST_F(QuotasTest, ConnectionsOfAnAddressHaveARate) {
  kafka::QuotaTable table;
  table[{none, none, ""}]["connection_creation_rate"] = 2;
  table[{none, none, "2001:DB8::0:1"}]["connection_creation_rate"] = 1;
  quotas.set(table);
  for (int i = 0; i < 20; ++i) EXPECT_EQ(quotas.admit("10.0.0.1", start), io::Duration::zero());
  EXPECT_EQ(quotas.admit("10.0.0.1", start), io::Duration::zero()) << "the last is paid for later";
  for (int i = 0; i < 100; ++i) {
    EXPECT_EQ(quotas.admit("10.0.0.1", start), io::milliseconds(500)) << "who is refused is free";
  }
  EXPECT_EQ(quotas.admit("10.0.0.2", start), io::Duration::zero()) << "each address has its own";
  EXPECT_EQ(quotas.admit("10.0.0.1", start + io::milliseconds(500)), io::Duration::zero());
  for (int i = 0; i < 11; ++i) quotas.admit("2001:db8::1", start);
  EXPECT_EQ(quotas.admit("2001:db8::1", start), seconds(1)) << "however it was written";
  quotas.set({});
  EXPECT_EQ(quotas.admit("10.0.0.1", start), io::Duration::zero());
}

}  // namespace
}  // namespace isthmus::server
