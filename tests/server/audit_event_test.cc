// What a line of the audit says, and how long it can become.
#include "server/audit_event.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace isthmus::server {
namespace {

using nlohmann::json;

AuditEvent event() {
  AuditEvent e;
  e.time_ms = 1'700'000'000'042;
  e.principal = "User:alice";
  e.host = "10.0.0.7";
  e.listener = "CLIENT";
  e.action = "CreateTopics";
  e.resource_type = "topic";
  e.resources.add("orders");
  return e;
}

TEST(AuditLine, IsOneObjectWithWhatThereIs) {
  EXPECT_EQ(audit_line(event()),
            R"({"action":"CreateTopics","host":"10.0.0.7","listener":"CLIENT",)"
            R"("outcome":"allowed","principal":"User:alice","resource_type":"topic",)"
            R"("resources":["orders"],"time":"2023-11-14T22:13:20.042Z"})");
}

TEST(AuditLine, SaysTheRestWhereItIsThere) {
  AuditEvent e = event();
  e.outcome = AuditOutcome::refused;
  e.error = "TOPIC_AUTHORIZATION_FAILED";
  e.client_id = "admin";
  e.impersonated_by = "User:router";
  e.detail = "validate";
  e.dropped = 7;
  const auto line = json::parse(audit_line(e));
  EXPECT_EQ(line["outcome"], "refused");
  EXPECT_EQ(line["error"], "TOPIC_AUTHORIZATION_FAILED");
  EXPECT_EQ(line["client_id"], "admin");
  EXPECT_EQ(line["impersonated_by"], "User:router");
  EXPECT_EQ(line["detail"], "validate");
  EXPECT_EQ(line["dropped_before"], 7);
}

TEST(AuditLine, NamesFromOutsideMakeNoSecondLine) {
  AuditEvent e = event();
  e.client_id = "a\n{\"action\":\"Promote\"}\xff";
  e.resources.add("b\r\nc");
  const std::string text = audit_line(e);
  EXPECT_EQ(text.find('\n'), std::string::npos);
  const auto line = json::parse(text);
  EXPECT_EQ(line["action"], "CreateTopics");
  EXPECT_EQ(line["resources"][1], "b\r\nc");
}

TEST(AuditLine, OfManyNamesTheFirstAreNamedAndTheOthersCounted) {
  AuditEvent e = event();
  for (int i = 0; i < 20; ++i) e.resources.add("t" + std::to_string(i));
  const auto line = json::parse(audit_line(e));
  EXPECT_EQ(line["resources"].size(), AuditNames::most);
  EXPECT_EQ(line["resources"][0], "orders");
  EXPECT_EQ(line["resources_more"], 11);
}

TEST(AuditNames, TheSameAgainIsNotAnother) {
  AuditNames names;
  for (int topic = 0; topic < 12; ++topic) {
    for (int partition = 0; partition < 3; ++partition) names.add("t" + std::to_string(topic));
  }
  EXPECT_EQ(names.named().size(), 10u);
  EXPECT_EQ(names.more(), 2u);
  AuditNames nameless;
  nameless.add("");
  EXPECT_EQ(nameless.named().size(), 1u);
}

TEST(AuditText, IsCutBetweenCodePoints) {
  EXPECT_EQ(audit_text("short"), "short");
  const std::string exact(longest_audit_text, 'x');
  EXPECT_EQ(audit_text(exact), exact);
  // Two bytes each, so that the limit falls inside of one after a single byte.
  std::string text = "x";
  while (text.size() <= longest_audit_text) text += "é";
  const std::string cut = audit_text(text);
  EXPECT_EQ(cut, text.substr(0, longest_audit_text - 1) + "…");
}

}  // namespace
}  // namespace isthmus::server
