// Which token is used, and when another is asked for.
#include "kafka/sasl/token_keeper.h"

#include <gtest/gtest.h>

namespace isthmus::kafka {
namespace {

using std::chrono::seconds;
using Keeper = TokenKeeper;

class TokenKeeping : public testing::Test {
 protected:
  Keeper keeper;
  Keeper::Instant now{std::chrono::hours(1)};

  // What a log-in is told, in a word.
  std::string told() {
    auto step = keeper.next(now);
    if (auto* use = std::get_if<Keeper::Use>(&step)) {
      return use->token + (use->and_ask ? ", and ask" : "");
    }
    if (auto* error = std::get_if<Error>(&step)) return "error: " + error->text;
    return std::holds_alternative<Keeper::Ask>(step) ? "ask" : "wait";
  }
  void answer(std::string token, std::optional<seconds> life) {
    keeper.answered(now, now, IssuedToken{std::move(token), life});
  }
  void refuse() { keeper.answered(now, now, fail("refused")); }
};

TEST_F(TokenKeeping, TheFirstAsksTheOthersWait) {
  EXPECT_EQ(told(), "ask");
  EXPECT_EQ(told(), "wait");
  answer("a", seconds(100));
  EXPECT_EQ(told(), "a");
}

TEST_F(TokenKeeping, AtFourFifthsOfItsLifeOneAsksForTheNextAndAllUseTheOld) {
  told();
  answer("a", seconds(100));
  now += seconds(79);
  EXPECT_EQ(told(), "a");
  now += seconds(1);
  EXPECT_EQ(told(), "a, and ask");
  EXPECT_EQ(told(), "a");
  answer("b", seconds(100));
  EXPECT_EQ(told(), "b");
  now += seconds(80);
  EXPECT_EQ(told(), "b, and ask");
}

TEST_F(TokenKeeping, WhoCannotHaveTheNextUsesTheOldAndAsksAgainAfterAWhile) {
  told();
  answer("a", seconds(100));
  now += seconds(80);
  EXPECT_EQ(told(), "a, and ask");
  refuse();
  EXPECT_EQ(told(), "a");
  now += seconds(9);
  EXPECT_EQ(told(), "a");
  now += seconds(1);
  EXPECT_EQ(told(), "a, and ask");
  refuse();
  now += seconds(9);
  EXPECT_EQ(told(), "a");
  now += seconds(1);  // it is spent, and it is time to ask again
  EXPECT_EQ(told(), "ask");
}

TEST_F(TokenKeeping, ASpentTokenIsUsedNoMoreWhileAnotherIsOnItsWay) {
  told();
  answer("a", seconds(100));
  now += seconds(90);
  EXPECT_EQ(told(), "a, and ask");
  now += seconds(10);
  EXPECT_EQ(told(), "wait");
}

TEST_F(TokenKeeping, AFailureIsToldToAllUntilItIsTimeToAskAgain) {
  told();
  refuse();
  EXPECT_EQ(told(), "error: refused");
  now += Keeper::retry - seconds(1);
  EXPECT_EQ(told(), "error: refused");
  now += seconds(1);
  EXPECT_EQ(told(), "ask");
  answer("a", seconds(100));
  EXPECT_EQ(told(), "a");
}

TEST_F(TokenKeeping, ATokenOfUnknownLifeIsForWhoeverAskedForIt) {
  EXPECT_EQ(told(), "ask");
  answer("a", std::nullopt);
  EXPECT_EQ(told(), "ask");
}

TEST_F(TokenKeeping, ItsLifeCountsFromTheQuestion) {
  told();
  keeper.answered(now - seconds(30), now, IssuedToken{"a", seconds(100)});
  now += seconds(50);
  EXPECT_EQ(told(), "a, and ask");
  now += seconds(20);
  EXPECT_EQ(told(), "wait");
}

}  // namespace
}  // namespace isthmus::kafka
