// What becomes of a command that throws, and of a line that nobody understands.
#include "cli/command.h"

#include <gtest/gtest.h>

#include <stdexcept>

#include "cli/commands.h"

namespace isthmus::cli {
namespace {

struct Said {
  Exit exit;
  std::string text;  // on stderr
};

Said run(Run command, std::vector<std::string> words = {"do"}) {
  CommandLine line("isthmus", "A program.");
  line.root().command({"do", "Does it", "isthmus do"}, std::move(command));
  std::vector<char*> arguments;
  words.insert(words.begin(), "isthmus");
  for (std::string& word : words) arguments.push_back(word.data());
  testing::internal::CaptureStderr();
  const Exit exit = line.run(static_cast<int>(arguments.size()), arguments.data());
  return {exit, testing::internal::GetCapturedStderr()};
}

TEST(Command, EndsAsItSays) {
  const Said said =
      run([](const Common& common) { return common.json ? Exit::degraded : Exit::done; },
          {"do", "-o", "json"});
  EXPECT_EQ(said.exit, Exit::degraded);
  EXPECT_EQ(said.text, "");
}

TEST(Command, AnExceptionOfALibraryIsOneLineAndExitCodeOne) {
  const Said said = run([](const Common&) -> Exit { throw std::runtime_error("bad\nbyte \xff"); });
  EXPECT_EQ(said.exit, Exit::failed);
  EXPECT_EQ(said.text, "isthmus: this should not happen: bad\\x0abyte \\xff\n");
}

io::Task<Exit> throw_later(io::Env* env) {
  co_await io::sleep(env->main_loop(), std::chrono::milliseconds(1));
  throw std::runtime_error("no JSON");
}

TEST(Command, SoIsOneThatComesInTheMiddleOfAConversation) {
  const Said said =
      run([](const Common&) { return run_task([](io::Env& env) { return throw_later(&env); }); });
  EXPECT_EQ(said.exit, Exit::failed);
  EXPECT_EQ(said.text, "isthmus: this should not happen: no JSON\n");
}

TEST(Command, ALineThatIsNotUnderstoodIsRepeatedPrintably) {
  const Said said = run([](const Common&) { return Exit::done; }, {"do", "it\xff\x1b[2J"});
  EXPECT_EQ(said.exit, Exit::failed);
  EXPECT_NE(said.text.find("it\\xff\\x1b[2J"), std::string::npos) << said.text;
}

}  // namespace
}  // namespace isthmus::cli
