#include "mirror/left_out.h"

#include <gtest/gtest.h>

namespace isthmus::mirror {
namespace {

SourceTopic topic(const std::string& name, const std::string& link = "") {
  SourceTopic topic;
  topic.name = name;
  topic.link = link;
  return topic;
}

TEST(LeftOut, TellsWhatClientsWriteAndTheLinkDoesNotBringAndWhy) {
  LeftOut left_out;
  left_out.begin();
  left_out.found(topic("orders"), true);
  left_out.found(topic("young"), true);
  left_out.found(topic("twice"), true);
  left_out.found(topic("excluded"), false);
  left_out.found(topic("from elsewhere", "busan-seoul"), true);
  kafka::ReportMirrorRequest report;
  left_out.tell({"orders"}, {{"twice", "another topic here"}}, report);
  EXPECT_EQ(report.left_out_count, 3);
  ASSERT_EQ(report.left_out.size(), 3u);
  EXPECT_EQ(report.left_out[0].name, "excluded");
  EXPECT_FALSE(report.left_out[0].selected);
  EXPECT_EQ(report.left_out[1].reason, "another topic here");
  EXPECT_EQ(report.left_out[2].reason, "not attached yet");
}

// Each discovery begins anew: what was deleted at the source is not left out for ever.
TEST(LeftOut, ForgetsWhatIsGone) {
  LeftOut left_out;
  left_out.begin();
  left_out.found(topic("gone"), true);
  left_out.begin();
  kafka::ReportMirrorRequest report;
  left_out.tell({}, {}, report);
  EXPECT_EQ(report.left_out_count, 0);
}

TEST(LeftOut, CountsMoreThanItNames) {
  LeftOut left_out;
  left_out.begin();
  for (int i = 0; i < 5000; ++i) left_out.found(topic("t" + std::to_string(i)), true);
  kafka::ReportMirrorRequest report;
  left_out.tell({}, {}, report);
  EXPECT_EQ(report.left_out_count, 5000);
  EXPECT_EQ(report.left_out.size(), 200u);
}

}  // namespace
}  // namespace isthmus::mirror
