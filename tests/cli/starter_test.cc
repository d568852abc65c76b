// What quickstart writes can be started from where it is written, and is what config/ says.
#include "cli/starter.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "process/broker_config.h"
#include "process/config_file.h"
#include "process/mirror_config.h"
#include "process/router_config.h"

namespace isthmus::cli {
namespace {

const std::string home = "/srv/someone/config/try-1";  // as config/ calls itself

const StarterFile& file_of(const Starter& starter, const std::string& name) {
  const auto found = std::ranges::find(starter.files, name, &StarterFile::name);
  EXPECT_NE(found, starter.files.end()) << name;
  return *found;
}

template <typename Config>
Config loaded(const Starter& starter, const std::string& name) {
  Result<Config> config = process::parse_config<Config>(file_of(starter, name).text, name);
  EXPECT_TRUE(config) << config.error().text;
  return config.value_or(Config{});
}

TEST(Starter, EachFileIsRightAndKeepsItsDataInTheFolder) {
  const Starter starter = *starter_in(home);
  ASSERT_EQ(starter.files.size(), 4u);
  const auto seoul = loaded<process::BrokerConfig>(starter, "seoul.yaml");
  const auto tokyo = loaded<process::BrokerConfig>(starter, "tokyo.yaml");
  EXPECT_EQ(seoul.broker.log_dirs, std::vector<std::string>{home + "/seoul"});
  EXPECT_EQ(tokyo.broker.log_dirs, std::vector<std::string>{home + "/tokyo"});
  EXPECT_EQ(loaded<process::MirrorConfig>(starter, "mirror.yaml").links.size(), 2u);
  const auto router = loaded<process::RouterConfig>(starter, "router.yaml");
  EXPECT_EQ(router.clusters.size(), 2u);
  EXPECT_EQ(starter.bootstrap, router.virtual_cluster.bind + ":" +
                                   router.virtual_cluster.ports.to_string().substr(0, 5));
}

// A comment that names the file of somewhere else leads there.
TEST(Starter, NothingNamesTheFoldersThatItWasMadeFrom) {
  const Starter starter = *starter_in(home);
  for (const StarterFile& file : starter.files) {
    EXPECT_EQ(file.text.find("/tmp/isthmus"), std::string::npos) << file.text;
    EXPECT_EQ(file.text.find(" config/"), std::string::npos) << file.text;
    EXPECT_NE(file.text.find("--config " + home + "/" + file.name), std::string::npos) << file.text;
  }
}

TEST(Starter, ACommandStartsEachFile) {
  const Starter starter = *starter_in("/x");
  EXPECT_EQ(starter.commands, (std::vector<std::string>{"isthmus broker --config /x/seoul.yaml",
                                                        "isthmus broker --config /x/tokyo.yaml",
                                                        "isthmus mirror --config /x/mirror.yaml",
                                                        "isthmus router --config /x/router.yaml"}));
}

TEST(Starter, APathThatYamlOrAShellWouldReadOtherwiseIsRefused) {
  for (const char* folder : {"/a b", "/a,b", "/a]", "/a#b", "/a'b", "/a$b", "/a\nb", "/a;b"}) {
    const auto refused = starter_in(folder);
    ASSERT_FALSE(refused) << folder;
    EXPECT_TRUE(refused.error().text.starts_with(std::string(folder) + ": has a character"));
  }
  EXPECT_TRUE(starter_in("/srv/유진/try"));
}

}  // namespace
}  // namespace isthmus::cli
