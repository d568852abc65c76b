// Names that only a hostile client chooses, in every view: tests/cli/shown_names.h is what holds
// them, and tests/fuzz/reports_fuzz.cc searches on.
#include <gtest/gtest.h>

#include "cli/table.h"
#include "tests/cli/shown_names.h"

namespace isthmus::cli {
namespace {

TEST(Names, ThatAreNotUtf8OrNotOneLineAreShownAndComeBackExactly) {
  show_all({"orders", "billing", "", "seoul"});
  for (const char* name : {"\xff", "a\nb", "\x1b[2J", "a\u202Eb", "\uFFFD", "\\xff", "", "\xc3"}) {
    show_all({name, name, name, name});
  }
  show_all({std::string(300, '\xfe'), std::string("\0", 1), std::string(40'000, 'x'), "seoul"});
}

// Of every byte something, without a fuzzer at hand.
TEST(Names, OfAnyBytes) {
  uint64_t state = 20'240'917;
  auto random_name = [&state] {
    std::string name;
    for (uint64_t left = state % 12; left > 0; --left) {
      state = state * 6'364'136'223'846'793'005 + 1'442'695'040'888'963'407;
      name += static_cast<char>(state >> 56);
    }
    state += 0x9e3779b97f4a7c15;
    return name;
  };
  for (int i = 0; i < 500; ++i) {
    OutsideNames names;
    for (std::string* name : {&names.topic, &names.group, &names.reason, &names.source}) {
      *name = random_name();
    }
    show_all(names);
  }
}

TEST(Names, ThatAreLongAreShortenedInTablesOnly) {
  Table table({{"GROUP"}});
  table.add({"begin" + std::string(5000, 'x') + "\xff" + "end"});
  table.add({std::string(most_columns, 'y')});
  const std::string text = table.to_string();
  EXPECT_NE(text.find("beginxxx"), std::string::npos);
  EXPECT_NE(text.find("…"), std::string::npos);
  EXPECT_NE(text.find("x\\xffend\n"), std::string::npos);
  EXPECT_NE(text.find("\n" + std::string(most_columns, 'y') + "\n"), std::string::npos);
  EXPECT_LT(text.size(), 3 * most_columns);
  Lines lines;
  lines.say("{}", std::string(5000, 'x'));
  EXPECT_EQ(lines.text().size(), 5001u);
}

}  // namespace
}  // namespace isthmus::cli
