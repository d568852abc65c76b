// What a bundle has of a configuration, and that nothing secret is in any of its parts.
#include "cli/bundle.h"

#include <gtest/gtest.h>

namespace isthmus::cli {
namespace {

constexpr const char* broker_file = R"(# the password of ops is planted-in-a-comment
cluster: {name: seoul, number: 1}
broker:
  node.id: 101
  log.dirs: [/data/1]
listeners:
  - {name: CLIENT, bind: "127.0.0.1:9092", advertised.listeners: "127.0.0.1:9092"}
  - name: INSIDE
    bind: 127.0.0.1:9093
    advertised.listeners: 127.0.0.1:9093
    for: [brokers, mirrors, routers]
admin:
  bind: 127.0.0.1:9644
  users:
    ops: {password: {file: planted-password-file}, role: operator}
    eve: {password: {env: PLANTED_VARIABLE}, role: viewer}
)";

bool contains(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

bool has_something_planted(const std::string& text) {
  return contains(text, "planted") || contains(text, "PLANTED");
}

TEST(Bundle, AConfigurationIsGivenWithoutWhatIsSecretInIt) {
  const auto given = config_to_give(broker_file, "seoul.yaml");
  ASSERT_TRUE(given.has_value()) << given.error().text;
  EXPECT_FALSE(has_something_planted(*given)) << *given;
  EXPECT_TRUE(contains(*given, "(removed)"));
  for (const char* kept : {"node.id: 101", "/data/1", "eve", "num.partitions"}) {
    EXPECT_TRUE(contains(*given, kept)) << kept << "\n" << *given;
  }
}

TEST(Bundle, OfOneThatDoesNotLoadNothingIsGiven) {
  const std::string file = broker_file;
  for (const std::string& wrong :
       {file + "password: planted-password\n", file + "log: {level: planted-password}\n",
        file + "  planted: [\n", std::string("planted-password"),
        std::string("admin: {users: {ops: {password: planted-password}}}\n")}) {
    const auto given = config_to_give(wrong, "seoul.yaml");
    ASSERT_FALSE(given.has_value()) << wrong;
    EXPECT_FALSE(has_something_planted(given.error().text)) << given.error().text;
    EXPECT_TRUE(contains(given.error().text, "isthmus config check seoul.yaml"));
  }
}

TEST(Bundle, SaysWhatIsInItAndWhatIsNot) {
  Bundle bundle("isthmus-bundle", 8);
  bundle.add("healthz.txt", "answered 200", "ok\n");
  bundle.leave_out("config.yaml", "no --config");
  EXPECT_FALSE(bundle.misses_some());
  bundle.miss("status.json", "cannot be reached\x1b[2J");
  EXPECT_TRUE(bundle.misses_some());
  const std::string archive = bundle.archive();
  EXPECT_TRUE(contains(archive, "isthmus-bundle/healthz.txt"));
  EXPECT_TRUE(contains(archive, "isthmus-bundle/contents.txt"));
  EXPECT_FALSE(contains(archive, "isthmus-bundle/status.json"));
  EXPECT_TRUE(contains(archive, "healthz.txt: answered 200\n"));
  EXPECT_TRUE(contains(archive, "config.yaml: not included: no --config\n"));
  EXPECT_TRUE(contains(archive, "status.json: not included: cannot be reached\\x1b[2J\n"));
}

}  // namespace
}  // namespace isthmus::cli
