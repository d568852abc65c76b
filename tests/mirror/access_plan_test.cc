#include "mirror/access_plan.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace isthmus::mirror {
namespace {

using kafka::AclOperation;
using kafka::AclPermission;
using kafka::PatternType;
using kafka::ResourceType;
using std::chrono::hours;
using Way = AccessPlan::Change::Kind;

const std::string link = "seoul-tokyo";
const std::string reverse = "tokyo-seoul";

AccessEntry::Acl acl_on(ResourceType type, std::string name, AclPermission permission,
                        PatternType pattern = PatternType::literal) {
  return {false,     false, type, pattern, std::move(name), "User:alice", "*", AclOperation::read,
          permission};
}

AccessEntry user_with(const std::string& salt) {
  kafka::FollowAccessRequest::FollowedCredential credential;
  credential.mechanism = kafka::ScramMechanism::scram_sha_512;
  credential.iterations = 4096;
  credential.salt = Slice::copy_of(salt);
  return {AccessEntry::User{false, "alice", {credential}}, "", false};
}

const AccessKey allow_key{AccessKind::allow, {"orders"}};
const AccessKey deny_key{AccessKind::deny, {"orders"}};
const AccessKey user_key{AccessKind::user, {"alice"}};
const AccessKey quota_key{AccessKind::quota, {"user alice"}};

AccessEntry entry_of(const AccessKey& key, std::string value = "one") {
  switch (key.kind) {
    case AccessKind::user: return user_with(value);
    case AccessKind::quota:
      return {AccessEntry::Quota{false, {{"user", "alice"}}, {{value, 1.0}}}, "", false};
    case AccessKind::deny:
      return {acl_on(ResourceType::topic, "orders", AclPermission::deny), "", false};
    case AccessKind::allow: break;
  }
  return {acl_on(ResourceType::topic, "orders", AclPermission::allow), "", false};
}

// Both ends of seoul-tokyo, on which topics are on their way.
class AccessPlanTest : public ::testing::Test {
 protected:
  AccessPlanTest() { tokyo.writers = {link}; }

  using Changes = std::vector<AccessPlan::Change>;
  Changes decide(io::Duration after = {}) {
    return plan.decide(seoul, tokyo, io::Instant{} + after);
  }
  // As the target would do it, and say it the next time.
  Changes make(io::Duration after = {}) {
    Changes changes = decide(after);
    for (const auto& [key, kind] : changes) {
      if (kind == Way::remove) {
        tokyo.entries.erase(key);
        continue;
      }
      tokyo.entries[key] = seoul.entries.at(key);
      tokyo.entries[key].link = link;
      tokyo.entries[key].made_here = kind == Way::note;
    }
    return changes;
  }
  static void put(AccessView& at, const AccessKey& key, std::string value = "one",
                  std::string by = "", bool made_here = false) {
    at.entries[key] = entry_of(key, std::move(value));
    at.entries[key].link = std::move(by);
    at.entries[key].made_here = made_here;
  }

