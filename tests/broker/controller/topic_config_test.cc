#include "broker/controller/topic_config.h"

#include <gtest/gtest.h>

namespace isthmus::broker {
namespace {

TEST(TopicConfig, WhatIsWrongIsNamedWithWhatWouldBeRight) {
  EXPECT_TRUE(check_topic_config("retention.ms", "-1"));
  for (auto [name, value] : {std::pair{"retention.ms", "-2"},
                             {"retention.ms", "a week"},
                             {"retention.ms", ""},
                             {"segment.bytes", "13"},
                             {"segment.bytes", "99999999999"},
                             {"max.message.bytes", "1k"},
                             {"min.insync.replicas", "2"},
                             {"cleanup.policy", "none"},
                             {"compression.type", "gzip"},
                             {"message.timestamp.type", "create"},
                             {"message.timestamp.after.max.ms", "-1"},
                             {"message.timestamp.before.max.ms", "9223372036854775808"}}) {
    auto refused = check_topic_config(name, value);
    ASSERT_FALSE(refused) << name << "=" << value;
    EXPECT_NE(refused.error().text.find(name), std::string::npos);
    EXPECT_NE(refused.error().text.find(value), std::string::npos);
  }
  EXPECT_FALSE(check_topic_config("no.such.key", "1"));
}

TEST(TopicConfig, OverridesWinOverTheBrokersOptions) {
  LogConfig defaults;
  defaults.retention_ms = 5;
  LogConfig config = log_config(defaults, {{"segment.bytes", "1000"},
                                           {"cleanup.policy", "compact"},
                                           {"message.timestamp.type", "LogAppendTime"},
                                           {"max.message.bytes", "77"},
                                           {"message.timestamp.after.max.ms", "60000"},
                                           {"message.timestamp.before.max.ms", "0"},
                                           {"key.of.a.newer.release", "x"}});
  EXPECT_EQ(config.retention_ms, 5);
  EXPECT_EQ(config.segment_bytes, 1000);
  EXPECT_EQ(config.max_message_bytes, 77);
  EXPECT_TRUE(config.compact);
  EXPECT_FALSE(config.delete_old);
  EXPECT_EQ(config.timestamp_type, kafka::TimestampType::log_append_time);
  EXPECT_EQ(config.timestamp_after_max_ms, 60'000);
  EXPECT_EQ(config.timestamp_before_max_ms, 0);
}

TEST(TopicConfig, EveryKeyShowsTheValueThatTheLogGoesBy) {
  LogConfig config;
  config.timestamp_type = kafka::TimestampType::log_append_time;
  EXPECT_EQ(effective_value(*find_topic_config("message.timestamp.type"), config, {}),
            "LogAppendTime");
  for (const auto& key : topic_config_keys()) {
    std::string value = effective_value(key, config, {});
    EXPECT_TRUE(check_topic_config(std::string(key.name), value)) << key.name << "=" << value;
    EXPECT_EQ(effective_value(key, config, {{std::string(key.name), "as set"}}), "as set");
  }
}

}  // namespace
}  // namespace isthmus::broker
