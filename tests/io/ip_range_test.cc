#include "io/ip_range.h"

#include <gtest/gtest.h>

namespace isthmus::io {
namespace {

TEST(IpRange, HoldsTheAddressesOfItsNetwork) {
  struct Case {
    const char* range;
    const char* ip;
    bool inside;
  };
  for (const auto& [range, ip, inside] : {
           Case{"10.0.0.0/8", "10.255.0.1", true},
           {"10.0.0.0/8", "11.0.0.0", false},
           {"10.0.0.0/8", "::ffff:10.0.0.1", true},
           {"10.1.2.128/25", "10.1.2.128", true},
           {"10.1.2.128/25", "10.1.2.127", false},
           {"10.1.2.3", "10.1.2.3", true},
           {"10.1.2.3", "10.1.2.2", false},
           {"0.0.0.0/0", "255.255.255.255", true},
           {"0.0.0.0/0", "::1", false},
           {"fd00::/8", "fdff::1", true},
           {"fd00::/8", "fe00::1", false},
           {"::1", "::1", true},
           {"::/0", "10.0.0.1", true},
           {"::ffff:10.0.0.0/104", "10.2.3.4", true},
           {"10.0.0.0/8", "kafka.corp", false},
           {"10.0.0.0/8", "", false},
       }) {
    const auto parsed = IpRange::parse(range);
    ASSERT_TRUE(parsed) << range << ": " << parsed.error().text;
    EXPECT_EQ(parsed->contains(ip), inside) << range << " " << ip;
    EXPECT_EQ(parsed->to_string(), range);
  }
}

TEST(IpRange, RefusesWhatIsNone) {
  for (const char* text : {"", "/8", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/8x",
                           "10.0.0/8", "fd00::/129", "kafka.corp", "10.0.0.0/8/8"}) {
    EXPECT_FALSE(IpRange::parse(text)) << text;
  }
  const auto astray = IpRange::parse("10.1.2.3/8");
  ASSERT_FALSE(astray);
  EXPECT_NE(astray.error().text.find("bits behind its prefix"), std::string::npos);
}

}  // namespace
}  // namespace isthmus::io
