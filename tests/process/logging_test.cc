// What of the log is in force: the file's word, the command line's, an operator's.
#include "process/logging.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "process/mirror_config.h"

namespace isthmus::process {
namespace {

const std::string links =
    "links:\n"
    "  a-b: {source: {bootstrap.servers: \"h:1\"}, target: {bootstrap.servers: \"h:2\"}}\n";

LoggingConfig config_of(const std::string& log) {
  auto config = parse_config<MirrorConfig>(links + "log: " + log + "\n", "f.yaml");
  EXPECT_TRUE(config) << config.error().text;
  return config ? config->log : LoggingConfig{};
}

LogLevel level_of(LogComponent component) { return log_levels()[static_cast<size_t>(component)]; }

class LoggingTest : public testing::Test {
 protected:
  void TearDown() override {
    set_log_level(LogLevel::info);
    set_log_format(LogFormat::text);
  }
  static nlohmann::json shown(const Logging& logging) {
    return nlohmann::json::parse(logging.json());
  }
};

TEST_F(LoggingTest, a_component_has_its_own_level_or_that_of_all) {
  const LoggingConfig config = config_of("{level: warn, levels: {mirror: debug}}");
  const Logging logging(Product::mirror, config, std::nullopt);
  EXPECT_EQ(level_of(LogComponent::mirror), LogLevel::debug);
  EXPECT_EQ(level_of(LogComponent::client), LogLevel::warn);
  EXPECT_EQ(shown(logging)["format"], "text");
  EXPECT_EQ(shown(logging)["levels"]["mirror"], "debug");
  EXPECT_EQ(shown(logging)["levels"].size(), log_components);
  EXPECT_EQ(shown(logging)["until_reload"], nlohmann::json::array());
}

TEST_F(LoggingTest, a_file_that_says_nothing_means_text_from_info_on) {
  const Logging logging(Product::mirror, LoggingConfig{}, std::nullopt);
  EXPECT_EQ(level_of(LogComponent::mirror), LogLevel::info);
  EXPECT_EQ(shown(logging)["format"], "text");
}

TEST_F(LoggingTest, the_command_line_stands_for_the_level_of_the_file) {
  Logging logging(Product::mirror, config_of("{level: warn, levels: {tls: error}}"),
                  LogLevel::debug);
  EXPECT_EQ(level_of(LogComponent::mirror), LogLevel::debug);
  EXPECT_EQ(level_of(LogComponent::tls), LogLevel::error);
  logging.reload(links + "log: {level: info}\n", "f.yaml");
  EXPECT_EQ(level_of(LogComponent::mirror), LogLevel::debug);
  EXPECT_EQ(level_of(LogComponent::tls), LogLevel::debug);
}

TEST_F(LoggingTest, what_is_set_lasts_until_the_file_is_read_again) {
  Logging logging(Product::mirror, config_of("{levels: {tls: warn}}"), std::nullopt);
  logging.set({LogComponent::mirror, LogLevel::trace});
  EXPECT_EQ(level_of(LogComponent::mirror), LogLevel::trace);
  EXPECT_EQ(level_of(LogComponent::tls), LogLevel::warn);
  EXPECT_EQ(shown(logging)["until_reload"], nlohmann::json::array({"mirror"}));
  logging.set({std::nullopt, LogLevel::error});
  EXPECT_EQ(level_of(LogComponent::mirror), LogLevel::error);
  EXPECT_EQ(level_of(LogComponent::tls), LogLevel::error);
  EXPECT_EQ(shown(logging)["until_reload"].size(), log_components);

  logging.reload("links: {}\n", "f.yaml");
  EXPECT_EQ(level_of(LogComponent::mirror), LogLevel::error) << "a file that is wrong says nothing";
  logging.reload(links + "log: {format: json, levels: {mirror: debug}}\n", "f.yaml");
  EXPECT_EQ(level_of(LogComponent::mirror), LogLevel::debug);
  EXPECT_EQ(level_of(LogComponent::tls), LogLevel::info);
  EXPECT_EQ(shown(logging)["format"], "json");
  EXPECT_EQ(shown(logging)["until_reload"], nlohmann::json::array());
}

TEST_F(LoggingTest, a_change_is_a_level_of_all_or_of_a_component) {
  const auto all = parse_log_change("debug");
  ASSERT_TRUE(all);
  EXPECT_FALSE(all->component);
  EXPECT_EQ(all->level, LogLevel::debug);
  EXPECT_EQ(all->to_string(), "debug");
  const auto one = parse_log_change("zookeeper=warn");
  ASSERT_TRUE(one);
  EXPECT_EQ(one->component, LogComponent::zookeeper);
  EXPECT_EQ(one->level, LogLevel::warn);
  EXPECT_EQ(one->to_string(), "zookeeper=warn");
}

TEST_F(LoggingTest, what_is_no_change_is_told_what_would_be_one) {
  const auto component = parse_log_change("mirorr=debug");
  ASSERT_FALSE(component);
  EXPECT_TRUE(component.error().text.starts_with("\"mirorr\" is no component; there are process, "))
      << component.error().text;
  for (const LogComponentText& each : log_component_texts()) {
    EXPECT_NE(component.error().text.find(each.name), std::string::npos) << each.name;
  }
  for (const char* wrong : {"", "=", "mirror", "mirror=", "mirror=loud", "off", "mirror=off",
                            "mirror=debug=info", "Debug", " debug"}) {
    const auto level = parse_log_change(wrong);
    ASSERT_FALSE(level) << wrong;
    EXPECT_EQ(level.error().text.find('\n'), std::string::npos);
  }
}

}  // namespace
}  // namespace isthmus::process
