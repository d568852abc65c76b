#include "zookeeper/session.h"

// The calls that do not block, and the threads that call back.
#define THREADED
#include <zookeeper/zookeeper.h>

#include <algorithm>
#include <map>
#include <thread>
#include <utility>

#include "base/check.h"

namespace isthmus::zookeeper {

namespace {

Error error_of(int code, const std::string& what) {
  const std::string text = "zookeeper: " + what + ": " + zerror(code);
  switch (code) {
    case ZCONNECTIONLOSS:
    case ZOPERATIONTIMEOUT:
    case ZSESSIONMOVED:
    case ZTHROTTLEDOP: return Error::timeout(text);
    case ZSESSIONEXPIRED:
    case ZAUTHFAILED:
    case ZCLOSING:
    case ZINVALIDSTATE: return Error::closed(text);
    default: return Error::message(text);
  }
}

std::optional<Answer> answer_of(int code) {
  switch (code) {
    case ZOK: return Answer::ok;
    case ZNONODE: return Answer::no_node;
    case ZNODEEXISTS: return Answer::node_exists;
    case ZBADVERSION: return Answer::bad_version;
    case ZNOTEMPTY: return Answer::not_empty;
    default: return std::nullopt;
  }
}

// What the library has to say is said by our own lines about the session.
void drop_line(const char*) {}

size_t size_of(const std::vector<Op>& ops) {
  constexpr size_t around = 64;  // of an op, beside its path and data
  size_t size = 0;
  for (const Op& op : ops) size += op.path.size() + op.data.size() + around;
  return size;
}

}  // namespace

// What a request asks, and what has come back: shared by the coroutine that waits, which may go,
// and by the library, which answers every request once.
struct Session::Reply {
  explicit Reply(io::Loop& loop) : arrived(loop) {}

  io::Event arrived;
  bool is_here = false;
  int code = ZOK;
  std::optional<Node> node;
  std::vector<std::string> names;
  // Of a transaction, as the library needs them until it answers.
  std::vector<Op> ops;
  std::vector<zoo_op_t> c_ops;
  std::vector<zoo_op_result_t> results;
};

struct Session::Watch {
  Shared* shared;
  uint64_t number;
  std::function<void()> changed;  // empty: has been called
};

struct Session::Shared : std::enable_shared_from_this<Shared> {
  Shared(io::Loop& l, SessionOptions o) : loop(l), options(std::move(o)), changed(l) {}

  void note(SessionState next);
  void watch_fired(uint64_t number, bool is_last);
  Error refusal(int code, const std::string& what);

  io::Loop& loop;
  const SessionOptions options;
  Logger log{LogComponent::zookeeper};
  zhandle_t* handle = nullptr;  // null: not opened yet, or ended
  SessionState state = SessionState::connecting;
  bool is_opening = false;
  bool has_ended = false;
  bool is_named_again = false;  // over this line, see refusal()
  std::function<void(SessionState)> listener;
  io::Event changed;
  std::map<uint64_t, Watch> watches;
  uint64_t last_watch = 0;
};

void Session::Shared::note(SessionState next) {
  if (has_ended || state == next || state == SessionState::lost) return;
  state = next;
  is_named_again = false;
  switch (next) {
    case SessionState::connecting: log.warn("servers={} no server answers", options.servers); break;
    case SessionState::connected: log.info("servers={} connected", options.servers); break;
    case SessionState::lost: log.error("servers={} the session is lost", options.servers); break;
  }
  changed.notify_all();
  if (next != SessionState::connected) {
    std::vector<uint64_t> numbers;
    for (const auto& [number, watch] : watches) numbers.push_back(number);
    for (const uint64_t number : numbers) watch_fired(number, false);
  }
  if (listener) listener(next);
}

// Behind lines that broke off before a server answered, the library may begin one without the
// digest, over which nobody may do anything. It is named again, once for each line, and what was
// asked is to be asked again; a digest that is wrong is refused then, too.
Error Session::Shared::refusal(int code, const std::string& what) {
  Error error = error_of(code, what);
  const bool is_nobody = (code == ZINVALIDACL || code == ZNOAUTH) && !options.digest.empty();
  if (!is_nobody || handle == nullptr || std::exchange(is_named_again, true)) return error;
  zoo_add_auth(handle, "digest", options.digest.data(), static_cast<int>(options.digest.size()),
               nullptr, nullptr);
  return Error::timeout(std::move(error.text));
}

// The library keeps a watch over a lost line, and calls it once more.
void Session::Shared::watch_fired(uint64_t number, bool is_last) {
  const auto found = watches.find(number);
  if (has_ended || found == watches.end()) return;
  const auto call = std::exchange(found->second.changed, nullptr);
  if (is_last) watches.erase(found);
  if (call) call();
}

// Called back from the library's thread.
struct Session::Callbacks {
  using Held = std::shared_ptr<Reply>;

