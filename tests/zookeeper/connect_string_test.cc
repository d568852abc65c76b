#include "zookeeper/connect_string.h"

#include <gtest/gtest.h>

namespace isthmus::zookeeper {
namespace {

Result<ConnectString> parse(std::string_view text) { return ConnectString::parse(text); }

std::string why_not(std::string_view text) {
  auto parsed = parse(text);
  return parsed ? "it is right" : parsed.error().text;
}

TEST(ConnectString, NamesServersAndAtTheEndAFolder) {
  const auto parsed = parse("zk1:2181, zk2,[::1]:2183/kafka/seoul");
  ASSERT_TRUE(parsed) << parsed.error().text;
  EXPECT_EQ(parsed->servers,
            (std::vector<io::Address>{{"zk1", 2181}, {"zk2", 2181}, {"::1", 2183}}));
  EXPECT_EQ(parsed->root, "/kafka/seoul");
  EXPECT_EQ(parsed->to_string(), "zk1:2181,zk2:2181,[::1]:2183/kafka/seoul");
  EXPECT_EQ(parse(parsed->to_string())->root, parsed->root);
  EXPECT_EQ(parsed->servers_for_library(), "zk1:2181,zk2:2181,::1:2183");
}

TEST(ConnectString, WithoutAFolderItIsAllOfZookeepers) {
  EXPECT_EQ(parse("zk1:2181")->root, "");
  EXPECT_EQ(parse("zk1:2181/")->root, "");
  EXPECT_EQ(parse("[::1]")->servers, (std::vector<io::Address>{{"::1", 2181}}));
}

TEST(ConnectString, WhatIsWrongIsSaid) {
  EXPECT_NE(why_not("zk1:2181/a,zk2:2181/a").find("once, behind the last"), std::string::npos);
  EXPECT_NE(why_not("zk1:2181,,zk2").find("missing"), std::string::npos);
  EXPECT_NE(why_not("").find("missing"), std::string::npos);
  EXPECT_NE(why_not("/isthmus").find("missing"), std::string::npos);
  EXPECT_NE(why_not("zk1:0").find("zk1:0"), std::string::npos);
  EXPECT_NE(why_not("zk1:port").find("zk1:port"), std::string::npos);
  EXPECT_NE(why_not("zk1:2181/a/").find("must not end with /"), std::string::npos);
}

TEST(ZookeeperRoot, IsAFolderThatCanBeMade) {
  EXPECT_FALSE(why_no_root("/isthmus"));
  EXPECT_FALSE(why_no_root("/kafka/seoul"));
  for (const char* bad : {"", "isthmus", "/", "/a/", "/a//b", "/a/../b", "/a b", "/zookeeper/a"}) {
    EXPECT_TRUE(why_no_root(bad)) << bad;
  }
}

}  // namespace
}  // namespace isthmus::zookeeper
