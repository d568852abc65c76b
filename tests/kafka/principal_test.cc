#include "kafka/principal.h"

#include <gtest/gtest.h>

namespace isthmus::kafka {
namespace {

TEST(Principal, NobodyIsAnonymous) { EXPECT_EQ(Principal().to_string(), "User:ANONYMOUS"); }

TEST(Principal, IsReadAsItIsWritten) {
  for (const char* text :
       {"User:alice", "User:*", "Role:a:b", "User:CN=a,OU=b", "a:b", "User: x"}) {
    auto read = Principal::parse(text);
    ASSERT_TRUE(read) << text;
    EXPECT_EQ(read->to_string(), text);
  }
  EXPECT_EQ(*Principal::parse("User:a:b"), (Principal{"User", "a:b"})) << "at the first colon";
}

TEST(Principal, WhoNamesNobodyIsToldHow) {
  for (const char* text : {"", "alice", ":", "User:", ":alice"}) {
    auto read = Principal::parse(text);
    ASSERT_FALSE(read) << text;
    EXPECT_NE(read.error().text.find("User:alice"), std::string::npos);
  }
}

}  // namespace
}  // namespace isthmus::kafka