  static const void* hold(const Held& reply) { return new Held(reply); }
  static Held take(const void* data) {
    const auto* held = static_cast<const Held*>(data);
    Held reply = *held;
    delete held;
    return reply;
  }
  static void arrive(Held reply) {
    io::Loop& loop = reply->arrived.loop();
    loop.post([reply = std::move(reply)] {
      reply->is_here = true;
      reply->arrived.notify_all();
    });
  }

  static void on_void(int code, const void* data) {
    Held reply = take(data);
    reply->code = code;
    arrive(std::move(reply));
  }
  static void on_stat(int code, const Stat*, const void* data) { on_void(code, data); }
  static void on_data(int code, const char* value, int length, const Stat* stat, const void* data) {
    Held reply = take(data);
    reply->code = code;
    if (code == ZOK) {
      const auto* bytes = reinterpret_cast<const uint8_t*>(value);
      const size_t size = value == nullptr || length < 0 ? 0 : static_cast<size_t>(length);
      reply->node = Node{Slice::copy_of(Bytes(bytes, size)), stat->version};
    }
    arrive(std::move(reply));
  }
  static void on_names(int code, const String_vector* names, const void* data) {
    Held reply = take(data);
    reply->code = code;
    for (int32_t i = 0; code == ZOK && i < names->count; ++i) {
      reply->names.emplace_back(names->data[i]);
    }
    arrive(std::move(reply));
  }

