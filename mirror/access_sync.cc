#include "mirror/access_sync.h"

#include <fmt/format.h>

#include <algorithm>
#include <tuple>
#include <utility>

#include "kafka/errors.h"
#include "mirror/lanes.h"

namespace isthmus::mirror {

using kafka::ErrorCode;
using ChangeKind = AccessPlan::Change::Kind;

namespace {

constexpr auto read_every = std::chrono::seconds(1);
// A foreign cluster answers everything each time.
constexpr auto read_all_every = std::chrono::seconds(5);
constexpr size_t most_changes = 1'000;
constexpr size_t most_problems = 10;

Error refusal(const std::string& what, ErrorCode code, const std::optional<std::string>& why) {
  return kafka::error_of(
      code, fmt::format("{}: {}", what, why && !why->empty() ? *why : kafka::error_name(code)));
}

}  // namespace

AccessSync::AccessSync(client::Cluster& source, bool is_foreign, client::Cluster& target,
                       Names names, int64_t link_epoch, AccessScope scope,
                       io::Duration delete_delay, Logger log)
    : source_(source),
      target_(target),
      is_foreign_(is_foreign),
      names_(std::move(names)),
      link_epoch_(link_epoch),
      scope_(std::move(scope)),
      log_(std::move(log)),
      plan_(names_.link, names_.reverse, delete_delay),
      turn_(source.loop()) {}

io::Instant AccessSync::soon() const { return source_.loop().now() + request_timeout; }

// After a failure everything is read anew.
io::Duration AccessSync::pause() const {
  return is_foreign_ || failed_ ? read_all_every : read_every;
}

io::Task<void> AccessSync::round() {
  auto turn = co_await turn_.lock();
  auto done = co_await run();
  tell_problems(done);
  failed_ = !done;
  if (failed_) there_ = here_ = {};
}

io::Task<Result<void>> AccessSync::run() {
  auto asking = is_foreign_ ? read_foreign_access(source_, there_, request_timeout, access_lane)
                            : read_access(source_, there_, request_timeout, access_lane);
  auto news = co_await asking;
  if (!news) co_return fail(names_.source + ": " + news.error().text);
  if (*news) there_.view = scope_.of(std::move(*there_.view));
  auto news_here = co_await read_access(target_, here_, request_timeout, access_lane);
  if (!news_here) co_return fail(names_.target + ": " + news_here.error().text);
  if (*news || *news_here) plan_.ask_again();
  // Its own would be taken for missing.
  if (!here_.view->tells(AccessKind::user) || !here_.view->tells(AccessKind::quota)) {
    co_return fail(names_.target + ": it wants ALTER on the cluster");
  }
  const io::Instant now = source_.loop().now();
  if (!*news && !*news_here && !plan_.is_due(now)) co_return Result<void>{};
  auto changes = plan_.decide(*there_.view, *here_.view, now);
  count();
  if (changes.empty()) co_return Result<void>{};
  auto made = co_await make(std::move(changes));
  co_return made;
}

kafka::FollowAccessRequest AccessSync::request_of(
    std::span<const AccessPlan::Change> changes) const {
  kafka::FollowAccessRequest request;
  request.link = names_.link;
  request.link_epoch = link_epoch_;
  for (const auto& [key, kind] : changes) {
    const AccessView& from = kind == ChangeKind::remove ? *here_.view : *there_.view;
    auto what = from.entries.at(key).what;
    const bool is_note = kind == ChangeKind::note;
    const bool goes = kind == ChangeKind::remove;
    if (auto* acl = std::get_if<AccessEntry::Acl>(&what)) {
      acl->remove = goes;
      acl->made_here = is_note;
      request.acls.push_back(std::move(*acl));
    } else if (auto* user = std::get_if<AccessEntry::User>(&what)) {
      user->made_here = is_note;
      if (goes) user->credentials.clear();
      request.users.push_back(std::move(*user));
    } else if (auto* quota = std::get_if<AccessEntry::Quota>(&what)) {
      quota->made_here = is_note;
      if (goes) quota->values.clear();
      request.quotas.push_back(std::move(*quota));
    }
  }
  return request;
}

// Of one commit are entries of one kind that come, or that go: what denies is there before what
// allows is sent. Where the target keeps something that denies as it is, nobody new comes and
// nothing more is allowed; all else goes on, and what has gone at the source goes here, too.
io::Task<Result<void>> AccessSync::make(Changes changes) {
  const std::span all(changes);
  bool is_denial_missing = false;
  for (size_t first = 0; first < all.size();) {
    const auto is_another = [&](const auto& change) {
      const bool differs_in_way =
          (change.kind == ChangeKind::remove) != (all[first].kind == ChangeKind::remove);
      return differs_in_way || change.key.kind != all[first].key.kind;
    };
    auto rest = all.subspan(first);
    const auto end = std::ranges::find_if(rest, is_another);
    rest = rest.first(std::min<size_t>(end - rest.begin(), most_changes));
    first += rest.size();
    const bool comes = rest.front().kind != ChangeKind::remove;
    const AccessKind kind = rest.front().key.kind;
    const bool opens = comes && (kind == AccessKind::user || kind == AccessKind::allow);
    if (opens && is_denial_missing) continue;
    auto answer = co_await target_.call_any(request_of(rest), soon(), access_lane);
    if (!answer) co_return fail(names_.target + ": " + answer.error().text);
    if (answer->error_code != ErrorCode::none) {
      co_return fail(refusal(names_.target, answer->error_code, answer->error_message));
    }
    for (const auto& kept : answer->kept) {
      if (kept.at < 0 || kept.at >= std::ssize(rest)) co_return fail("an answer about no entry");
      plan_.refused(rest[static_cast<size_t>(kept.at)].key, kept.reason);
    }
    log_.info("who may do what: {} entries followed, {} kept as they are",
              rest.size() - answer->kept.size(), answer->kept.size());
    if (comes && kind == AccessKind::deny && !answer->kept.empty()) is_denial_missing = true;
  }
  co_return Result<void>{};
}

void AccessSync::count() {
  AccessStatus status;
  for (const auto& [key, entry] : here_.view->entries) {
    if (!plan_.follows(entry)) continue;
    const bool is_acl = key.kind == AccessKind::deny || key.kind == AccessKind::allow;
    ++(is_acl ? status.acls : key.kind == AccessKind::user ? status.users : status.quotas);
  }
  status.waiting = static_cast<int32_t>(plan_.waiting());
  status.problems = std::move(status_.problems);
  status_ = std::move(status);
}

void AccessSync::tell_problems(const Result<void>& done) {
  std::vector<std::string> problems;
  if (!done) problems.push_back(done.error().text);
  if (there_.view) {
    const std::pair<const char*, const std::string*> parts[] = {
        {"ACLs", &there_.view->no_acls},
        {"users", &there_.view->no_users},
        {"quotas", &there_.view->no_quotas}};
    for (const auto& [what, why] : parts) {
      if (!why->empty()) {
        problems.push_back(fmt::format("{} of {} are not told: {}", what, names_.source, *why));
      }
    }
  }
  for (const auto& [key, why] : plan_.refusals()) {
    if (problems.size() == most_problems) break;
    problems.push_back(
        fmt::format("{} does not come to {}: {}", key.to_string(), names_.target, why));
  }
  for (const auto& problem : problems) {
    const bool is_said = std::ranges::find(status_.problems, problem) != status_.problems.end();
    if (!is_said) log_.warn("acls: follow: {}", problem);
  }
  status_.problems = std::move(problems);
}

void AccessSync::tell(kafka::ReportMirrorRequest& into) const {
  into.access.push_back(
      {status_.acls, status_.users, status_.quotas, status_.waiting, status_.problems});
}

}  // namespace isthmus::mirror
