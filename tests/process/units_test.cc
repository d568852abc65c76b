#include "process/units.h"

#include <gtest/gtest.h>

namespace isthmus::process {
namespace {

TEST(Units, sizes) {
  EXPECT_EQ(parse_bytes("0"), 0);
  EXPECT_EQ(parse_bytes("1048576"), 1048576);
  EXPECT_EQ(parse_bytes("64KiB"), 65536);
  EXPECT_EQ(parse_bytes("1 GiB"), 1 << 30);
  EXPECT_EQ(parse_bytes("100MB"), 100'000'000);
  EXPECT_EQ(parse_bytes("3kB"), 3000);
}

TEST(Units, durations) {
  using namespace std::chrono_literals;
  EXPECT_EQ(parse_duration("250ms"), 250ms);
  EXPECT_EQ(parse_duration("5s"), 5s);
  EXPECT_EQ(parse_duration("10m"), 10min);
  EXPECT_EQ(parse_duration("24h"), 24h);
  EXPECT_EQ(parse_duration("7d"), 7 * 24h);
}

TEST(Units, what_is_no_number_with_a_unit) {
  for (const char* text : {"", "-1", "MB", "1.5GiB", "1 gib", "1GiBs", "10  MB", "0x10",
                           "9223372036854775807KiB", "99999999999999999999"}) {
    EXPECT_FALSE(parse_bytes(text)) << text;
  }
  for (const char* text : {"", "5", "5sec", "-5s", "s", "1h30m"}) {
    EXPECT_FALSE(parse_duration(text)) << text;
  }
}

TEST(Units, shown_as_they_are_read) {
  for (int64_t bytes : {0L, 1L, 1000L, 1024L, 1536L, 1'000'000L, 1L << 30, 100'000'000L, 1234567L})
    EXPECT_EQ(parse_bytes(format_bytes(bytes)), bytes) << format_bytes(bytes);
  for (int64_t ms : {0L, 1L, 999L, 1000L, 60'000L, 90'000L, 86'400'000L})
    EXPECT_EQ(parse_duration(format_duration(std::chrono::milliseconds(ms)))->count(), ms);
  EXPECT_EQ(format_bytes(1 << 30), "1GiB");
  EXPECT_EQ(format_duration(std::chrono::hours(24)), "1d");
}

}  // namespace
}  // namespace isthmus::process
