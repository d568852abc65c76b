// Log-ins by tokens that a provider issues: who asks, who waits, and what is sent.
#include <atomic>

#include "client/connection.h"
#include "kafka/gen/sasl_authenticate.h"
#include "kafka/gen/sasl_handshake.h"
#include "tests/client/fake_broker.h"

namespace isthmus::client {
namespace {

using std::chrono::seconds;
using Opened = Result<std::unique_ptr<Connection>>;

class TokenLogIn : public testing::Test {
 protected:
  TokenLogIn() {
    auto& broker = fakes_.broker(1);
    broker.always<kafka::SaslHandshakeRequest>({kafka::ErrorCode::none, {"OAUTHBEARER"}});
    broker.on<kafka::SaslAuthenticateRequest>([this](const auto& request) {
      seen_.emplace_back(as_text(request.auth_bytes));
      return std::optional(kafka::SaslAuthenticateResponse{});
    });
  }

  // From now on; it is asked on the workers.
  void issue(Result<kafka::IssuedToken> answer) {
    tokens_->ask = [this, answer] {
      ++asked_;
      return answer;
    };
  }
  // Has been issued, and so much of its 100 seconds is over.
  void hold(const std::string& token, seconds age) {
    const auto now = fakes_.world.loop().now();
    tokens_->keeper.answered(now - age, now, kafka::IssuedToken{token, seconds(100)});
  }

  io::Task<Opened> open() {
    auto nothing_else = [] { return Result<kafka::SaslCredentials>(kafka::SaslCredentials{}); };
    ConnectionOptions options;
    options.security.log_in = std::make_shared<const kafka::SaslLogIn>(
        kafka::SaslLogIn{kafka::Mechanism::oauthbearer, nothing_else, tokens_});
    co_return co_await Connection::open(fakes_.world.env(), gate_, fakes_.broker(1).address,
                                        std::move(options), io::soon(60'000));
  }
  static io::Task<void> open_in_background(TokenLogIn* self, int* open) {
    auto opened = co_await self->open();
    EXPECT_TRUE(opened) << opened.error().text;
    ++*open;
  }
  io::Task<void> until(std::function<bool()> condition) {
    const auto deadline = io::soon(60'000);
    while (!condition() && fakes_.world.loop().now() < deadline) {
      co_await io::sleep(fakes_.world.loop(), io::milliseconds(1));
    }
    EXPECT_TRUE(condition());
  }
  void run(io::Task<void> body) { fakes_.run(whole(this, std::move(body))); }
  static io::Task<void> whole(TokenLogIn* self, io::Task<void> body) {
    co_await body;
    co_await self->gate_.close();
  }

  static io::Task<void> shared(TokenLogIn* self) {
    int open = 0;
    for (int i = 0; i < 5; ++i) {
      self->gate_.spawn("log-in", open_in_background(self, &open));
    }
    const auto all_open = [&open] { return open == 5; };
    co_await self->until(all_open);
  }
  static io::Task<void> refused(TokenLogIn* self) {
    for (int i = 0; i < 2; ++i) {
      auto opened = co_await self->open();
      EXPECT_FALSE(opened);
      EXPECT_TRUE(opened.error().text.ends_with(
          ": log-in by OAUTHBEARER: https://idp/token: refuses: invalid_client"))
          << opened.error().text;
    }
  }
  static io::Task<void> renewed(TokenLogIn* self) {
    auto opened = co_await self->open();
    EXPECT_TRUE(opened) << opened.error().text;
    EXPECT_EQ(self->seen("old"), 1);
    const auto has_new = [self] {
      auto step = self->tokens_->keeper.next(self->fakes_.world.loop().now());
      auto* use = std::get_if<kafka::TokenKeeper::Use>(&step);
      return use != nullptr && use->token == "new";
    };
    co_await self->until(has_new);
    auto again = co_await self->open();
    EXPECT_TRUE(again) << again.error().text;
  }

  static io::Task<void> kept(TokenLogIn* self) {
    auto opened = co_await self->open();
    EXPECT_TRUE(opened) << opened.error().text;
    const auto has_asked = [self] { return self->asked_ == 1; };
    co_await self->until(has_asked);
    auto again = co_await self->open();
    EXPECT_TRUE(again) << again.error().text;
  }

  // How many log-ins were by this token.
  long seen(const std::string& token) const {
    return std::ranges::count_if(
        seen_, [&](const std::string& said) { return said.contains("Bearer " + token + "\1"); });
  }

  FakeCluster fakes_{1};
  io::Gate gate_{fakes_.world.loop()};
  std::shared_ptr<kafka::TokenSource> tokens_ = std::make_shared<kafka::TokenSource>();
  std::atomic<int> asked_{0};
  std::vector<std::string> seen_;
};

TEST_F(TokenLogIn, AllShareOneThatOneHasAskedFor) {
  issue(kafka::IssuedToken{"new", seconds(100)});
  run(shared(this));
  EXPECT_EQ(asked_, 1);
  EXPECT_EQ(seen("new"), 5);
}

TEST_F(TokenLogIn, WhyThereIsNoneIsToldToAllAndAskedOnce) {
  issue(fail("https://idp/token: refuses: invalid_client"));
  run(refused(this));
  EXPECT_EQ(asked_, 1);
  EXPECT_TRUE(seen_.empty());
}

TEST_F(TokenLogIn, OneThatIsDueIsUsedWhileTheNextIsAskedFor) {
  hold("old", seconds(90));
  issue(kafka::IssuedToken{"new", seconds(100)});
  run(renewed(this));
  EXPECT_EQ(asked_, 1);
  EXPECT_EQ(seen("new"), 1);
}

TEST_F(TokenLogIn, OneThatIsDueStaysInForceWhereThereIsNoNext) {
  hold("old", seconds(90));
  issue(fail("https://idp/token: does not answer in time"));
  run(kept(this));
  EXPECT_EQ(asked_, 1);
  EXPECT_EQ(seen("old"), 2);
}

}  // namespace
}  // namespace isthmus::client
