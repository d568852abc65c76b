#include <gtest/gtest.h>

#include "io/stream.h"

namespace isthmus::io {
namespace {

TEST(Address, ParsesNamesAndNumbers) {
  EXPECT_EQ(*Address::parse("kafka.example:9092"), (Address{"kafka.example", 9092}));
  EXPECT_EQ(*Address::parse("10.0.0.1:0"), (Address{"10.0.0.1", 0}));
  EXPECT_EQ(*Address::parse("[::1]:65535"), (Address{"::1", 65535}));
}

TEST(Address, WritesWhatItReads) {
  for (const char* text : {"kafka.example:9092", "[::1]:9092"}) {
    EXPECT_EQ(Address::parse(text)->to_string(), text);
  }
}

TEST(Address, RefusesWhatIsNotHostAndPort) {
  for (const char* text : {"", "host", ":9092", "host:", "host:65536", "host:-1", "host:9092x",
                           "host:+1", "::1:9092", "[::1]", "[]:1", "a:b:1"}) {
    auto address = Address::parse(text);
    ASSERT_FALSE(address) << text;
    EXPECT_NE(address.error().text.find("expected host:port"), std::string::npos);
  }
}

TEST(Address, OneAddressHasOneForm) {
  EXPECT_EQ(canonical_ip("10.0.0.1"), "10.0.0.1");
  EXPECT_EQ(canonical_ip("2001:DB8:0:0::1"), "2001:db8::1");
  for (const char* none : {"", "10.0.0", "10.0.0.1:80", "localhost", "::1%lo"}) {
    EXPECT_FALSE(canonical_ip(none).has_value()) << none;
  }
}

TEST(Address, OnlyThisMachineReachesLoopback) {
  for (const char* own :
       {"127.0.0.1", "127.1.2.3", "::1", "0:0:0:0:0:0:0:1", "localhost", "::ffff:127.0.0.1"}) {
    EXPECT_TRUE(is_loopback(own)) << own;
  }
  for (const char* others : {"0.0.0.0", "::", "10.0.0.1", "::2", "fe80::1", "", "127.0.0.1.example",
                             "localhost.example", "seoul", "::ffff:10.0.0.1"}) {
    EXPECT_FALSE(is_loopback(others)) << others;
  }
}

TEST(Address, ANetworkIsWhatItsUserCannotChoose) {
  EXPECT_EQ(network_of("10.0.0.1"), "10.0.0.1");
  EXPECT_EQ(network_of("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
  EXPECT_EQ(network_of("2001:db8:1:2:ffff::"), "2001:db8:1:2::");
  EXPECT_EQ(network_of("::ffff:10.0.0.1"), "::ffff:10.0.0.1");
  EXPECT_EQ(network_of("what else"), "what else");
}

}  // namespace
}  // namespace isthmus::io
