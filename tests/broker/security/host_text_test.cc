#include "broker/security/host_text.h"

#include <gtest/gtest.h>

namespace isthmus::broker {
namespace {

TEST(HostText, IsWhatJavaWrites) {
  EXPECT_EQ(host_text("::1"), "0:0:0:0:0:0:0:1");
  EXPECT_EQ(host_text("::"), "0:0:0:0:0:0:0:0");
  EXPECT_EQ(host_text("2001:DB8::00a0:0"), "2001:db8:0:0:0:0:a0:0");
  EXPECT_EQ(host_text("fe80::1%eth0"), "fe80:0:0:0:0:0:0:1%eth0");
  EXPECT_EQ(host_text("1:2:3:4:5:6:7:8"), "1:2:3:4:5:6:7:8");
  EXPECT_EQ(host_text("1::"), "1:0:0:0:0:0:0:0");
  EXPECT_EQ(host_text("::ffff:10.0.0.1"), "10.0.0.1");
}

TEST(HostText, WhatIsNoAddressOfIpv6StaysAsItIs) {
  for (const char* text : {"*", "10.0.0.1", "Host", "", ":", ":::", "1:2", "1:2:3:4:5:6:7:8:9",
                           "1::2::3", "1:2:3:4:5:6:7::8", "g::1", "12345::", ":1", "1:", "a:b:"}) {
    EXPECT_EQ(host_text(text), text);
  }
}

TEST(HostText, IsItsOwnText) {
  for (const char* text : {"::1", "2001:DB8::1", "::ffff:10.0.0.1", "fe80::%eth0"}) {
    EXPECT_EQ(host_text(host_text(text)), host_text(text));
  }
}

}  // namespace
}  // namespace isthmus::broker
