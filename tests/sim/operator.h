// Operator: asks sites from outside, one question at a time; the world goes on meanwhile. Used by
// scenarios between their steps, as a person would use a command.
//
// No answer is a finding: a site that is up describes itself, a topic and its partitions that were
// there once are there ever after, and a coordinator answers within silence_ends_after. Only
// questions that say so (ask, glance) put up with silence.
#pragma once

#include <optional>

#include "kafka/gen/describe_site.h"
#include "tests/sim/caller.h"
#include "tests/sim/ledger.h"
#include "tests/sim/site.h"

namespace isthmus::sim {

class Operator {
 public:
  Operator(SimWorld& world, Judge& judge, Ledger& ledger);

  // One attempt.
  template <typename Request>
  Result<typename Request::Response> ask(const io::Address& to, Request request,
                                         Duration timeout = std::chrono::seconds(5),
                                         int16_t at_most = INT16_MAX) {
    using Answer = Result<typename Request::Response>;
    auto answer = std::make_shared<std::optional<Answer>>();
    process_->spawn("ask", put(caller_->call(to, std::move(request), timeout, at_most), answer));
    world_.run_until([&] { return answer->has_value(); }, timeout + std::chrono::seconds(1));
    if (!answer->has_value()) return fail(Error::timeout("the world stood still"));
    return std::move(**answer);
  }

  // Attempts until one succeeds, and says so if none does: a site that is up must answer.
  template <typename Request>
  std::optional<typename Request::Response> insist(const io::Address& to, Request request,
                                                   int16_t at_most = INT16_MAX) {
    std::string trouble;
    for (int i = 0; i < 50; ++i) {
      auto answer = ask(to, request, std::chrono::seconds(5), at_most);
      if (answer) return std::move(*answer);
      trouble = answer.error().text;
      world_.run_for(std::chrono::milliseconds(200));
    }
    judge_.broken("a site that is up answers", to.to_string() + ": " + trouble);
    return std::nullopt;
  }

  bool create_topic(Site& site, const std::string& name, int32_t partitions);
  std::optional<kafka::DescribeSiteResponse> describe(Site& site);
  // The same, but one attempt, of a site that may be dead, paused or cut off.
  std::optional<kafka::DescribeSiteResponse> glance(Site& site);
  // The whole log up to the high watermark, as consumers read it; nothing where the topic has never
  // been, or where another leads it by now. One that is being opened is waited for; one that is
  // offline is a finding.
  std::optional<LogContents> read(Site& site, const TopicPartition& partition);
  // One attempt to delete what lies before `offset`; it may come to nothing.
  void delete_records(Site& site, const TopicPartition& partition, Offset offset);
  // All partitions of all topics but the coordinator's own.
  std::map<TopicPartition, LogContents> read_all(Site& site);
  // What the coordinator answers; -1 = nothing committed. Nothing only if that was judged.
  std::optional<Offset> committed(Site& site, const std::string& group,
                                  const TopicPartition& partition);
  // Waits until the site serves.
  bool await_serving(Site& site);
  // That all its partitions are online. After a restart they are, unless its disk failed again.
  bool all_online(Site& site);

 private:
  void check_topics(Site& site, const kafka::DescribeSiteResponse& described);
  template <typename Answer>
  static io::Task<void> put(io::Task<Answer> task, std::shared_ptr<std::optional<Answer>> into) {
    auto answer = co_await task;
    into->emplace(std::move(answer));
  }
  std::optional<LogContents> read_all_of(Site& site, const TopicPartition& partition,
                                         const kafka::DescribeSiteResponse::SitePartition& ends);
  bool read_on(Site& site, const TopicPartition& partition, LogContents& log, Offset& next);
  bool has_moved_ = false;  // what was read last, of a site of several brokers

  SimWorld& world_;
  Judge& judge_;
  Ledger& ledger_;
  SimProcess* process_;
  Caller* caller_;
  // site -> topic -> partitions
  std::map<std::string, std::map<std::string, size_t>> seen_;
};

}  // namespace isthmus::sim
