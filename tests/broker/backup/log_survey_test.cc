#include "broker/backup/log_survey.h"

#include "broker/log/doomed.h"
#include "broker/repair/offline_partitions.h"
#include "tests/broker/replica/table_world.h"

namespace isthmus::broker {
namespace {

class LogSurveyTest : public PartitionTableTest {};

TEST_F(LogSurveyTest, HasWhatABrokerLeft) {
  create("orders", 1, 2);
  for (int i = 0; i < 3; ++i) write("orders", 1);
  EXPECT_FALSE(survey_logs(world_.disk(), log_dirs_, {})) << "a broker runs";
  kill();
  auto survey = survey_logs(world_.disk(), log_dirs_, {});
  ASSERT_TRUE(survey) << survey.error().text;
  EXPECT_EQ(survey->node, 101);
  EXPECT_EQ(survey->cluster_id, "cluster");
  ASSERT_EQ(survey->logs.size(), 2u);
  const SurveyedLog* log = survey->find(uuid_of(1), 1);
  ASSERT_NE(log, nullptr);
  EXPECT_EQ(log->end, 3);
  EXPECT_EQ(log->last_epoch, 0);
  EXPECT_FALSE(log->is_damaged);
  EXPECT_EQ(survey->find(uuid_of(1), 0)->end, 0);

  auto back = decode_survey(encode_survey(*survey), "file");
  ASSERT_TRUE(back) << back.error().text;
  EXPECT_EQ(back->directory_id, survey->directory_id);
  EXPECT_EQ(back->find(uuid_of(1), 1)->end, 3);
  EXPECT_EQ(back->find(uuid_of(1), 1)->known_end, 3);
  EXPECT_FALSE(decode_survey("", "file"));
  boot();
}

TEST_F(LogSurveyTest, IsNoneWhereADirectoryOrAFolderIsMissing) {
  create("orders", 1, 8);
  write("orders", 0);
  kill();
  const auto refusal = [&](const std::vector<std::string>& dirs) {
    auto survey = survey_logs(world_.disk(), dirs, {});
    return survey ? std::string() : survey.error().text;
  };
  const auto has = [](const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
  };
  EXPECT_EQ(refusal(log_dirs_), "");
  // Four of them are there.
  ASSERT_TRUE(world_.disk().rename("/data/2", "/away"));
  std::string text = refusal(log_dirs_);
  EXPECT_TRUE(has(text, "not there, 4 in all: orders-")) << text;
  EXPECT_TRUE(has(text, "last seen at /data/2; ...: mount")) << text;
  EXPECT_EQ(refusal({"/data/1"}), text) << "it is not named";
  EXPECT_EQ(refusal({"/data/1", "/away"}), "") << "mounted elsewhere";
  ASSERT_TRUE(world_.disk().rename("/away", "/data/2"));
  const std::string dir = world_.disk().exists("/data/1/orders-3") ? "/data/1" : "/data/2";
  ASSERT_TRUE(world_.disk().rename(dir + "/orders-3", "/gone"));
  text = refusal(log_dirs_);
  EXPECT_TRUE(has(text, "1 in all: folder " + dir + "/orders-3: mount")) << text;
  // Given up on an operator's word.
  ASSERT_TRUE(OfflinePartitions::open(world_.disk(), log_dirs_).value().forget({"orders", 3}));
  auto survey = survey_logs(world_.disk(), log_dirs_, {});
  ASSERT_TRUE(survey) << survey.error().text;
  EXPECT_EQ(survey->logs.size(), 7u);
  boot();
}

TEST_F(LogSurveyTest, PassesOverAFolderWhoseDeletionACrashHasLeftHalfDone) {
  create("orders", 1, 1);
  kill();
  const std::string dir = world_.disk().exists("/data/1/orders-0") ? "/data/1" : "/data/2";
  ASSERT_TRUE(doom(world_.disk(), dir + "/orders-0", uuid_of(1), 0));
  auto survey = survey_logs(world_.disk(), log_dirs_, {});
  ASSERT_TRUE(survey) << survey.error().text;
  EXPECT_TRUE(survey->logs.empty());
  boot();
}

}  // namespace
}  // namespace isthmus::broker
