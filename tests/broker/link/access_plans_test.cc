// What a link may change of who may do what at its target, and what a cluster tells of it.
#include "broker/link/access_plans.h"

#include "broker/controller/acl_plans.h"
#include "broker/controller/quota_plans.h"
#include "broker/controller/user_plans.h"
#include "broker/link/access_page.h"
#include "broker/link/forget.h"
#include "broker/link/link_plans.h"
#include "tests/broker/plans.h"
#include "tests/broker/security/acl_of.h"

namespace isthmus::broker::access_plans_test {
namespace {

using kafka::ErrorCode;
using Request = kafka::FollowAccessRequest;

const std::string link = "seoul-tokyo";
const Acl reads = allow(Op::read, Type::topic, "orders");

Request::FollowedAcl followed(const Acl& acl) {
  return {false,         false,    acl.type,      acl.pattern,   acl.name,
          acl.principal, acl.host, acl.operation, acl.permission};
}

Request::FollowedUser user_of(const std::string& name, char key = 'k') {
  Request::FollowedUser user;
  user.name = name;
  const auto text = [](size_t size, char c) { return Slice::copy_of(std::string(size, c)); };
  user.credentials.push_back(
      {kafka::ScramMechanism::scram_sha_256, 4096, text(20, 's'), text(32, key), text(32, 'v')});
  return user;
}

Request::FollowedQuota quota_of(const std::string& user, double rate = 1000) {
  return {false, {{"user", user}}, {{"producer_byte_rate", rate}}};
}

// Tokyo, to which the link brings a topic.
class FollowAccess : public ::testing::Test {
 protected:
  FollowAccess() {
    image = cluster(2);
    Attach attach;
    attach.link = link;
    attach.source_name = "seoul";
    attach.source_number = 1;
    attach.source_cluster_id = "seoul's id";
    image = after(*image, plan_attach(*image, attach));
    MirrorTopic topic{"orders", uuid_of(8), 1, {}, {3}};
    image = after(*image, plan_mirror_topic(*image, link, topic));
    request.link = link;
    request.link_epoch = image->epoch_of(link);
  }

  Result<Plan> plan() {
    return plan_follow_access(
        *image, request, [](const std::string& p) { return p == "User:root"; }, kept);
  }
  void make() {
    auto planned = plan();
    ASSERT_TRUE(planned) << planned.error().text;
    image = after(*image, *planned, ++version);
    request.acls.clear();
    request.users.clear();
    request.quotas.clear();
  }
  void make_all() {
    request.acls = {followed(reads)};
    request.users = {user_of("alice")};
    request.quotas = {quota_of("alice")};
    make();
  }
  const Follows& of_acl() const { return image->acls->entries.at(acl_key(reads)).follows; }
  const Follows& of_user() const { return image->users->at("alice").follows; }
  const Follows& of_quota() const { return image->quotas.at("user=alice").follows; }

