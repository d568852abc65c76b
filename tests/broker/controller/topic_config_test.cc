#include "broker/controller/topic_config.h"

#include <gtest/gtest.h>

namespace isthmus::broker {
namespace {

TEST(TopicConfig, WhatIsWrongIsNamedWithWhatWouldBeRight) {
  EXPECT_TRUE(check_topic_config("retention.ms", "-1"));
  for (auto [name, value] : {std::pair{"retention.ms", "-2"},
                             {"retention.ms", "a week"},
                             {"retention.ms", ""},
                             {"segment.bytes", "1048575"},
                             {"segment.bytes", "99999999999"},
                             {"max.message.bytes", "1k"},
                             {"min.insync.replicas", "0"},
                             {"cleanup.policy", "none"},
                             {"cleanup.policy", "compact,"},
                             {"compression.type", "brotli"},
                             {"compression.gzip.level", "10"},
                             {"flush.messages", "0"},
                             {"min.cleanable.dirty.ratio", "1.5"},
                             {"preallocate", "yes"},
                             {"remote.storage.enable", "true"},
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

// Templates of other clusters, as they are: what has no meaning here is kept.
TEST(TopicConfig, WhatKafkaKnowsIsTaken) {
  for (auto [name, value] : {std::pair{"flush.messages", "1"},
                             {"flush.ms", "1000"},
                             {"compression.type", "lz4"},
                             {"min.cleanable.dirty.ratio", "0.01"},
                             {"retention.bytes", "-100"},
                             {"segment.bytes", " 1048576 "},
                             {"cleanup.policy", "compact, delete"},
                             {"leader.replication.throttled.replicas", "0:1,1:2"},
                             {"compression.zstd.level", "-131072"},
                             {"unclean.leader.election.enable", "true"},
                             {"min.insync.replicas", "2"}}) {
    EXPECT_TRUE(check_topic_config(name, value)) << name << "=" << value;
  }
}

TEST(TopicConfig, WhatThisClusterCannotKeepIsWarnedOf) {
  EXPECT_TRUE(config_warnings({{"min.insync.replicas", "1"}}, 1).empty());
  EXPECT_TRUE(config_warnings({{"retention.ms", "5"}}, 1).empty());
  const auto warnings = config_warnings({{"min.insync.replicas", "2"}}, 1);
  ASSERT_EQ(warnings.size(), 1u);
  EXPECT_NE(warnings[0].find("min.insync.replicas is 2"), std::string::npos);
  EXPECT_TRUE(config_warnings({{"min.insync.replicas", "2"}}, 3).empty());
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
  for (const auto& key : topic_config_keys()) {
    const std::string name(key.name);
    const std::string value = default_value(key, config);
    EXPECT_TRUE(check_topic_config(name, value)) << name << "=" << value;
    EXPECT_EQ(value, key.kafkas_default) << name << " of a broker whose YAML says nothing";
    const LogConfig same = log_config(config, {{name, value}});
    EXPECT_EQ(default_value(key, same), value) << name;
    EXPECT_EQ(find_topic_config(name), &key) << "twice in the table";
  }
}

}  // namespace
}  // namespace isthmus::broker
