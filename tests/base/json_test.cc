// The writer of JSON never throws, and every string can be had back.
#include "base/json.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "base/printable.h"
#include "tests/base/read_back.h"

namespace isthmus {
namespace {

using nlohmann::json;

std::string back(const std::string& text) {
  const json read = json::parse(write_json(json{{"name", text}}));
  return read_back(read["name"].get<std::string>());
}

TEST(Json, AStringThatIsUtf8IsItself) {
  for (const std::string text :
       {"orders", "a\nb\x1b", "주문", "DOMAIN\\user", "\\xff", "a\u202Eb"}) {
    EXPECT_EQ(json::parse(write_json(json(text))).get<std::string>(), text);
  }
}

TEST(Json, OneThatIsNotIsMarkedAndComesBackExactly) {
  EXPECT_EQ(write_json(json("\xff")), "\"\uFFFD\\\\xff\"");
  for (const std::string text : {"\xff", "a\\\xff\\xff", "\uFFFDx", "\uFFFD\xc3", "\xff\n\u202E"}) {
    EXPECT_EQ(back(text), text);
  }
  for (int byte = 0; byte < 256; ++byte) {
    const std::string text(1, static_cast<char>(byte));
    EXPECT_EQ(back(text), text) << byte;
  }
}

TEST(Json, NamesOfMembersAreWrittenLikeStrings) {
  const json read = json::parse(write_json(json{{"\xff", 1}, {"a", json::array({"\xfe"})}}));
  EXPECT_EQ(read["\uFFFD\\xff"], 1);
  EXPECT_EQ(read["a"][0], "\uFFFD\\xfe");
}

TEST(Json, NothingInItMovesATerminalsCursor) {
  const json value{{"a\u202E", "\u009B\x7f\U000E0041\n"}};
  const std::string text = write_json(value);
  EXPECT_EQ(printable(text), text);
  EXPECT_EQ(json::parse(text), value);
}

TEST(Json, FormsAreOneLineOrIndented) {
  const json value{{"a", 1}, {"b", nullptr}};
  EXPECT_EQ(write_json(value), R"({"a":1,"b":null})");
  EXPECT_EQ(write_json(value, JsonForm::indented), "{\n  \"a\": 1,\n  \"b\": null\n}");
}

}  // namespace
}  // namespace isthmus
