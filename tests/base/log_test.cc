// What a line of the log is, in both forms, and which are written.
#include "base/log.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/base/read_back.h"

namespace isthmus {
namespace {

class LogTest : public testing::Test {
 protected:
  void TearDown() override {
    set_log_level(LogLevel::info);
    set_log_format(LogFormat::text);
  }

  template <typename Say>
  std::string said(Say say) {
    testing::internal::CaptureStderr();
    say();
    return testing::internal::GetCapturedStderr();
  }
  nlohmann::json said_in_json(const Logger& logger, const std::string& message) {
    set_log_format(LogFormat::json);
    const std::string line = said([&] { logger.warn("{}", message); });
    EXPECT_EQ(line.find('\n'), line.size() - 1) << line;
    return nlohmann::json::parse(line);
  }
};

TEST_F(LogTest, a_line_of_text_names_its_owner) {
  const Logger logger(LogComponent::partitions, "orders-3");
  const std::string line = said([&] { logger.warn("offline: {}", "no\nroom\xff"); });
  EXPECT_TRUE(line.ends_with(" orders-3: offline: no\\x0aroom\\xff\n")) << line;
  EXPECT_EQ(line.find('\n'), line.size() - 1);
}

TEST_F(LogTest, json_is_one_object_on_one_line) {
  const auto event = said_in_json(Logger(LogComponent::partitions, "orders-3"), "offline: no room");
  EXPECT_EQ(event.size(), 5u);
  EXPECT_EQ(event["level"], "warn");
  EXPECT_EQ(event["component"], "partitions");
  EXPECT_EQ(event["owner"], "orders-3");
  EXPECT_EQ(event["message"], "offline: no room");
  const auto time = event["time"].get<std::string>();
  ASSERT_EQ(time.size(), std::string("2026-03-01T12:00:00.123Z").size()) << time;
  EXPECT_EQ(time[10], 'T');
  EXPECT_EQ(time[19], '.');
  EXPECT_EQ(time.back(), 'Z');
}

TEST_F(LogTest, names_from_outside_come_back_from_json_exactly) {
  for (const std::string name :
       {"a\nb", "\"},{\"level\":\"error", "\\", "\xff\xfe", "주문", "a\u202E", "%v %l {}", ""}) {
    const auto event = said_in_json(Logger(LogComponent::link, name), "topic=" + name);
    EXPECT_EQ(read_back(event["owner"].get<std::string>()), name);
    EXPECT_EQ(read_back(event["message"].get<std::string>()), "topic=" + name);
  }
}

TEST_F(LogTest, a_component_has_a_level_of_its_own) {
  const Logger mirror(LogComponent::mirror, "link a-b"), router(LogComponent::router);
  LogLevels levels;
  levels.fill(LogLevel::warn);
  levels[static_cast<size_t>(LogComponent::mirror)] = LogLevel::debug;
  set_log_levels(levels);
  EXPECT_EQ(log_levels(), levels);
  EXPECT_NE(said([&] { mirror.debug("asks"); }), "");
  EXPECT_EQ(said([&] { mirror.trace("bytes"); }), "");
  EXPECT_EQ(said([&] { router.info("goes on"); }), "");
  EXPECT_NE(said([&] { router.warn("waits"); }), "");
  set_log_level(LogLevel::off);
  EXPECT_EQ(said([&] { router.error("stands"); }), "");
}

TEST_F(LogTest, who_names_no_owner_is_called_by_the_component) {
  const std::string line = said([] { Logger(LogComponent::zookeeper).info("here"); });
  EXPECT_TRUE(line.ends_with(" zookeeper: here\n")) << line;
}

TEST(LogNames, are_found_again_and_no_others_are) {
  for (const LogComponentText& each : log_component_texts()) {
    EXPECT_EQ(find_log_component(each.name), each.component);
    EXPECT_EQ(to_string(each.component), each.name);
    EXPECT_FALSE(find_log_level(each.name)) << "what a word of the command means is told by it";
    EXPECT_STRNE(each.text, "");
  }
  for (const LogLevel level : log_levels_by_name) {
    EXPECT_EQ(find_log_level(to_string(level)), level);
  }
  EXPECT_FALSE(find_log_component("mirorr"));
  EXPECT_FALSE(find_log_level("off")) << "an error is never kept from the operator";
}

}  // namespace
}  // namespace isthmus
