// The mechanics of tables, over a small one of each kind of row.
#include "process/options.h"

#include <gtest/gtest.h>

namespace isthmus::process {

enum class Colour : uint8_t { red, green };

struct Inner {
  std::string name;
  int32_t size = 7;
};
void describe(Options& o, Inner& c) {
  o.add("name", c.name, "");
  o.add_bytes("size", c.size, {1, 1 << 20}, "");
}

struct Needy {
  std::string address;
  Inner inner;
};
void describe(Options& o, Needy& c) {
  o.add("address", c.address, "").required();
  o.section("inner", c.inner, "");
}

struct Everything {
  bool flag = false;
  std::string text = "none";
  int16_t number = 1;
  std::optional<int64_t> maybe;
  std::chrono::milliseconds delay = std::chrono::seconds(5);
  std::optional<io::Address> bind;
  std::vector<io::Address> servers;
  std::vector<std::string> words = {"a", "b"};
  Colour colour = Colour::red;
  std::vector<Colour> colours;
  Inner inner{.name = "given"};
  std::vector<Inner> list;
  std::map<std::string, Inner> map;
  std::optional<Needy> home;
};
void describe(Options& o, Everything& c) {
  const Options::Choices<Colour> colours = {{"red", Colour::red}, {"green", Colour::green}};
  o.add("flag", c.flag, "");
  o.add("text", c.text, "");
  o.add("dotted.number", c.number, {1, 100}, "");
  o.add("maybe", c.maybe, {.min = 0}, "");
  o.add("delay", c.delay, {}, "");
  o.add("bind", c.bind, "");
  o.add("servers", c.servers, "");
  o.add("words", c.words, "");
  o.choice("colour", c.colour, colours, "");
  o.choices("colours", c.colours, colours, "");
  o.section("inner", c.inner, "");
  o.list("list", c.list, "");
  o.map("map", c.map, "");
  o.word_or_section("home", "here", c.home, "", "");
}
std::optional<Problem> validate(const Everything& c) {
  if (c.words.size() == 3) return Problem{"words", "are three"};
  if (c.list.size() == 2) return Problem{"list[1].size", "comes second"};
  return std::nullopt;
}

namespace {

constexpr const char* full = R"(
flag: true
text: "~"
dotted.number: 42
maybe: 0
delay: 250ms
bind: "[::1]:9092"
servers: "a:1, b:2"
words: [x, "y,z", "true"]
colour: green
colours: [green, red]
inner: {name: "in: side", size: 4KiB}
list:
  - name: first
map:
  one: {name: eins}
  two: {name: zwei, size: 9}
)";

Result<Everything> load(const std::string& text) {
  Everything c;
  Options table;
  describe(table, c);
  Result<Places> places = load_yaml(table, text, "f.yaml");
  if (!places) return fail(places.error());
  return c;
}

TEST(Options, every_kind_is_read) {
  Result<Everything> c = load(full);
  ASSERT_TRUE(c) << c.error().text;
  EXPECT_TRUE(c->flag);
  EXPECT_EQ(c->text, "~");
  EXPECT_EQ(c->number, 42);
  EXPECT_EQ(c->maybe, 0);
  EXPECT_EQ(c->delay, std::chrono::milliseconds(250));
  EXPECT_EQ(c->bind, (io::Address{"::1", 9092}));
  EXPECT_EQ(c->servers, (std::vector<io::Address>{{"a", 1}, {"b", 2}}));
  EXPECT_EQ(c->words, (std::vector<std::string>{"x", "y,z", "true"}));
  EXPECT_EQ(c->colour, Colour::green);
  EXPECT_EQ(c->colours, (std::vector<Colour>{Colour::green, Colour::red}));
  EXPECT_EQ(c->inner.name, "in: side");
  EXPECT_EQ(c->inner.size, 4096);
  ASSERT_EQ(c->list.size(), 1u);
  EXPECT_EQ(c->list[0].size, 7);
  EXPECT_EQ(c->map.at("two").size, 9);
}

TEST(Options, what_is_not_given_keeps_its_default) {
  Result<Everything> c = load("");
  ASSERT_TRUE(c) << c.error().text;
  EXPECT_EQ(c->number, 1);
  EXPECT_EQ(c->maybe, std::nullopt);
  EXPECT_EQ(c->words, (std::vector<std::string>{"a", "b"}));
}

TEST(Options, a_given_list_replaces_the_default_one) {
  EXPECT_EQ(load("words: c")->words, (std::vector<std::string>{"c"}));
  EXPECT_TRUE(load("words: []")->words.empty());
}

TEST(Options, a_word_may_stand_for_a_section) {
  EXPECT_FALSE(load("")->home);
  EXPECT_FALSE(load("home: here")->home);
  Result<Everything> c = load("home: {address: a, inner: {size: 9}}");
  ASSERT_TRUE(c) << c.error().text;
  ASSERT_TRUE(c->home);
  EXPECT_EQ(c->home->address, "a");
  EXPECT_EQ(c->home->inner.size, 9);
}

TEST(Options, what_is_wrong_about_a_word_or_section_is_shown_where_it_stands) {
  const std::pair<const char*, const char*> cases[] = {
      {"flag: true\nhome: there",
       "f.yaml:2:7: home: \"there\" is not known; here is right, or a map of keys"},
      {"home: [here]", "f.yaml:1:7: home: wrong kind of value; it takes: here, or a map"},
      {"flag: true\nhome:", "f.yaml:2:1: home: wrong kind of value; it takes: here, or a map"},
      {"home: {}", "f.yaml:1:7: home.address: missing; it takes: text"},
      {"home:\n  adress: a", "f.yaml:2:3: home.adress: unknown key; did you mean address?"},
      {"home: {address: a, inner: {size: big}}", "f.yaml:1:34: home.inner.size: "},
      {"address: a", "f.yaml:1:1: address: unknown key here; it belongs under home"},
  };
  for (const auto& [text, error] : cases) {
    Result<Everything> c = load(text);
    ASSERT_FALSE(c) << text;
    EXPECT_TRUE(c.error().text.starts_with(error)) << c.error().text;
  }
}

TEST(Options, printed_and_loaded_again_is_the_same) {
  for (const char* text :
       {full, "", "words: []", "text: 'null'", "text: \"a\\nb # c\"", "home: {address: a}"}) {
    Result<Everything> c = load(text);
    ASSERT_TRUE(c) << c.error().text;
    Options table;
    describe(table, *c);
    const std::string printed = print_yaml(table);
    Result<Everything> again = load(printed);
    ASSERT_TRUE(again) << again.error().text << "\n" << printed;
    Options table_again;
    describe(table_again, *again);
    EXPECT_EQ(print_yaml(table_again), printed);
    EXPECT_EQ(again->text, c->text);
    EXPECT_EQ(again->words, c->words);
    EXPECT_EQ(again->map.size(), c->map.size());
    EXPECT_EQ(again->home.has_value(), c->home.has_value());
  }
}

TEST(Options, a_contradiction_is_shown_where_its_key_stands) {
  Result<Everything> c = parse_config<Everything>("flag: true\nwords: [a, b, c]\n", "f.yaml");
  ASSERT_FALSE(c);
  EXPECT_EQ(c.error().text, "f.yaml:2:1: words: are three");
  // The key to blame is not in the file: the nearest thing that contains it is.
  c = parse_config<Everything>("list:\n  - {name: a}\n  - {name: b}\n", "f.yaml");
  ASSERT_FALSE(c);
  EXPECT_EQ(c.error().text, "f.yaml:3:5: list[1].size: comes second");
}

}  // namespace
}  // namespace isthmus::process
