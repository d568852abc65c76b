#include "tests/sim/world/zookeeper.h"

#include <utility>

#include "base/check.h"
#include "io/disk.h"

namespace isthmus::sim {

using zookeeper::Answer;
using zookeeper::Op;
using zookeeper::SessionState;

namespace {
constexpr auto one_way = std::chrono::milliseconds(1);
constexpr auto session_timeout = std::chrono::seconds(6);
}  // namespace

Answer ZookeeperEnsemble::would(const Op& op) const {
  const auto found = nodes.find(op.path);
  const bool makes = op.kind == Op::Kind::create || op.kind == Op::Kind::create_ephemeral;
  if (makes) {
    if (!nodes.contains(io::parent_of(op.path))) return Answer::no_node;
    return found == nodes.end() ? Answer::ok : Answer::node_exists;
  }
  if (found == nodes.end()) return Answer::no_node;
  if (op.version != Op::any_version && op.version != found->second.version) {
    return Answer::bad_version;
  }
  if (op.kind == Op::Kind::remove && !children(op.path).empty()) return Answer::not_empty;
  return Answer::ok;
}

void ZookeeperEnsemble::act(const Op& op, uint64_t session, std::set<std::string>& touched) {
  switch (op.kind) {
    case Op::Kind::check: return;
    case Op::Kind::create: nodes[op.path] = {op.data}; break;
    case Op::Kind::create_ephemeral: nodes[op.path] = {op.data, 0, session}; break;
    case Op::Kind::set:
      nodes[op.path].data = op.data;
      ++nodes[op.path].version;
      break;
    case Op::Kind::remove: nodes.erase(op.path); break;
  }
  touched.insert(op.path);
}

// Each op sees what those before it have done; where one does not hold, all is as it was.
zookeeper::Outcome ZookeeperEnsemble::transact(const std::vector<Op>& ops, uint64_t session) {
  const auto before = nodes;
  std::set<std::string> touched;
  for (size_t i = 0; i < ops.size(); ++i) {
    const Answer answer = would(ops[i]);
    if (answer != Answer::ok) {
      nodes = before;
      return {answer, i};
    }
    act(ops[i], session, touched);
  }
  tell(touched);
  return {};
}

std::vector<std::string> ZookeeperEnsemble::children(const std::string& path) const {
  const std::string folder = path == "/" ? path : path + "/";
  std::vector<std::string> names;
  for (auto at = nodes.upper_bound(folder); at != nodes.end() && at->first.starts_with(folder);
       ++at) {
    const std::string name = at->first.substr(folder.size());
    if (name.find('/') == std::string::npos) names.push_back(name);
  }
  return names;
}

void ZookeeperEnsemble::tell(const std::set<std::string>& touched) {
  for (auto& [id, session] : sessions_) {
    for (const std::string& path : touched) {
      for (auto [at, end] = session->watches_.equal_range(path); at != end;) {
        session->loop_.post(std::move(at->second));
        at = session->watches_.erase(at);
      }
    }
  }
}

ZookeeperSession::ZookeeperSession(ZookeeperEnsemble& ensemble, io::Loop& loop)
    : ensemble_(ensemble), loop_(loop), id_(++ensemble.last_session_) {
  ensemble_.sessions_[id_] = this;
}

ZookeeperSession::~ZookeeperSession() {
  ensemble_.sessions_.erase(id_);
  if (!ensemble_.after_) return;
  ensemble_.after_(session_timeout, [&e = ensemble_, id = id_] { e.end_session(id); });
}

Error ZookeeperSession::no_line() const {
  if (state_ == SessionState::lost) return Error::closed("zookeeper: the session is lost");
  return Error::timeout("zookeeper: the line is cut");
}

io::Task<Result<void>> ZookeeperSession::travel() {
  const uint64_t cuts = cuts_;
  co_await io::sleep(loop_, one_way);
  if (state_ != SessionState::connected || cuts != cuts_) co_return fail(no_line());
  if (left_ > 0 && --left_ == 0) cut_line();
  co_return Result<void>{};
}

io::Task<Result<std::optional<zookeeper::Node>>> ZookeeperSession::get(std::string path) {
  auto there = co_await travel();
  if (!there) co_return fail(there.error());
  ++ensemble_.requests;
  std::optional<zookeeper::Node> node;
  const auto found = ensemble_.nodes.find(path);
  if (found != ensemble_.nodes.end()) node = {found->second.data, found->second.version};
  auto back = co_await travel();
  if (!back) co_return fail(back.error());
  co_return node;
}

io::Task<Result<std::optional<std::vector<std::string>>>> ZookeeperSession::children(
    std::string path) {
  auto there = co_await travel();
  if (!there) co_return fail(there.error());
  ++ensemble_.requests;
  std::optional<std::vector<std::string>> names;
  if (ensemble_.nodes.contains(path)) names = ensemble_.children(path);
  auto back = co_await travel();
  if (!back) co_return fail(back.error());
  co_return names;
}

io::Task<Result<zookeeper::Outcome>> ZookeeperSession::transact(std::vector<Op> ops) {
  size_t size = 0;
  for (const Op& op : ops) size += op.path.size() + op.data.size();
  CHECK(!ops.empty() && size <= max_request_bytes, "a transaction of a size to be sent");
  auto there = co_await travel();
  if (!there) co_return fail(there.error());
  ++ensemble_.requests;
  const zookeeper::Outcome outcome = ensemble_.transact(ops, id_);
  if (std::exchange(loses_answer_, false)) cut_line();
  if (expires_after_write_) expire();
  auto back = co_await travel();
  if (!back) co_return fail(back.error());
  co_return outcome;
}

io::Task<Result<bool>> ZookeeperSession::watch(std::string path, std::function<void()> changed) {
  auto there = co_await travel();
  if (!there) co_return fail(there.error());
  ++ensemble_.requests;
  const bool is_there = ensemble_.nodes.contains(path);
  watches_.emplace(path, std::move(changed));
  auto back = co_await travel();
  if (!back) co_return fail(back.error());
  co_return is_there;
}

void ZookeeperSession::fire_all() {
  for (auto& [path, changed] : watches_) loop_.post(std::move(changed));
  watches_.clear();
}

void ZookeeperSession::become(SessionState next) {
  if (state_ == next || state_ == SessionState::lost) return;
  state_ = next;
  if (next != SessionState::connected) fire_all();
  if (listener_) loop_.post([listener = listener_, next] { listener(next); });
}

void ZookeeperSession::cut_line() {
  ++cuts_;
  become(SessionState::connecting);
}

void ZookeeperSession::mend_line() {
  loses_answer_ = false;
  become(has_expired_ ? SessionState::lost : SessionState::connected);
}

void ZookeeperSession::expire() {
  ++cuts_;
  become(SessionState::lost);
  ensemble_.end_session(id_);
}

void ZookeeperSession::expire_unheard() {
  cut_line();
  has_expired_ = true;
  ensemble_.end_session(id_);
}

ZookeeperSession* ZookeeperEnsemble::find(uint64_t session) const {
  const auto found = sessions_.find(session);
  return found == sessions_.end() ? nullptr : found->second;
}

void ZookeeperEnsemble::end_session(uint64_t session) {
  std::set<std::string> gone;
  for (const auto& [path, node] : nodes) {
    if (node.session == session) gone.insert(path);
  }
  for (const std::string& path : gone) nodes.erase(path);
  tell(gone);
}

}  // namespace isthmus::sim
