// Person: a client that logs in, with the password of the day or with an old one, writes and reads,
// logs in again on the same connection or forgets to, and tells the judge where a site let in, kept
// out or served whom it must not.
//
// Lives on the main loop of a simulated process, is made with SimProcess::make and started with
// spawn(run()).
#pragma once

#include <memory>
#include <string>

#include "client/connection.h"
#include "tests/sim/judge.h"
#include "tests/sim/rights.h"
#include "tests/sim/world/prng.h"

namespace isthmus::sim {

struct PersonOptions {
  std::string name;
  io::Address site;
  TopicPartition partition;
  io::Duration session;  // that a log-in holds at the site
  uint64_t seed = 0;
};

class Person {
 public:
  Person(io::Env& env, Judge& judge, const Rights& rights, PersonOptions options);

  io::Task<void> run();
  // The newest password that anybody has told of; the one before it may be tried, too.
  void told_of_password(int number) { password_ = number; }
  uint64_t written() const { return written_; }
  uint64_t read() const { return read_; }
  uint64_t refused() const { return refused_; }
  // The latest that went wrong, for the one who wonders why nothing moves.
  const std::string& trouble() const { return trouble_; }

 private:
  enum class Outcome : uint8_t { served, refused, unknown };

  std::shared_ptr<const kafka::SaslLogIn> log_in_with(int password) const;
  io::Task<void> converse(client::Connection& connection);
  io::Task<bool> log_in_again(client::Connection& connection);
  io::Task<Outcome> write(client::Connection& connection);
  io::Task<Outcome> read(client::Connection& connection);
  void judge_log_in(const Result<void>& done, io::Instant asked);
  void judge_answer(Outcome outcome, const std::string& what, io::Instant asked);
  io::Instant soon() const;

  io::Env& env_;
  io::Gate gate_;
  Judge& judge_;
  const Rights& rights_;
  const PersonOptions options_;
  Prng random_;
  int password_ = 0;
  int used_ = 0;             // password of the connection
  io::Instant holds_until_;  // its log-in, at the latest
  uint64_t written_ = 0;
  uint64_t read_ = 0;
  uint64_t refused_ = 0;
  std::string trouble_;
};

}  // namespace isthmus::sim
