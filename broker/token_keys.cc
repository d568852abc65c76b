#include "broker/token_keys.h"

#include "process/fetch_url.h"

namespace isthmus::broker {

namespace {

int64_t ticks(io::Instant instant) { return instant.time_since_epoch().count(); }

}  // namespace

io::Task<Result<kafka::TokenIdentity>> TokenKeys::verify(std::string token) {
  if (options_.url.empty()) {
    co_return fail("tokens are not taken here: sasl.oauthbearer.jwks.endpoint.url is not set");
  }
  auto keys = co_await keys_for(token);
  if (!keys) co_return fail("the keys of the token's provider cannot be had");
  co_return kafka::verify_jwt(token, *keys, options_.rules, io::Loop::current()->wall_ms());
}

io::Task<std::shared_ptr<const kafka::Jwks>> TokenKeys::keys_for(const std::string& token) {
  auto keys = keys_.load();
  const io::Instant now = io::Loop::current()->now();
  int64_t next = next_fetch_.load();
  // The interval begins anew with each fetch; a token of an unknown key need not wait for its end.
  const bool wanted = !keys || kafka::names_unknown_key(token, *keys);
  const int64_t due = wanted ? next - ticks(io::Instant(options_.refresh)) +
                                   ticks(io::Instant(io::Duration(least_interval)))
                             : next;
  const bool is_due = next == 0 || ticks(now) >= due;
  if (!is_due) co_return co_await keys_of_another();
  const int64_t after = ticks(now + options_.refresh);
  if (!next_fetch_.compare_exchange_strong(next, after)) {  // another one does
    co_return co_await keys_of_another();
  }
  fetching_.store(true);
  co_await fetch();
  fetching_.store(false);
  co_return keys_.load();
}

// While there are none at all, who comes waits for those that are on their way.
io::Task<std::shared_ptr<const kafka::Jwks>> TokenKeys::keys_of_another() {
  while (!keys_.load() && fetching_.load()) {
    co_await io::sleep(*io::Loop::current(), io::milliseconds(50));
  }
  co_return keys_.load();
}

io::Task<void> TokenKeys::fetch() {
  auto get = [url = options_.url] { return process::fetch_url(url, kafka::longest_jwks); };
  auto text = co_await io::run_on(env_.workers, std::move(get));
  if (!text) {
    log_.error("{}", text.error().text);
    co_return;
  }
  auto parsed = kafka::Jwks::parse(*text);
  if (!parsed) {
    log_.error("{}: {}", options_.url, parsed.error().text);
    co_return;
  }
  for (const auto& why : parsed->ignored()) log_.info("{}: not used: {}", options_.url, why);
  keys_.store(std::make_shared<const kafka::Jwks>(std::move(*parsed)));
}

}  // namespace isthmus::broker
