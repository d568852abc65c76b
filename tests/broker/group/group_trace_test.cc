// Runs the traces (trace.h) under traces/.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "tests/broker/group/trace.h"

namespace isthmus::broker {
namespace {

std::vector<std::string> trace_names() {
  std::vector<std::string> names;
  for (const auto& file : std::filesystem::directory_iterator(TRACE_DIR)) {
    names.push_back(file.path().stem().string());
  }
  std::ranges::sort(names);
  return names;
}

class GroupTrace : public testing::TestWithParam<std::string> {};

TEST_P(GroupTrace, AnswersAsWritten) {
  const std::string path = std::string(TRACE_DIR) + "/" + GetParam() + ".txt";
  std::stringstream text;
  text << std::ifstream(path).rdbuf();
  const std::string result = run_trace(text.str());
  if (std::getenv("UPDATE_TRACES")) {
    std::ofstream(path) << result;
    return;
  }
  ASSERT_NE(text.str(), "");
  EXPECT_EQ(text.str(), result);
}

INSTANTIATE_TEST_SUITE_P(All, GroupTrace, testing::ValuesIn(trace_names()),
                         [](const auto& info) { return info.param; });

}  // namespace
}  // namespace isthmus::broker
