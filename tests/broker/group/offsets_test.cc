// Which offsets are kept, and for how long.
#include "broker/group/offsets.h"

#include <gtest/gtest.h>

#include "broker/group/subscription.h"

namespace isthmus::broker {
namespace {

constexpr int64_t week = 7LL * 24 * 3'600'000;
const GroupConfig config;
const TopicPartition orders{"orders", 0};

Group stored_group(int64_t state_since, const std::string& type = "consumer") {
  kafka::GroupMetadataValue value;
  value.protocol_type = type;
  value.generation = 1;
  value.current_state_timestamp = state_since;
  return Group("g", config, value, {});
}

Offsets committed_at(int64_t ms) {
  Offsets offsets;
  offsets.apply(orders, {7, -1, "", ms, -1}, false, offsets.begin());
  return offsets;
}

bool expires(const Group& group, const Offsets& offsets, int64_t now) {
  return !expired_offsets(group, offsets, now, week).empty();
}

TEST(Offsets, ExpireAWeekAfterTheGroupBecameEmpty) {
  const Group group = stored_group(5'000);
  EXPECT_FALSE(expires(group, committed_at(1'000), 4'999 + week));
  EXPECT_TRUE(expires(group, committed_at(1'000), 5'000 + week));
}

TEST(Offsets, ACommitToAnEmptyGroupCountsFromItself) {
  EXPECT_FALSE(expires(stored_group(5'000), committed_at(9'000), 8'999 + week));
}

// KAFKA-8069: "no time recorded" is not the year 1970.
TEST(Offsets, Kafka8069WithoutATimeOfTheGroupTheCommitsCounts) {
  const Group group = stored_group(-1);
  EXPECT_FALSE(expires(group, committed_at(1'000'000), 999'999 + week));
  EXPECT_TRUE(expires(group, committed_at(1'000'000), 1'000'000 + week));
}

TEST(Offsets, AClientsOwnExpiryIsObeyed) {
  Offsets offsets;
  offsets.apply(orders, {7, -1, "", 1'000, 2'000}, false, offsets.begin());
  EXPECT_FALSE(expires(Group("g", config), offsets, 1'999));
  EXPECT_TRUE(expires(Group("g", config), offsets, 2'000));
}

TEST(Offsets, ACommitOfTheFarFutureDoesNotExpire) {
  EXPECT_FALSE(expires(Group("g", config), committed_at(INT64_MAX), 10 * week));
  EXPECT_FALSE(expires(stored_group(INT64_MAX), committed_at(1'000), 10 * week));
}

TEST(Offsets, WithMembersOnlyWhatTheyDoNotRead) {
  kafka::Writer subscription;
  subscription.int16(1);
  subscription.array_size(1, false);
  subscription.string("orders", false);
  kafka::GroupMetadataValue value;
  value.protocol_type = "consumer";
  value.protocol = "range";
  auto& member = value.members.emplace_back();
  member.member_id = "m";
  member.subscription = Slice::copy_of(subscription.unsealed());
  Offsets offsets = committed_at(1'000);
  const TopicPartition old{"old", 3};
  offsets.apply(old, {7, -1, "", 1'000, -1}, false, offsets.begin());
  EXPECT_EQ(expired_offsets(Group("g", config, value, {}), offsets, 10 * week, week),
            std::vector<TopicPartition>{old});

  value.protocol_type = "connect";  // what it reads cannot be known
  EXPECT_TRUE(expired_offsets(Group("g", config, value, {}), offsets, 10 * week, week).empty());
}

TEST(Offsets, ALinksDoNotExpire) {
  Offsets offsets;
  offsets.apply(orders, {7, -1, "", 1'000, -1}, true, offsets.begin());
  EXPECT_FALSE(expires(Group("g", config), offsets, 10 * week));
}

TEST(Offsets, AnOlderCommitThatEndsLaterChangesNothing) {
  Offsets offsets;
  const uint64_t first = offsets.begin();
  const uint64_t second = offsets.begin();
  offsets.apply(orders, {8, -1, "", 0, -1}, false, second);
  offsets.apply(orders, {7, -1, "", 0, -1}, false, first);
  offsets.erase(orders, first);
  ASSERT_TRUE(offsets.find(orders));
  EXPECT_EQ(offsets.find(orders)->committed.offset, 8);
}

TEST(Subscription, OfWhateverBytesIsNoCrash) {
  EXPECT_FALSE(subscribed_topics(Slice{}));
  EXPECT_FALSE(subscribed_topics(Slice::copy_of("userdata of some other kind")));
  EXPECT_FALSE(subscribed_topics(Slice::copy_of(std::string_view("\0\0\x7f\xff\xff\xff", 6))));
}

}  // namespace
}  // namespace isthmus::broker
