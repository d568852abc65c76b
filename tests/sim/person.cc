#include "tests/sim/person.h"

#include <algorithm>

#include "client/log_in.h"
#include "kafka/batch.h"
#include "kafka/gen/fetch.h"
#include "kafka/gen/produce.h"

namespace isthmus::sim {

using kafka::ErrorCode;

namespace {
constexpr auto patience_of_person = std::chrono::seconds(4);
constexpr int16_t newest_produce = 9;
constexpr int16_t newest_fetch = 12;
}  // namespace

Person::Person(io::Env& env, Judge& judge, const Rights& rights, PersonOptions options)
    : env_(env),
      gate_(env.main_loop()),
      judge_(judge),
      rights_(rights),
      options_(std::move(options)),
      random_(options_.seed) {}

io::Instant Person::soon() const { return env_.main_loop().now() + patience_of_person; }

std::shared_ptr<const kafka::SaslLogIn> Person::log_in_with(int password) const {
  auto with = std::make_shared<kafka::SaslLogIn>();
  const bool plain = (password + options_.seed) % 2 == 0;
  with->mechanism = plain ? kafka::Mechanism::plain : kafka::Mechanism::scram_sha_256;
  with->credentials = [name = options_.name, password]() -> Result<kafka::SaslCredentials> {
    kafka::SaslCredentials credentials;
    credentials.username = name;
    credentials.password = password_text(name, password);
    return credentials;
  };
  return with;
}

io::Task<void> Person::run() {
  io::Loop& loop = env_.main_loop();
  for (;;) {
    const bool tries_old_one = password_ > 0 && random_.below(4) == 0;
    used_ = tries_old_one ? password_ - 1 : password_;
    client::ConnectionOptions options;
    options.client_id = options_.name;
    options.security.log_in = log_in_with(used_);
    const io::Instant asked = loop.now();
    auto opened = co_await client::Connection::open(env_, gate_, options_.site, options, soon());
    judge_log_in(opened ? Result<void>{} : fail(opened.error()), asked);
    if (opened) {
      holds_until_ = loop.now() + options_.session;
      co_await converse(**opened);
      (*opened)->close();
    }
    co_await io::sleep(loop, random_.between(io::milliseconds(5), io::milliseconds(400)));
  }
}

io::Task<void> Person::converse(client::Connection& connection) {
  const uint64_t steps = random_.between(1, 30);
  for (uint64_t i = 0; i < steps && !connection.closed(); ++i) {
    if (random_.below(8) == 0) {
      const bool let_in = co_await log_in_again(connection);
      if (!let_in) co_return;
    }
    const bool writes = random_.below(2) == 0;
    const io::Instant asked = env_.main_loop().now();
    Outcome outcome = Outcome::unknown;
    if (writes) {
      outcome = co_await write(connection);
    } else {
      outcome = co_await read(connection);
    }
    judge_answer(outcome, writes ? "write" : "read", asked);
    co_await io::sleep(env_.main_loop(),
                       random_.between(io::milliseconds(0), io::milliseconds(300)));
  }
}

// KIP-368. With the same password, as a client does that was started with it.
io::Task<bool> Person::log_in_again(client::Connection& connection) {
  const auto with = log_in_with(used_);
  const io::Instant asked = env_.main_loop().now();
  auto done = co_await client::log_in(env_, connection, *with, soon());
  judge_log_in(done ? Result<void>{} : fail(done.error()), asked);
  if (done) holds_until_ = env_.main_loop().now() + options_.session;
  co_return done.has_value();
}

void Person::judge_log_in(const Result<void>& done, io::Instant asked) {
  const std::string fact = has_password(options_.name, used_);
  const std::string who = options_.name + " with password " + std::to_string(used_);
  if (done && rights_.surely(fact, false, asked)) {
    judge_.broken("a password that was replaced lets nobody in", who);
  }
  if (done) return;
  trouble_ = done.error().text;
  const bool was_refused =
      done.error().kind == Error::Kind::kafka &&
      done.error().code == static_cast<int>(ErrorCode::sasl_authentication_failed);
  if (was_refused && rights_.surely(fact, true, asked)) {
    judge_.broken("who has the password is let in", who + ": " + trouble_);
  }
}

void Person::judge_answer(Outcome outcome, const std::string& what, io::Instant asked) {
  if (outcome == Outcome::unknown) return;
  const std::string& name = options_.name;
  // Who came in with a password that was replaced since may stay until his log-in ends.
  if (rights_.surely(has_account(name), false, asked)) {
    judge_.broken("who was put out is served nothing", name + " went on to " + what);
  }
  if (asked > holds_until_) {
    judge_.broken("a session ends with its log-in", name + " went on to " + what);
  }
  if (outcome == Outcome::refused) {
    ++refused_;
    if (rights_.surely(may(name, what), true, asked)) {
      judge_.broken("who may is served", name + " is refused to " + what);
    }
    return;
  }
  if (rights_.surely(may(name, what), false, asked)) {
    judge_.broken("who may not is refused", name + " was let " + what);
  }
  ++(what == "write" ? written_ : read_);
}

io::Task<Person::Outcome> Person::write(client::Connection& connection) {
  kafka::BatchBuilder builder({});
  builder.add(env_.main_loop().wall_ms(), std::nullopt, as_bytes(options_.name));
  kafka::ProduceRequest request;
  request.acks = -1;
  request.timeout_ms = 3000;
  auto& topic = request.topic_data.emplace_back();
  topic.name = options_.partition.topic;
  topic.partition_data.push_back({options_.partition.partition, Rope(std::move(builder).finish())});
  auto answer = co_await connection.call(std::move(request), soon(), newest_produce);
  if (!answer) {
    trouble_ = answer.error().text;
    co_return Outcome::unknown;
  }
  const ErrorCode code = answer->responses.at(0).partition_responses.at(0).error_code;
  if (code == ErrorCode::topic_authorization_failed) co_return Outcome::refused;
  co_return code == ErrorCode::none ? Outcome::served : Outcome::unknown;
}

io::Task<Person::Outcome> Person::read(client::Connection& connection) {
  kafka::FetchRequest request;
  request.max_wait_ms = 0;
  request.min_bytes = 0;
  auto& topic = request.topics.emplace_back();
  topic.topic = options_.partition.topic;
  auto& partition = topic.partitions.emplace_back();
  partition.partition = options_.partition.partition;
  partition.fetch_offset = 0;
  partition.partition_max_bytes = 1000;
  auto answer = co_await connection.call(std::move(request), soon(), newest_fetch);
  if (!answer) {
    trouble_ = answer.error().text;
    co_return Outcome::unknown;
  }
  if (answer->responses.empty()) co_return Outcome::unknown;
  const ErrorCode code = answer->responses.at(0).partitions.at(0).error_code;
  if (code == ErrorCode::topic_authorization_failed) co_return Outcome::refused;
  co_return code == ErrorCode::none ? Outcome::served : Outcome::unknown;
}

}  // namespace isthmus::sim