  std::shared_ptr<const Image> image;
  Request request;
  KeptAccess kept;
  int64_t version = 10;
};

TEST_F(FollowAccess, WhatComesIsInForceAndSaysByWhichLink) {
  make_all();
  EXPECT_TRUE(kept.empty());
  EXPECT_TRUE(image->acls->set.contains(reads));
  EXPECT_EQ(image->users->at("alice").credentials.begin()->second.stored_key,
            std::vector<uint8_t>(32, 'k'));
  for (const auto* follows : {&of_acl(), &of_user(), &of_quota()}) {
    EXPECT_EQ(*follows, (Follows{link, false}));
  }
  request.users = {user_of("alice", 'n')};
  make();
  EXPECT_EQ(image->users->at("alice").credentials.begin()->second.stored_key,
            std::vector<uint8_t>(32, 'n'));
}

TEST_F(FollowAccess, WhatTheClusterHasOfItsOwnIsKept) {
  image = after(*image, plan_create_acls(*image, {reads}).plan, 3);
  request.acls = {followed(reads)};
  make();
  ASSERT_EQ(kept.size(), 1u);
  EXPECT_EQ(kept[0].at, 0);
  EXPECT_EQ(of_acl(), Follows{});
  request.acls = {followed(reads)};
  request.acls[0].remove = true;
  make();
  EXPECT_EQ(kept.size(), 1u);
  EXPECT_TRUE(image->acls->set.contains(reads));
}

TEST_F(FollowAccess, WhatFollowsGoesAgainAndWhatIsGoneIsNoError) {
  make_all();
  const auto removal = [this] {
    request.acls = {followed(reads)};
    request.acls[0].remove = true;
    request.users = {{false, "alice", {}}};
    request.quotas = {{false, {{"user", "alice"}}, {}}};
  };
  removal();
  make();
  EXPECT_EQ(image->acls->set.size(), 0u);
  EXPECT_TRUE(image->users->empty());
  EXPECT_TRUE(image->quotas.empty());
  removal();
  EXPECT_TRUE(plan()->empty());
  EXPECT_TRUE(kept.empty());
}

// What each of Kafka's own APIs does to an entry makes it the cluster's own.
TEST_F(FollowAccess, WhoeverSetsAnEntryHereTakesItOver) {
  make_all();
  image = after(*image, plan_create_acls(*image, {reads}).plan, 20);
  EXPECT_EQ(of_acl(), Follows{});
  UserChanges password;
  password.upsertions.push_back({"alice", kafka::ScramMechanism::scram_sha_512, 4096,
                                 Slice::copy_of(std::string("salt")),
                                 Slice::copy_of(std::string(64, 'p'))});
  image = after(*image, plan_user(*image, password, "alice"), 21);
  EXPECT_EQ(of_user(), Follows{});
  kafka::AlterClientQuotasRequest::EntryData same;
  same.entity = {{"user", "alice"}};
  same.ops = {{"producer_byte_rate", 1000, false}};
  std::vector<Result<void>> outcomes(1);
  image = after(*image, plan_quotas(*image, {quota_change(same)}, outcomes), 22);
  EXPECT_EQ(of_quota(), Follows{});
  request.users = {user_of("alice")};
  make();
  EXPECT_EQ(kept.size(), 1u);
}

TEST_F(FollowAccess, ToNoteIsForTheClustersOwnThatIsTheSame) {
  image = after(*image, plan_create_acls(*image, {reads}).plan, 3);
  request.acls = {followed(reads), followed(allow(Op::write, Type::topic, "orders"))};
  request.users = {user_of("nobody")};
  for (auto& acl : request.acls) acl.made_here = true;
  request.users[0].made_here = true;
  make();
  EXPECT_EQ(of_acl(), (Follows{link, true}));
  EXPECT_EQ(kept.size(), 2u);
  EXPECT_EQ(image->acls->set.size(), 1u);
}

// A process that was replaced, and a link that does not lead here: what it would remove is ours.
TEST_F(FollowAccess, OnlyTheLinkThatBringsTopicsChangesSomething) {
  request.users = {user_of("alice")};
  request.link_epoch -= 1;
  EXPECT_EQ(code_of(plan()), ErrorCode::fenced_leader_epoch);
  request.link_epoch += 1;
  auto without = std::make_shared<Image>(*image);
  without->topics.clear();
  image = without;
  EXPECT_EQ(code_of(plan()), ErrorCode::policy_violation);
  request.users[0].made_here = true;
  EXPECT_TRUE(plan());
}

TEST_F(FollowAccess, ASuperUserGetsNoPasswordFromAnotherCluster) {
  request.users = {user_of("root"), user_of("alice")};
  make();
  ASSERT_EQ(kept.size(), 1u);
  EXPECT_EQ(kept[0].at, 0);
  EXPECT_FALSE(image->users->contains("root"));
  EXPECT_TRUE(image->users->contains("alice"));
}

// One space of names: who comes by certificate as the mirror would come by a password of Seoul's.
TEST_F(FollowAccess, WhoHasRightsOverTheSiteGetsNoPasswordFromAnotherCluster) {
  const std::vector<Acl> rights = {
      allow(Op::alter, Type::cluster, kafka::cluster_resource, "User:mirror"),
      allow(Op::create_tokens, Type::user, "*", "User:router"), reads};
  image = after(*image, plan_create_acls(*image, rights).plan, 3);
  request.users = {user_of("mirror"), user_of("router"), user_of("alice")};
  make();
  EXPECT_EQ(kept.size(), 2u);
  EXPECT_EQ(image->users->size(), 1u);
  EXPECT_TRUE(image->users->contains("alice"));
}

TEST_F(FollowAccess, RightsOverTheSiteAndQuotasOfAddressesAreRefused) {
  for (const Type type : {Type::cluster, Type::user, Type::delegation_token}) {
    const std::string name = type == Type::cluster ? kafka::cluster_resource : "User:bob";
    request.acls = {followed(allow(Op::all, type, name))};
    if (plan()) EXPECT_EQ(kept.size(), 1u);
    if (plan()) EXPECT_TRUE(plan()->empty());
  }
  request.acls.clear();
  request.quotas = {{false, {{"ip", "10.0.0.1"}}, {{"connection_creation_rate", 5}}}};
  EXPECT_EQ(code_of(plan()), ErrorCode::invalid_request);
}

TEST_F(FollowAccess, WhatNobodyCouldHaveHereIsKeptOutAndToldOf) {
  request.acls = {followed(allow(Op::read, Type::topic, "orders", "nobody's type"))};
  request.users = {user_of(""), user_of("bob"), user_of("carol"), user_of("alice")};
  request.users[1].credentials[0].stored_key = Slice::copy_of(std::string("short"));
  request.users[2].credentials[0].iterations = 1;
  request.quotas = {quota_of("alice", -1)};
  make();
  EXPECT_EQ(kept.size(), 5u);
  EXPECT_EQ(image->users->size(), 1u);
}

TEST_F(FollowAccess, ARequestNamesEachOnceAndNotTooMany) {
  request.users = {user_of("alice"), user_of("alice")};
  EXPECT_EQ(code_of(plan()), ErrorCode::invalid_request);
  request.users.clear();
  for (size_t i = 0; i <= most_followed; ++i) {
    request.quotas.push_back(quota_of("u" + std::to_string(i)));
  }
  EXPECT_EQ(code_of(plan()), ErrorCode::invalid_request);
}

// Else the next cluster of that name would remove what it does not have.
TEST_F(FollowAccess, WhatCameFromAForgottenClusterIsOurs) {
  make_all();
  Plan plan;
  free_access(plan, *image, link);
  image = after(*image, plan, 30);
  for (const auto* follows : {&of_acl(), &of_user(), &of_quota()}) EXPECT_EQ(*follows, Follows{});
  EXPECT_TRUE(image->acls->set.contains(reads));
  EXPECT_EQ(image->quotas.at("user=alice").values.size(), 1u);
}

// --- What is told -------------------------------------------------------------------------------

AccessTold everything() {
  return {true, true, [](const std::string& p) { return p == "User:root"; }};
}

TEST_F(FollowAccess, AllIsToldInPagesOfOnePicture) {
  make_all();
  request.users = {user_of("bob")};
  make();
  kafka::ReadAccessRequest asked;
  std::vector<std::string> names;
  int pages = 0;
  do {
    const auto page = page_of_access(*image, asked, everything(), 2);
    EXPECT_EQ(page.changes, image->access_changes);
    EXPECT_EQ(page.writers, std::vector<std::string>{link});
    for (const auto& acl : page.acls) names.push_back(acl.name + " by " + acl.link);
    for (const auto& user : page.users) names.push_back(user.name + " by " + user.link);
    for (const auto& quota : page.quotas) names.push_back("quota by " + quota.link);
    asked.first = page.next;
    ++pages;
  } while (asked.first >= 0);
  EXPECT_EQ(pages, 2);
  const std::string by = " by " + link;
  EXPECT_EQ(names,
            (std::vector<std::string>{"orders" + by, "alice" + by, "bob" + by, "quota" + by}));
}

TEST_F(FollowAccess, WhoKnowsThePictureIsToldThatItIsTheSame) {
  make_all();
  auto page = page_of_access(*image, {}, everything());
  EXPECT_FALSE(page.unchanged);
  kafka::ReadAccessRequest known{page.starts, page.changes, 0};
  page = page_of_access(*image, known, everything());
  EXPECT_TRUE(page.unchanged);
  EXPECT_TRUE(page.acls.empty());
  request.users = {{false, "alice", {}}};
  make();
  EXPECT_FALSE(page_of_access(*image, known, everything()).unchanged);
  // Another broker of the cluster may have counted as far, and have seen other changes.
  Image several = *image;
  several.brokers[the_broker + 1] = {.starts = 1};
  AccessTold one = everything(), other = everything();
  one.teller = 1;
  other.teller = 2;
  page = page_of_access(several, {}, one);
  known.known_starts = page.starts;
  known.known_changes = page.changes;
  EXPECT_TRUE(page_of_access(several, known, one).unchanged);
  EXPECT_FALSE(page_of_access(several, known, other).unchanged);
}

TEST_F(FollowAccess, WhatOneMayNotSeeIsSaidToBeMissing) {
  make_all();
  image = after(*image,
                plan_user(
                    *image,
                    [] {
                      UserChanges root;
                      root.upsertions.push_back({"root", kafka::ScramMechanism::scram_sha_256, 4096,
                                                 Slice::copy_of(std::string("salt")),
                                                 Slice::copy_of(std::string(32, 'p'))});
                      return root;
                    }(),
                    "root"),
                40);
  auto page = page_of_access(*image, {}, everything());
  ASSERT_EQ(page.users.size(), 1u) << "a super user's is told nobody";
  EXPECT_EQ(page.users[0].name, "alice");
  page = page_of_access(*image, {}, {false, false, {}});
  EXPECT_EQ(page.users_error, ErrorCode::cluster_authorization_failed);
  EXPECT_EQ(page.quotas_error, ErrorCode::cluster_authorization_failed);
  EXPECT_TRUE(page.users.empty());
  EXPECT_TRUE(page.quotas.empty());
  EXPECT_EQ(page.acls.size(), 1u);
}

}  // namespace
}  // namespace isthmus::broker::access_plans_test