  AccessPlan plan{link, reverse, hours(24)};
  AccessView seoul, tokyo;
};

TEST_F(AccessPlanTest, WhatIsAtTheSourceComesOnceAndWhatDeniesFirst) {
  for (const auto& key : {allow_key, user_key, quota_key, deny_key}) put(seoul, key);
  const Changes all = {
      {deny_key, Way::put}, {quota_key, Way::put}, {user_key, Way::put}, {allow_key, Way::put}};
  EXPECT_EQ(make(), all);
  EXPECT_EQ(decide(), Changes{});
}

TEST_F(AccessPlanTest, AChangeAtTheSourceComesToo) {
  put(seoul, user_key);
  make();
  put(seoul, user_key, "another password");
  EXPECT_EQ(decide(), (Changes{{user_key, Way::put}}));
}

TEST_F(AccessPlanTest, WhatTheTargetHasOfItsOwnStaysAsItIs) {
  put(seoul, user_key, "seoul's");
  put(seoul, allow_key);
  for (const auto& key : {user_key, allow_key, quota_key}) put(tokyo, key, "tokyo's");
  EXPECT_EQ(decide(), Changes{});
  EXPECT_EQ(decide(hours(100)), Changes{});
}

TEST_F(AccessPlanTest, WhatHasComeByAnotherLinkIsNotThisOnes) {
  put(seoul, user_key);
  put(tokyo, user_key, "busan's", "busan-tokyo");
  put(tokyo, quota_key, "busan's", "busan-tokyo");
  EXPECT_EQ(decide(hours(100)), Changes{});
}

TEST_F(AccessPlanTest, WhoeverSetsAnEntryAtTheTargetMakesItTheTargetsOwn) {
  put(seoul, quota_key);
  make();
  put(tokyo, quota_key, "set at tokyo");
  EXPECT_EQ(decide(), Changes{});
  seoul.entries.erase(quota_key);
  put(seoul, user_key);
  EXPECT_EQ(decide(hours(100)), (Changes{{user_key, Way::put}}));
}

TEST_F(AccessPlanTest, WhatIsRemovedAtTheTargetComesBack) {
  put(seoul, allow_key);
  make();
  tokyo.entries.erase(allow_key);
  EXPECT_EQ(decide(), (Changes{{allow_key, Way::put}}));
}

TEST_F(AccessPlanTest, ARemovalComesAfterTheDelayAndWhatDeniesGoesLast) {
  for (const auto& key : {allow_key, user_key, quota_key, deny_key}) put(seoul, key);
  make();
  seoul.entries.clear();
  put(seoul, {AccessKind::user, {"bob"}});
  make();
  EXPECT_EQ(plan.waiting(), 4u);
  EXPECT_EQ(decide(hours(23)), Changes{});
  const Changes all = {{allow_key, Way::remove},
                       {user_key, Way::remove},
                       {quota_key, Way::remove},
                       {deny_key, Way::remove}};
  EXPECT_EQ(make(hours(24)), all);
  EXPECT_EQ(decide(hours(24)), Changes{});
  EXPECT_EQ(plan.waiting(), 0u);
}

// Else the target would allow for an hour what nobody allows any more, and had been denied.
TEST_F(AccessPlanTest, WhatDeniesStaysWhileWhatAllowedStillWaits) {
  for (const auto& key : {allow_key, user_key, deny_key}) put(seoul, key);
  make();
  seoul.entries.erase(deny_key);
  make();
  seoul.entries.erase(allow_key);
  make(hours(1));
  EXPECT_FALSE(plan.is_due(io::Instant{} + hours(23)));
  EXPECT_TRUE(plan.is_due(io::Instant{} + hours(24)));
  EXPECT_EQ(make(hours(24)), Changes{});
  EXPECT_EQ(make(hours(25)), (Changes{{allow_key, Way::remove}, {deny_key, Way::remove}}));
  EXPECT_EQ(decide(hours(26)), Changes{});
  EXPECT_EQ(plan.waiting(), 0u);
}

TEST_F(AccessPlanTest, OneThatIsMadeAgainIsNotRemovedAndWaitsAnewTheNextTime) {
  put(seoul, user_key);
  put(seoul, allow_key);
  make();
  seoul.entries.erase(allow_key);
  make();
  put(seoul, allow_key);
  EXPECT_EQ(make(hours(23)), Changes{});
  seoul.entries.erase(allow_key);
  EXPECT_EQ(make(hours(25)), Changes{});
  EXPECT_EQ(make(hours(49)), (Changes{{allow_key, Way::remove}}));
}

TEST_F(AccessPlanTest, WhatTheSourceDoesNotTellIsNotGone) {
  put(seoul, user_key);
  put(seoul, quota_key);
  make();
  seoul.entries.erase(user_key);
  make();
  seoul.no_users = "CLUSTER_AUTHORIZATION_FAILED";
  EXPECT_EQ(decide(hours(100)), Changes{});
  seoul.no_users.clear();
  EXPECT_EQ(decide(hours(101)), (Changes{{user_key, Way::remove}})) << "the wait has gone on";
}

TEST_F(AccessPlanTest, ASourceThatHasNothingAtAllHasLostIt) {
  put(seoul, user_key);
  make();
  seoul.entries.clear();
  seoul.is_void = true;
  make();
  EXPECT_EQ(decide(hours(100)), Changes{});
  EXPECT_EQ(plan.waiting(), 0u);
}

// What is not carried is still there: so the source has lost nothing.
TEST_F(AccessPlanTest, TheLastOfWhatIsCarriedGoesLikeAnyOther) {
  put(seoul, user_key);
  make();
  seoul.entries.clear();
  make();
  EXPECT_EQ(decide(hours(100)), (Changes{{user_key, Way::remove}}));
}

// A user whom only a denial keeps out, and of whose end nobody could be told.
TEST_F(AccessPlanTest, WhatDeniesStaysWhileAUserWhoIsGoneMayStillComeIn) {
  for (const auto& key : {deny_key, user_key}) put(seoul, key);
  make();
  seoul.entries.clear();
  seoul.no_users = "CLUSTER_AUTHORIZATION_FAILED";
  make();
  EXPECT_EQ(decide(hours(100)), Changes{});
  seoul.no_users.clear();
  make();
  EXPECT_EQ(decide(hours(200)), (Changes{{user_key, Way::remove}, {deny_key, Way::remove}}));
}

TEST_F(AccessPlanTest, NobodyIsLetInWhileWhatDeniesIsNotKnownOrCannotCome) {
  for (const auto& key : {allow_key, user_key, quota_key, deny_key}) put(seoul, key);
  plan.refused(deny_key, "no such ACL here");
  EXPECT_EQ(make(), (Changes{{quota_key, Way::put}}));
  plan.ask_again();
  EXPECT_EQ(decide().size(), 3u);
  seoul.entries.erase(deny_key);
  seoul.no_acls = "SECURITY_DISABLED";
  EXPECT_EQ(decide(), Changes{});
}

// The target has such a one, which nobody had told by then.
TEST_F(AccessPlanTest, OneThatDeniesAndIsTheTargetsOwnHoldsNothingBack) {
  put(seoul, allow_key);
  put(seoul, deny_key);
  put(tokyo, deny_key);
  plan.refused(deny_key, "the cluster has one of its own");
  EXPECT_EQ(decide(), (Changes{{allow_key, Way::put}}));
}

TEST_F(AccessPlanTest, WhatIsRefusedIsNotAskedForAgainUntilThereIsNews) {
  put(seoul, user_key);
  put(seoul, quota_key);
  plan.refused(user_key, "it is a super user here");
  EXPECT_EQ(decide(), (Changes{{quota_key, Way::put}}));
  plan.ask_again();
  EXPECT_EQ(decide().size(), 2u);
}

// --- Both ways ----------------------------------------------------------------------------------

// The link that waits for the way back: nothing of this is on its way yet, but for what it is told
// of what has followed the other way.
TEST_F(AccessPlanTest, ALinkThatBringsNoTopicOnlyNotesWhatFollowsTheOtherWay) {
  tokyo.writers.clear();
  seoul.writers = {reverse};
  put(seoul, allow_key, "one", reverse);  // seoul has it from tokyo
  put(tokyo, allow_key);
  put(seoul, user_key, "one");  // seoul's own
  put(tokyo, user_key, "one");  // as by chance is tokyo's
  put(seoul, quota_key);
  EXPECT_EQ(make(), (Changes{{allow_key, Way::note}}));
  EXPECT_EQ(decide(hours(100)), Changes{});
  seoul.entries.erase(allow_key);
  EXPECT_EQ(decide(hours(100)), Changes{}) << "tokyo leads: seoul gets it again";
}

// Another value is at the source: that of the target is to come first.
TEST_F(AccessPlanTest, OneThatDiffersIsNotNoted) {
  tokyo.writers.clear();
  seoul.writers = {reverse};
  put(seoul, user_key, "old", reverse);
  put(tokyo, user_key, "new");
  EXPECT_EQ(decide(), Changes{});
}

TEST_F(AccessPlanTest, AfterASwitchoverChangesAndRemovalsGoTheOtherWay) {
  tokyo.writers.clear();
  seoul.writers = {reverse};
  for (const auto& key : {allow_key, user_key}) {
    put(seoul, key, "one", reverse);
    put(tokyo, key);
  }
  make();
  // Seoul leads from here on.
  tokyo.writers = {link};
  seoul.writers.clear();
  EXPECT_EQ(decide(), Changes{}) << "nothing moves by itself";
  put(seoul, user_key, "set at seoul");
  seoul.entries.erase(allow_key);
  EXPECT_EQ(make(), (Changes{{user_key, Way::put}}));
  EXPECT_EQ(make(hours(24)), (Changes{{allow_key, Way::remove}}));
}

// What is noted of an entry that an operator of the target sets: it is his alone again.
TEST_F(AccessPlanTest, OneThatWasTakenOverAtTheTargetIsNotNotedAgain) {
  put(seoul, allow_key, "one", reverse, true);  // made at seoul, as tokyo-seoul has noted
  put(tokyo, allow_key);                        // taken over at tokyo
  EXPECT_EQ(decide(), Changes{});
}

TEST_F(AccessPlanTest, WherePairsBothBringTopicsNothingGoesBackToWhereItWasMade) {
  seoul.writers = {reverse};
  put(seoul, allow_key, "one", reverse);  // made at tokyo, removed there since
  put(seoul, user_key, "one", reverse, true);
  put(tokyo, quota_key, "one", link, true);  // made at tokyo, missing at seoul
  EXPECT_EQ(make(), (Changes{{user_key, Way::put}}));
  EXPECT_EQ(decide(hours(100)), Changes{});
}

// --- What is carried ----------------------------------------------------------------------------

kafka::Selector names(const std::vector<std::string>& include,
                      const std::vector<std::string>& exclude = {}) {
  auto parsed = kafka::Selector::parse(include, exclude);
  EXPECT_TRUE(parsed);
  return *parsed;
}

bool carries(const AccessScope& scope, const AccessEntry::Acl& acl) {
  return scope.carries({acl, "", false});
}

TEST(AccessScope, AnAclIsCarriedIfTheLinkTakesAllThatItOpens) {
  const AccessScope scope(names({"pay.*", "orders"}, {"pay-secret.*"}), names({".*"}, {"__.*"}));
  constexpr auto allows = AclPermission::allow;
  const auto on_topic = [&](const std::string& name, PatternType pattern = PatternType::literal) {
    return carries(scope, acl_on(ResourceType::topic, name, allows, pattern));
  };
  EXPECT_TRUE(on_topic("orders"));
  EXPECT_TRUE(on_topic("pay-a"));
  EXPECT_FALSE(on_topic("pay-secret-a"));
  EXPECT_FALSE(on_topic("wine"));
  EXPECT_FALSE(on_topic("*")) << "wine, too";
  EXPECT_TRUE(on_topic("pay-", PatternType::prefixed));
  EXPECT_FALSE(on_topic("pa", PatternType::prefixed));
  EXPECT_FALSE(on_topic("pay-secret-", PatternType::prefixed));
  EXPECT_TRUE(carries(scope, acl_on(ResourceType::group, "*", allows)));
  EXPECT_TRUE(carries(scope, acl_on(ResourceType::group, "app", allows)));
  EXPECT_FALSE(carries(scope, acl_on(ResourceType::group, "__connect", allows)));
  EXPECT_TRUE(carries(scope, acl_on(ResourceType::transactional_id, "tx", allows)));
}

TEST(AccessScope, WhatDeniesIsCarriedAndWhatIsOfTheSiteIsNot) {
  const AccessScope scope(names({".*"}, {"secret"}), names({".*"}));
  const AccessScope narrow(names({"orders"}), names({"app"}));
  for (const auto permission : {AclPermission::allow, AclPermission::deny}) {
    for (const auto type :
         {ResourceType::cluster, ResourceType::user, ResourceType::delegation_token}) {
      EXPECT_FALSE(carries(scope, acl_on(type, "*", permission)));
    }
  }
  EXPECT_TRUE(carries(scope, acl_on(ResourceType::topic, "secret", AclPermission::deny)));
  EXPECT_TRUE(carries(narrow, acl_on(ResourceType::topic, "*", AclPermission::deny)));
  EXPECT_FALSE(
      carries(scope, acl_on(ResourceType::topic, "__consumer_offsets", AclPermission::allow)));
  EXPECT_TRUE(scope.carries(user_with("salt")));
  EXPECT_TRUE(scope.carries(entry_of(quota_key)));
  EXPECT_FALSE(scope.carries(
      {AccessEntry::Quota{false, {{"ip", "10.0.0.1"}}, {{"connection_creation_rate", 1}}}, "",
       false}));
}

TEST(AccessView, AnAnswerThatRefusesTellsNothing) {
  AccessView view;
  kafka::DescribeAclsResponse acls;
  acls.error_code = kafka::ErrorCode::security_disabled;
  view.add(acls);
  kafka::DescribeClientQuotasResponse quotas;
  quotas.entries.reset();
  view.add(quotas);
  EXPECT_FALSE(view.tells(AccessKind::allow));
  EXPECT_FALSE(view.tells(AccessKind::deny));
  EXPECT_FALSE(view.tells(AccessKind::quota));
  kafka::ReadAccessResponse page;
  page.users_error = kafka::ErrorCode::cluster_authorization_failed;
  AccessView ours;
  ours.add(page);
  EXPECT_FALSE(ours.tells(AccessKind::user));
  EXPECT_TRUE(ours.tells(AccessKind::allow));
}

// What one cluster answers by the private API, another by Kafka's: it is the same entry.
TEST(AccessView, BothWaysOfTellingMakeTheSameEntries) {
  AccessView ours, theirs;
  kafka::ReadAccessResponse page;
  page.acls.push_back({ResourceType::topic, PatternType::prefixed, "pay", "User:alice", "*",
                       AclOperation::write, AclPermission::allow, link, false});
  page.quotas.push_back(
      {"", false, {{"user", "alice"}, {"client-id", ""}}, {{"producer_byte_rate", 5}}});
  ours.add(page);
  kafka::DescribeAclsResponse acls;
  acls.resources.push_back({ResourceType::topic,
                            "pay",
                            PatternType::prefixed,
                            {{"User:alice", "*", AclOperation::write, AclPermission::allow}}});
  theirs.add(acls);
  kafka::DescribeClientQuotasResponse quotas;
  quotas.entries.emplace();
  quotas.entries->push_back({{{"client-id", std::nullopt}, {"user", "alice"}},
                             {{"controller_mutation_rate", 1}, {"producer_byte_rate", 5}}});
  theirs.add(quotas);
  ASSERT_EQ(ours.entries.size(), 2u);
  ASSERT_EQ(theirs.entries.size(), 2u);
  for (const auto& [key, entry] : ours.entries) {
    ASSERT_TRUE(theirs.entries.contains(key)) << key.to_string();
    EXPECT_EQ(theirs.entries.at(key).what, entry.what) << key.to_string();
  }
}

}  // namespace
}  // namespace isthmus::mirror
