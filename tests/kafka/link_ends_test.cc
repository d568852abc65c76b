// Who answers at the ends of a link, held against its name and what the ends have written down.
#include "kafka/link_ends.h"

#include <gtest/gtest.h>

namespace isthmus::kafka {
namespace {

const EndNames names{"seoul", "tokyo"};

DescribeSiteResponse site(const std::string& name, const std::string& id, ClusterNumber number) {
  DescribeSiteResponse site;
  site.name = name;
  site.cluster_id = id;
  site.number = number;
  return site;
}
void add_incoming(DescribeSiteResponse& site, const std::string& link, const std::string& id,
                  ClusterNumber number) {
  auto& incoming = site.links.emplace_back();
  incoming.name = link;
  incoming.source_cluster_id = id;
  incoming.source_number = number;
}

const DescribeSiteResponse seoul = site("seoul", "S", 1);
const DescribeSiteResponse tokyo = site("tokyo", "T", 2);
const DescribeSiteResponse another_tokyo = site("tokyo", "X", 3);

bool names_both(const std::string& text, const std::string& expected, const std::string& found) {
  const size_t at = text.find(expected);
  return at != std::string::npos && text.find(found, at) != std::string::npos;
}

TEST(LinkEnds, ThoseThatTheNameSaysAreRight) {
  EXPECT_EQ(wrong_ends(names, &seoul, tokyo), "");
  EXPECT_EQ(wrong_ends(names, nullptr, tokyo), "") << "a foreign source, or one that is away";
  EXPECT_EQ(wrong_ends(names, &seoul, another_tokyo), "") << "nobody has met the first one";
}

TEST(LinkEnds, ALinkWhoseNameDoesNotFitIsOneLineWithBoth) {
  const auto busan = site("busan", "B", 3);
  EXPECT_TRUE(names_both(wrong_ends(names, &seoul, busan), "tokyo", "busan, cluster B (number 3)"));
  EXPECT_TRUE(names_both(wrong_ends(names, nullptr, busan), "tokyo", "busan"));
  EXPECT_TRUE(names_both(wrong_ends(names, &busan, tokyo), "seoul", "busan"));
}

TEST(LinkEnds, AClusterThatWasReplacedUnderItsNameIsFoundByEitherEndsLinks) {
  auto knows_tokyo = seoul;
  add_incoming(knows_tokyo, "tokyo-seoul", "T", 2);
  EXPECT_EQ(wrong_ends(names, &knows_tokyo, tokyo), "");
  const std::string wrong = wrong_ends(names, &knows_tokyo, another_tokyo);
  EXPECT_TRUE(names_both(wrong, "cluster T (number 2)", "cluster X (number 3)")) << wrong;
  EXPECT_NE(wrong.find("isthmus link forget tokyo-seoul"), std::string::npos) << wrong;
  auto knows_seoul = tokyo;
  add_incoming(knows_seoul, "seoul-tokyo", "S", 1);
  EXPECT_EQ(wrong_ends(names, &seoul, knows_seoul), "");
  const auto another_seoul = site("seoul", "Y", 4);
  EXPECT_TRUE(names_both(wrong_ends(names, &another_seoul, knows_seoul), "cluster S (number 1)",
                         "cluster Y (number 4)"));
}

TEST(LinkEnds, WhomASwitchoverWasAgreedWithCountsBeforeTheLinks) {
  auto handed_over = seoul;
  add_incoming(handed_over, "tokyo-seoul", "X", 3);
  auto& record = handed_over.switchovers.emplace_back();
  record.link = "seoul-tokyo";
  record.peer_id = "T";
  record.peer_number = 2;
  EXPECT_EQ(wrong_ends(names, &handed_over, tokyo), "");
  EXPECT_NE(wrong_ends(names, &handed_over, another_tokyo), "");
}

TEST(LinkEnds, WhatWasForgottenDoesNotComeBackAndItsSuccessorMay) {
  auto has_forgotten = seoul;
  add_incoming(has_forgotten, "tokyo-seoul", "", 0);
  has_forgotten.links[0].forgotten.push_back({"T", 2});
  EXPECT_NE(wrong_ends(names, &has_forgotten, tokyo).find("forgotten"), std::string::npos);
  EXPECT_EQ(wrong_ends(names, &has_forgotten, another_tokyo), "");
  EXPECT_NE(wrong_ends({"tokyo", "seoul"}, &tokyo, has_forgotten).find("forgotten"),
            std::string::npos)
      << "nor by the link that leads here";
}

// Never the same number with another id, nor the same id with another number.
TEST(LinkEnds, BothIdAndNumberCount) {
  auto knows_tokyo = seoul;
  add_incoming(knows_tokyo, "tokyo-seoul", "T", 2);
  EXPECT_NE(wrong_ends(names, &knows_tokyo, site("tokyo", "T", 3)), "");
}

}  // namespace
}  // namespace isthmus::kafka
