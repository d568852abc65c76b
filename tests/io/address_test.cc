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

}  // namespace
}  // namespace isthmus::io
