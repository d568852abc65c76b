#include "process/principal_mapping.h"

#include <gtest/gtest.h>

#include "process/config_file.h"

namespace isthmus::process {
namespace {

constexpr std::string_view becomes = " -> ", refused = " refused";

// One line below the rules, without the blanks before it.
void hold_line(const Result<PrincipalMapping>& mapping, const std::string& line) {
  if (line == "invalid") {
    EXPECT_FALSE(mapping);
    return;
  }
  ASSERT_TRUE(mapping) << mapping.error().text;
  if (line.ends_with(refused)) {
    EXPECT_FALSE(mapping->apply(line.substr(0, line.size() - refused.size())));
    return;
  }
  const size_t arrow = line.find(becomes);
  ASSERT_NE(arrow, std::string::npos);
  const Result<std::string> name = mapping->apply(line.substr(0, arrow));
  ASSERT_TRUE(name) << name.error().text;
  EXPECT_EQ(*name, line.substr(arrow + becomes.size()));
}

TEST(PrincipalMapping, SaysWhatKafkaSays) {
  const std::string file = std::string(SOURCE_DIR) + "/tests/process/principals.txt";
  const Result<std::string> table = read_config_file(file);
  ASSERT_TRUE(table) << table.error().text;
  Result<PrincipalMapping> mapping;
  std::string rules;
  size_t held = 0;
  for (size_t at = 0, end = 0; at < table->size(); at = end + 1) {
    end = std::min(table->find('\n', at), table->size());
    const std::string line = table->substr(at, end - at);
    if (line.empty() || line.starts_with('#')) continue;
    if (!line.starts_with("  ")) {
      mapping = PrincipalMapping::parse(line);
      rules = line;
      continue;
    }
    SCOPED_TRACE(rules + " | " + line);
    hold_line(mapping, line.substr(2));
    ++held;
  }
  EXPECT_GT(held, 60u);
}

TEST(PrincipalMapping, IsDefaultWhereNothingIsSaid) {
  EXPECT_EQ(PrincipalMapping().apply("CN=a,OU=b"), "CN=a,OU=b");
  EXPECT_EQ(PrincipalMapping().apply(""), "");
}

TEST(PrincipalMapping, NamesTheCertificateThatNoRuleMatches) {
  const auto mapping = PrincipalMapping::parse("RULE:^CN=(.*?),OU=users$/$1/");
  ASSERT_TRUE(mapping);
  const auto name = mapping->apply("CN=a,OU=others");
  ASSERT_FALSE(name);
  EXPECT_EQ(name.error().text, "no rule of ssl.principal.mapping.rules matches \"CN=a,OU=others\"");
}

// Everything that Kafka refuses, and what it accepts to fail later, or reads in another sense.
TEST(PrincipalMapping, SaysInOneLineWhereRulesAreWrong) {
  const std::pair<const char*, const char*> cases[] = {
      {"", "at character 1: there is no rule, so nobody could connect; DEFAULT is one"},
      {" , ,", "at character 1: there is no rule, so nobody could connect; DEFAULT is one"},
      {"DEFAULT, default",
       "at character 10: a rule is DEFAULT, or RULE:pattern/replacement/ and maybe L or U"},
      {" RULE:a",
       "at character 2: a / is missing behind the pattern of this rule; "
       "RULE:pattern/replacement/ and maybe L or U"},
      {"DEFAULT,RULE:a/b\\/",
       "at character 9: a / is missing behind the replacement of this rule; "
       "RULE:pattern/replacement/ and maybe L or U"},
      {"RULE:a/b/LU",
       "at character 11: a comma is missing behind a rule; / ends only its two parts, \\/ stands "
       "for itself"},
      {"RULE:CN=(a/$1/", "at character 6: \"CN=(a\" is no regular expression: missing ): CN=(a"},
      {"RULE:(?=a)a/x/",
       "at character 6: \"(?=a)a\" is no regular expression: invalid perl operator: (?="},
      {"RULE:(a)\\1/x/",
       "at character 6: \"(a)\\1\" is no regular expression: "
       "invalid escape sequence: \\1"},
      {"RULE:[a-z&&[^b]]/x/",
       "at character 10: a class inside a class of characters; write it as one"},
      {"RULE:[[:alpha:]]/x/",
       "at character 7: a class inside a class of characters; write it as one"},
      {"RULE:CN=.*/$1/", "at character 12: $1, but the pattern has no group"},
      {"RULE:CN=(.*)/a$/", "at character 15: a $ without a number; \\$ stands for itself"},
      {"RULE:CN=(.*)/${n}/", "at character 14: a $ without a number; \\$ stands for itself"},
  };
  for (const auto& [rules, said] : cases) {
    const auto mapping = PrincipalMapping::parse(rules);
    ASSERT_FALSE(mapping) << rules;
    EXPECT_EQ(mapping.error().text, said) << rules;
  }
}

TEST(PrincipalMapping, KnowsAClassFromWhatLooksLikeOne) {
  for (const char* rules :
       {"RULE:\\[a\\[b/x/", "RULE:[a\\[b]+[]c]&&[^]d]/x/", "RULE:\\Q[[\\E/x/"}) {
    const auto mapping = PrincipalMapping::parse(rules);
    EXPECT_TRUE(mapping) << rules << ": " << mapping.error().text;
  }
}

TEST(PrincipalMapping, HoldsItsSizes) {
  EXPECT_FALSE(PrincipalMapping::parse("RULE:" + std::string(most_mapping_bytes, 'a') + "/b/"));
  const auto growing = PrincipalMapping::parse("RULE:a*?/0123456789/");
  ASSERT_TRUE(growing);
  EXPECT_TRUE(growing->apply(std::string(100, 'a')));
  EXPECT_FALSE(growing->apply(std::string(most_principal_bytes, 'a')));
  EXPECT_TRUE(PrincipalMapping().apply(std::string(most_principal_bytes, 'a')));
  EXPECT_FALSE(PrincipalMapping().apply(std::string(most_principal_bytes + 1, 'a')));
}

TEST(PrincipalMapping, DoesNotBelieveThatANameIsText) {
  const auto any = PrincipalMapping::parse("RULE:^CN=(.*)$/$1/U");
  ASSERT_TRUE(any);
  EXPECT_FALSE(any->apply("CN=\xff"));
  EXPECT_FALSE(any->apply("CN=a\nb"));
  EXPECT_EQ(PrincipalMapping().apply("CN=\xff"), "CN=\xff");
}

}  // namespace
}  // namespace isthmus::process
