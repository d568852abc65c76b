// What `switchover --dry-run` says of who may do what at both ends.
#include "cli/access.h"

#include <gtest/gtest.h>

namespace isthmus::cli {
namespace {

using mirror::AccessEntry;
using mirror::AccessKind;
using mirror::AccessView;

void add_quota(AccessView& view, const std::string& user, double rate) {
  view.entries[{AccessKind::quota, {"user " + user}}] = {
      AccessEntry::Quota{false, {{"user", user}}, {{"producer_byte_rate", rate}}}, "", false};
}

Finding judged(AccessView seoul, AccessView tokyo) {
  return judge_access({"seoul", std::move(seoul)}, {"tokyo", std::move(tokyo)}, "seoul-tokyo");
}

TEST(JudgeAccess, TheSameAtBothEndsIsWell) {
  AccessView view;
  add_quota(view, "alice", 5);
  const Finding finding = judged(view, view);
  EXPECT_EQ(finding.verdict, Verdict::ok);
  EXPECT_EQ(finding.text, "ACLs, users and quotas equal");
}

TEST(JudgeAccess, WhatIsMissingAnotherOrMoreIsNamed) {
  AccessView seoul, tokyo;
  for (const char* user : {"a", "b", "c", "d", "e"}) add_quota(seoul, user, 5);
  add_quota(tokyo, "a", 6);
  add_quota(tokyo, "z", 6);
  const Finding finding = judged(seoul, tokyo);
  EXPECT_EQ(finding.verdict, Verdict::warn);
  EXPECT_EQ(finding.text,
            "ACLs, users and quotas differ: 5 of seoul missing or another at tokyo: the quota of "
            "user a, the quota of user b, the quota of user c and 2 more; 1 at tokyo only: the "
            "quota of user z");
  EXPECT_NE(finding.next.find("acls: follow"), std::string::npos);
}

TEST(JudgeAccess, WhatOneEndDoesNotTellIsNotComparedAndSaid) {
  AccessView seoul, tokyo;
  add_quota(seoul, "a", 5);
  tokyo.no_quotas = "CLUSTER_AUTHORIZATION_FAILED";
  Finding finding = judged(seoul, tokyo);
  EXPECT_EQ(finding.verdict, Verdict::warn);
  EXPECT_EQ(finding.text,
            "what is told of ACLs, users and quotas is equal; quotas of tokyo are not told: "
            "CLUSTER_AUTHORIZATION_FAILED");
  finding = judge_access({"seoul", seoul}, {"tokyo", fail("it is away")}, "seoul-tokyo");
  EXPECT_EQ(finding.verdict, Verdict::warn);
  EXPECT_EQ(finding.text, "ACLs, users and quotas are not compared: tokyo: it is away");
}

}  // namespace
}  // namespace isthmus::cli
