#include "broker/store/broker_lease.h"

#include <charconv>
#include <utility>

#include "base/check.h"

namespace isthmus::broker {

using zookeeper::Answer;

namespace {

constexpr auto pause_between_sessions = std::chrono::seconds(1);
constexpr auto look_again_after = std::chrono::milliseconds(100);
constexpr auto say_again_after = std::chrono::minutes(1);

Error told_to_stop() { return Error::closed("told to end while it waited for ZooKeeper"); }

}  // namespace

BrokerLease::BrokerLease(io::Env& env, zookeeper::Connector& connector, Options options)
    : env_(env),
      connector_(connector),
      options_(std::move(options)),
      layout_(options_.connect.root),
      mine_(options_.says),
      stop_(env.main_loop()) {
  env_.random.fill(mine_.process.bytes);
}

BrokerLease::~BrokerLease() {
  CHECK(client_ == nullptr || env_.main_loop().has_ended(), "leave() comes before");
}

std::string BrokerLease::servers() const { return options_.connect.to_string(); }

void BrokerLease::stop_waiting() {
  stop_.close();
  if (store_ != nullptr) store_->begin_close();
}

bool BrokerLease::is_connected() const {
  return client_ != nullptr && client_->state() == zookeeper::SessionState::connected;
}

io::Task<bool> BrokerLease::wait(const Error& error) {
  if (stop_.closed()) co_return false;
  waits_for_ = "ZooKeeper at " + servers() + " does not answer; it is asked again and again";
  io::Loop& loop = env_.main_loop();
  if (loop.now() >= say_again_) {
    log_.warn("{} ({})", waits_for_, error.text);
    say_again_ = loop.now() + say_again_after;
  }
  co_await stop_.wait_until(loop.now() + pause_between_sessions);
  co_return !stop_.closed();
}

io::Task<Result<void>> BrokerLease::begin_session() {
  for (;;) {
    zookeeper::SessionOptions options{options_.connect.servers_for_library(),
                                      options_.session_timeout, options_.digest};
    auto begun = co_await connector_.begin(env_.main_loop(), std::move(options));
    if (begun) {
      client_ = std::move(*begun);
      co_return Result<void>{};
    }
    const Error error = begun.error();
    const bool again = co_await wait(error);
    if (!again) co_return fail(told_to_stop());
  }
}

io::Task<Result<void>> BrokerLease::reach() {
  const std::string folder = options_.connect.root.empty() ? "/" : options_.connect.root;
  for (;;) {
    auto answer = co_await client_->get(folder);
    if (answer) break;
    const Error error = answer.error();
    if (error.kind != Error::Kind::timeout) co_return fail(error);
    const bool again = co_await wait(error);
    if (!again) co_return fail(told_to_stop());
  }
  waits_for_.clear();
  co_return Result<void>{};
}

io::Task<Result<std::unique_ptr<MetadataStore>>> BrokerLease::open() {
  auto done = co_await begin_session();
  if (!done) co_return fail(done.error());
  ZookeeperStoreOptions options{.root = options_.connect.root,
                                .demands = demands_of(layout_, mine_.process)};
  auto store =
      std::make_unique<ZookeeperStore>(env_.main_loop(), env_.random, *client_, std::move(options));
  store_ = store.get();
  store_->on_session_lost([this] {
    if (lost_) lost_();
  });
  for (;;) {
    done = co_await reach();
    if (!done) break;
    done = co_await store->open();
    if (done || done.error().kind != Error::Kind::timeout) break;
  }
  if (!done) {
    store_ = nullptr;
    co_await store->close();
    co_return fail(stop_.closed() ? told_to_stop() : done.error());
  }
  co_return std::move(store);
}

io::Task<Result<void>> BrokerLease::take() {
  const std::string path = layout_.live(options_.node);
  while (!stop_.closed()) {
    auto there = co_await client_->get(path);
    Error error = there ? Error{} : there.error();
    if (there) {
      auto ops = plan_to_live(layout_, options_.node, mine_, *there);
      if (!ops) co_return fail(ops.error());
      if (ops->empty()) co_return Result<void>{};
      if (*there) log_.info("{}: takes the place of an earlier process", path);
      auto made = co_await client_->transact(std::move(*ops));
      if (made && made->answer == Answer::ok) co_return Result<void>{};
      if (made) {  // something has changed in between
        co_await stop_.wait_until(env_.main_loop().now() + look_again_after);
        continue;
      }
      error = made.error();
    }
    if (error.kind != Error::Kind::timeout) co_return fail(error);
    const bool again = co_await wait(error);
    if (!again) break;
    auto reached = co_await reach();
    if (!reached) co_return reached;
  }
  co_return fail(told_to_stop());
}

io::Task<std::map<NodeId, LiveNode>> BrokerLease::others() {
  std::map<NodeId, LiveNode> others;
  auto names = co_await client_->children(layout_.live());
  if (!names || !*names) co_return others;
  for (const std::string& name : **names) {
    NodeId node = -1;
    const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), node);
    const bool is_node = error == std::errc{} && end == name.data() + name.size();
    if (!is_node || node == options_.node) continue;
    auto there = co_await client_->get(layout_.live(node));
    if (!there || !*there) continue;
    auto says = decode_live_node((*there)->data, layout_.live(node));
    if (says) others[node] = std::move(*says);
  }
  co_return others;
}

io::Task<void> BrokerLease::leave() {
  stop_.close();
  lost_ = nullptr;
  if (store_ != nullptr) co_await store_->close();
  store_ = nullptr;
  if (client_ == nullptr) co_return;
  co_await connector_.end(std::move(client_));
}

}  // namespace isthmus::broker