  static void on_session(zhandle_t*, int type, int state, const char*, void* context) {
    if (type != ZOO_SESSION_EVENT) return;
    auto shared = static_cast<Shared*>(context)->shared_from_this();
    const bool is_connected = state == ZOO_CONNECTED_STATE;
    const bool is_lost = state == ZOO_EXPIRED_SESSION_STATE || state == ZOO_AUTH_FAILED_STATE;
    const SessionState next = is_lost        ? SessionState::lost
                              : is_connected ? SessionState::connected
                                             : SessionState::connecting;
    io::Loop& loop = shared->loop;
    loop.post([shared = std::move(shared), next] { shared->note(next); });
  }
  static void on_watch(zhandle_t*, int type, int, const char*, void* context) {
    // A lost line is told by on_session, to all at once.
    if (type == ZOO_SESSION_EVENT) return;
    const auto* watch = static_cast<const Watch*>(context);
    auto shared = watch->shared->shared_from_this();
    io::Loop& loop = shared->loop;
    loop.post([shared = std::move(shared), number = watch->number] {
      shared->watch_fired(number, true);
    });
  }
};

Session::Session(io::Loop& loop, SessionOptions options)
    : shared_(std::make_shared<Shared>(loop, std::move(options))) {}

Session::~Session() {
  const bool is_quiet = shared_->handle == nullptr && !shared_->is_opening;
  CHECK(is_quiet || shared_->loop.has_ended(), "close() comes before");
  shared_->has_ended = true;
}

io::Task<Result<void>> Session::open() {
  struct Opened {
    explicit Opened(io::Loop& loop) : done(loop) {}
    io::Event done;
    bool is_done = false;
    int error = 0;
  };
  auto opened = std::make_shared<Opened>(shared_->loop);
  shared_->is_opening = true;
  // Names are resolved before it returns.
  std::thread([shared = shared_, opened] {
    zoo_set_debug_level(ZOO_LOG_LEVEL_ERROR);
    zhandle_t* handle = zookeeper_init2(shared->options.servers.c_str(), Callbacks::on_session,
                                        static_cast<int>(shared->options.timeout.count()), nullptr,
                                        shared.get(), 0, drop_line);
    const int error = handle == nullptr ? errno : 0;
    // Before anything can be asked: each line begins with it, and what is asked comes behind. A
    // digest that is refused ends the session, and its event says so.
    const std::string& digest = shared->options.digest;
    if (handle != nullptr && !digest.empty()) {
      zoo_add_auth(handle, "digest", digest.data(), static_cast<int>(digest.size()), nullptr,
                   nullptr);
    }
    shared->loop.post([shared, opened, handle, error] {
      shared->handle = handle;
      shared->is_opening = false;
      shared->changed.notify_all();
      opened->error = error;
      opened->is_done = true;
      opened->done.notify_all();
    });
  }).detach();
  while (!opened->is_done) co_await opened->done.wait();
  if (opened->error != 0) {
    co_return fail("zookeeper.connect: " + shared_->options.servers + ": " +
                   Error::io(opened->error, "cannot be used").text);
  }
  co_return Result<void>{};
}

io::Task<void> Session::close() {
  struct Closed {
    explicit Closed(io::Loop& loop) : done(loop) {}
    io::Event done;
    bool is_done = false;
  };
  while (shared_->is_opening) co_await shared_->changed.wait();
  shared_->has_ended = true;
  zhandle_t* handle = std::exchange(shared_->handle, nullptr);
  if (handle == nullptr) co_return;
  auto closed = std::make_shared<Closed>(shared_->loop);
  // It waits for a server.
  std::thread([shared = shared_, handle, closed] {
    zookeeper_close(handle);
    shared->loop.post([closed] {
      closed->is_done = true;
      closed->done.notify_all();
    });
  }).detach();
  while (!closed->is_done) co_await closed->done.wait();
}

io::Task<bool> Session::connected(io::Instant deadline) {
  while (shared_->state == SessionState::connecting) {
    const bool in_time = co_await shared_->changed.wait_until(deadline);
    if (!in_time) co_return false;
  }
  co_return shared_->state == SessionState::connected;
}

SessionState Session::state() const { return shared_->state; }

void Session::on_state(std::function<void(SessionState)> listener) {
  shared_->listener = std::move(listener);
}

io::Task<Result<Session::ReplyPtr>> Session::answered(std::shared_ptr<Shared> shared,
                                                      ReplyPtr reply, int begun, std::string what) {
  if (begun != ZOK) co_return fail(error_of(begun, what));
  while (!reply->is_here) co_await reply->arrived.wait();
  const bool is_answer = answer_of(reply->code).has_value() || !reply->ops.empty();
  if (!is_answer) co_return fail(shared->refusal(reply->code, what));
  co_return reply;
}

// The library answers each request that it takes once.
template <typename Call>
int Session::begin(const ReplyPtr& reply, Call call) {
  if (shared_->handle == nullptr) return ZCLOSING;
  const void* held = Callbacks::hold(reply);
  const int code = call(shared_->handle, held);
  if (code != ZOK) Callbacks::take(held);
  return code;
}

io::Task<Result<std::optional<Node>>> Session::get(std::string path) {
  auto reply = std::make_shared<Reply>(shared_->loop);
  const int begun = begin(reply, [&path](zhandle_t* handle, const void* held) {
    return zoo_aget(handle, path.c_str(), 0, Callbacks::on_data, held);
  });
  auto answer = co_await answered(shared_, std::move(reply), begun, "get " + path);
  if (!answer) co_return fail(answer.error());
  co_return std::move((*answer)->node);
}

io::Task<Result<std::optional<std::vector<std::string>>>> Session::children(std::string path) {
  auto reply = std::make_shared<Reply>(shared_->loop);
  const int begun = begin(reply, [&path](zhandle_t* handle, const void* held) {
    return zoo_aget_children(handle, path.c_str(), 0, Callbacks::on_names, held);
  });
  auto answer = co_await answered(shared_, std::move(reply), begun, "children of " + path);
  if (!answer) co_return fail(answer.error());
  if ((*answer)->code != ZOK) co_return std::nullopt;
  co_return std::move((*answer)->names);
}

io::Task<Result<Outcome>> Session::transact(std::vector<Op> ops) {
  CHECK(!ops.empty() && size_of(ops) <= max_request_bytes, "a transaction of a size to be sent");
  auto reply = std::make_shared<Reply>(shared_->loop);
  reply->ops = std::move(ops);
  reply->c_ops.resize(reply->ops.size());
  reply->results.resize(reply->ops.size());
  const ACL_vector* acl =
      shared_->options.digest.empty() ? &ZOO_OPEN_ACL_UNSAFE : &ZOO_CREATOR_ALL_ACL;
  for (size_t i = 0; i < reply->ops.size(); ++i) {
    const Op& op = reply->ops[i];
    zoo_op_t* out = &reply->c_ops[i];
    const auto* data = reinterpret_cast<const char*>(op.data.data());
    const int size = static_cast<int>(op.data.size());
    switch (op.kind) {
      case Op::Kind::check: zoo_check_op_init(out, op.path.c_str(), op.version); break;
      case Op::Kind::create:
        zoo_create_op_init(out, op.path.c_str(), data, size, acl, ZOO_PERSISTENT, nullptr, 0);
        break;
      case Op::Kind::create_ephemeral:
        zoo_create_op_init(out, op.path.c_str(), data, size, acl, ZOO_EPHEMERAL, nullptr, 0);
        break;
      case Op::Kind::set:
        zoo_set_op_init(out, op.path.c_str(), data, size, op.version, nullptr);
        break;
      case Op::Kind::remove: zoo_delete_op_init(out, op.path.c_str(), op.version); break;
    }
  }
  const std::string what = "write " + reply->ops.front().path;
  auto shared = shared_;  // this may be gone when the answer comes
  const int begun = begin(reply, [&reply](zhandle_t* handle, const void* held) {
    // Of a lost session zoo_amulti refuses the first op, and behind it frees a pointer for each
    // other that it has never set: in practice our path of the op before. What is lost between
    // this look and its own ends in that still, as a process does that has lost its session.
    if (const int lost = is_unrecoverable(handle); lost != ZOK) return lost;
    return zoo_amulti(handle, static_cast<int>(reply->c_ops.size()), reply->c_ops.data(),
                      reply->results.data(), Callbacks::on_void, held);
  });
  auto answer = co_await answered(shared_, std::move(reply), begun, what);
  if (!answer) co_return fail(answer.error());
  const Reply& done = **answer;
  if (done.code == ZOK) co_return Outcome{};
  // The first that did not hold is the one that has a reason; those behind it say so.
  for (size_t i = 0; i < done.results.size(); ++i) {
    const int code = done.results[i].err;
    if (code == ZOK || code == ZRUNTIMEINCONSISTENCY) continue;
    const auto refused = answer_of(code);
    if (!refused) co_return fail(shared->refusal(code, "write " + done.ops[i].path));
    co_return Outcome{*refused, i};
  }
  co_return fail(shared->refusal(done.code, what));
}

io::Task<Result<bool>> Session::watch(std::string path, std::function<void()> changed) {
  auto reply = std::make_shared<Reply>(shared_->loop);
  const uint64_t number = ++shared_->last_watch;
  const int begun = begin(reply, [&](zhandle_t* handle, const void* held) {
    Watch& watch = shared_->watches[number];
    watch = {shared_.get(), number, std::move(changed)};
    return zoo_awexists(handle, path.c_str(), Callbacks::on_watch, &watch, Callbacks::on_stat,
                        held);
  });
  // A copy: this may be gone when the answer comes.
  auto shared = shared_;
  auto answer = co_await answered(shared_, std::move(reply), begun, "watch " + path);
  if (!answer) {
    shared->watches.erase(number);
    co_return fail(answer.error());
  }
  co_return (*answer)->code == ZOK;
}

io::Task<Result<std::unique_ptr<Client>>> SessionConnector::begin(io::Loop& loop,
                                                                  SessionOptions options) {
  auto session = std::make_unique<Session>(loop, std::move(options));
  auto opened = co_await session->open();
  if (!opened) co_return fail(opened.error());
  co_return session;
}

io::Task<void> SessionConnector::end(std::unique_ptr<Client> client) {
  co_await static_cast<Session&>(*client).close();
}

}  // namespace isthmus::zookeeper
