#include "broker/link/site_holds.h"

#include <algorithm>
#include <set>

#include "io/parallel.h"

namespace isthmus::broker {

using kafka::ErrorCode;

namespace {

// Below the driver's for an answer, and above what a broker waits for its disks.
constexpr auto answer_timeout = std::chrono::seconds(4);
constexpr auto pause_for_leaders = io::milliseconds(50);
// All brokers of a site at once: none waits for another.
constexpr size_t asked_at_once = 100;

// It may be somebody else's to answer a moment later.
bool passes(const Error& error) {
  if (error.kind != Error::Kind::kafka) return true;
  const auto code = static_cast<ErrorCode>(error.code);
  return code == ErrorCode::not_leader_or_follower ||
         code == ErrorCode::coordinator_load_in_progress;
}

template <typename Response>
Result<Response> refusal_in(NodeId, Result<Response> answer) {
  if (!answer || answer->error_code == ErrorCode::none) return answer;
  return kafka::refuse(answer->error_code, answer->error_message.value_or(
                                               std::string(kafka::error_name(answer->error_code))));
}

}  // namespace

SiteHolds::SiteHolds(io::Loop& loop, Controller& controller, Colleagues& colleagues, Holds& here)
    : loop_(loop), controller_(controller), colleagues_(colleagues), here_(here) {}

io::Task<Result<kafka::HoldPartitionsResponse>> SiteHolds::ask_one(
    NodeId node, kafka::HoldPartitionsRequest request) {
  if (node == controller_.self()) co_return co_await here_.take(std::move(request));
  co_return co_await colleagues_.ask(node, std::move(request), loop_.now() + answer_timeout);
}

io::Task<Result<kafka::AskGroupsResponse>> SiteHolds::ask_one(NodeId node,
                                                              kafka::AskGroupsRequest request) {
  if (node == controller_.self()) co_return co_await here_.ask_groups(std::move(request));
  co_return co_await colleagues_.ask(node, std::move(request), loop_.now() + answer_timeout);
}

io::Task<Result<kafka::ReadMembersResponse>> SiteHolds::ask_members(
    NodeId node, kafka::ReadMembersRequest request) {
  co_return co_await colleagues_.ask(node, std::move(request), loop_.now() + answer_timeout);
}

template <typename Request>
io::Task<void> SiteHolds::ask_into(Result<typename Request::Response>& answer, NodeId node,
                                   Request request) {
  auto given = co_await ask_one(node, std::move(request));
  answer = refusal_in(node, std::move(given));
}

template <typename Request>
io::Task<std::map<NodeId, Result<typename Request::Response>>> SiteHolds::ask_each(
    std::map<NodeId, Request> asked) {
  using Response = typename Request::Response;
  std::vector<NodeId> nodes;
  for (const auto& [node, request] : asked) nodes.push_back(node);
  std::map<NodeId, Result<Response>> answers;
  for (NodeId node : nodes) answers.emplace(node, fail("not asked"));
  const auto piece = [&](size_t i) {
    return ask_into(answers.at(nodes[i]), nodes[i], std::move(asked.at(nodes[i])));
  };
  co_await io::in_parallel(loop_, nodes.size(), asked_at_once, piece);
  co_return answers;
}

io::Task<Result<SiteHolds::Answers>> SiteHolds::ask_all(HoldsByBroker asked) {
  auto answers = co_await ask_each(std::move(asked));
  Answers all;
  for (auto& [node, answer] : answers) {
    if (!answer) co_return fail(answer.error());
    all.emplace(node, std::move(*answer));
  }
  co_return all;
}

io::Task<Result<SiteHolds::Answers>> SiteHolds::ask(Request request, io::Duration patience,
                                                    bool without_leaders) {
  const io::Instant deadline = loop_.now() + patience;
  while (true) {
    const auto image = controller_.snapshot();
    auto asked = ask_leaders(*image, controller_.self(), request, without_leaders);
    Result<Answers> answers;
    if (asked) {
      answers = co_await ask_all(std::move(*asked));
    } else {
      answers = fail(asked.error());
    }
    if (answers && request.whole_site) {
      auto coordinated = check_coordinators(*controller_.snapshot(), coordinated_in(*answers));
      if (!coordinated) answers = fail(coordinated.error());
    }
    const bool is_over = loop_.now() + pause_for_leaders >= deadline;
    if (answers || is_over || !passes(answers.error())) co_return answers;
    // What has been frozen for this attempt is asked for anew.
    if (!request.attempt.is_zero()) {
      co_await lift(request.link, request.switchover_id, request.attempt);
    }
    co_await io::sleep(loop_, pause_for_leaders);
  }
}

io::Task<Result<SiteHolds::Answers>> SiteHolds::hold(Request request,
                                                     std::map<NodeId, int64_t> numbers) {
  const auto image = controller_.snapshot();
  auto asked = ask_leaders(*image, controller_.self(), request, false);
  if (!asked) co_return fail(asked.error());
  for (auto& [node, part] : *asked) {
    const auto number = numbers.find(node);
    if (number != numbers.end()) part.number = number->second;
  }
  co_return co_await ask_all(std::move(*asked));
}

io::Task<Result<void>> SiteHolds::lift(std::string link, Uuid id, Uuid attempt) {
  Request request;
  request.verb = kafka::HoldVerb::lift;
  request.link = std::move(link);
  request.switchover_id = id;
  request.attempt = attempt;
  HoldsByBroker asked;
  for (NodeId node : serving_brokers(*controller_.snapshot(), controller_.self())) {
    asked[node] = request;
  }
  const auto answers = co_await ask_each(std::move(asked));
  Result<void> done;
  for (const auto& [node, answer] : answers) {
    if (answer) continue;
    const bool is_refused = answer.error().kind == Error::Kind::kafka;
    if (is_refused) done = fail(answer.error());
    if (!is_refused) log_.warn("opens by itself: {}", answer.error().text);
  }
  co_return done;
}

io::Task<std::map<NodeId, Result<kafka::AskGroupsResponse>>> SiteHolds::ask_for_groups(
    kafka::AskGroupsRequest request) {
  std::map<NodeId, kafka::AskGroupsRequest> asked;
  for (NodeId node : serving_brokers(*controller_.snapshot(), controller_.self())) {
    asked[node] = request;
  }
  co_return co_await ask_each(std::move(asked));
}

io::Task<Result<SiteHolds::Groups>> SiteHolds::ask_for_all_groups() {
  const auto answers = co_await ask_for_groups({});
  Groups all;
  std::set<std::string> names;
  for (const auto& [node, answer] : answers) {
    if (!answer) co_return fail(answer.error());
    names.insert(answer->groups.begin(), answer->groups.end());
    for (const auto& c : answer->coordinated) all.coordinated.emplace_back(c.index, c.leader_epoch);
  }
  auto checked = check_coordinators(*controller_.snapshot(), all.coordinated);
  if (!checked) co_return fail(checked.error());
  all.names.assign(names.begin(), names.end());
  co_return all;
}

io::Task<Result<SiteHolds::Groups>> SiteHolds::groups(io::Duration patience) {
  const io::Instant deadline = loop_.now() + patience;
  while (true) {
    auto all = co_await ask_for_all_groups();
    const bool is_over = loop_.now() + pause_for_leaders >= deadline;
    if (all || is_over || !passes(all.error())) co_return all;
    co_await io::sleep(loop_, pause_for_leaders);
  }
}

io::Task<std::vector<ErrorCode>> SiteHolds::promote_groups(std::string link, Uuid id,
                                                           std::vector<std::string> groups) {
  kafka::AskGroupsRequest request;
  request.link = std::move(link);
  request.switchover_id = id;
  request.promote = groups;
  std::vector<ErrorCode> codes(groups.size(), ErrorCode::coordinator_not_available);
  const auto answers = co_await ask_for_groups(std::move(request));
  for (const auto& [node, answer] : answers) {
    if (!answer || answer->promoted.size() != codes.size()) continue;
    for (size_t i = 0; i < codes.size(); ++i) {
      const ErrorCode code = answer->promoted[i].error_code;
      // Of the others it is not the group.
      const bool is_its = code != ErrorCode::not_coordinator;
      if (is_its && codes[i] != ErrorCode::none) codes[i] = code;
    }
  }
  co_return codes;
}

}  // namespace isthmus::broker
