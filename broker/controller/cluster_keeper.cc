#include "broker/controller/cluster_keeper.h"

#include <charconv>
#include <utility>

#include "broker/controller/elections.h"
#include "broker/controller/placement.h"

namespace isthmus::broker {

namespace {

using zookeeper::Answer;
using zookeeper::Op;

// When nothing has woken it; and after an error.
constexpr auto look_anyway_after = std::chrono::seconds(5);
constexpr auto look_again_after = std::chrono::milliseconds(200);

// <node id> <id of the process>
std::string text_of_seat(NodeId node, const Uuid& process) {
  return std::to_string(node) + " " + process.to_string();
}

NodeId node_in_seat(std::string_view text) {
  NodeId node = -1;
  std::from_chars(text.data(), text.data() + text.size(), node);
  return node;
}

}  // namespace

ClusterKeeper::ClusterKeeper(io::Loop& loop, io::Random& random, zookeeper::Client& client,
                             ZookeeperLayout layout, Controller& controller, Losses losses,
                             Habits habits)
    : loop_(loop),
      client_(client),
      layout_(std::move(layout)),
      controller_(controller),
      losses_(std::move(losses)),
      habits_(habits),
      leaderless_(habits_.patience),
      health_(controller.self()),
      wake_(std::make_shared<Wake>(loop)),
      stop_(loop),
      gate_(loop) {
  random.fill(id_.bytes);
}

void ClusterKeeper::start() {
  gate_.spawn("look after the cluster", keep());
  gate_.spawn("listen to the image", listen_to_image());
}

io::Task<void> ClusterKeeper::close() {
  stop_.close();
  wake_->wake();
  // Its listener waits there.
  controller_.settled().notify_all();
  co_await gate_.close();
}

void ClusterKeeper::serve() {
  serves_ = true;
  wake_->wake();
}

io::Task<Result<void>> ClusterKeeper::stop_serving() {
  serves_ = false;
  const NodeId self = controller_.self();
  auto done =
      co_await controller_.commit([self](const Image& image) { return plan_fence(image, self); });
  co_return done;
}

void ClusterKeeper::on_refused(NodeId broker, int32_t starts) {
  health_.on_refused(broker, starts);
  wake_->wake();
}

io::Task<void> ClusterKeeper::listen_to_image() {
  while (!stop_.closed() && !controller_.settled().closed()) {
    co_await controller_.settled().wait();
    wake_->wake();
  }
}

io::Task<void> ClusterKeeper::keep() {
  bool fails = false;
  while (!stop_.closed()) {
    wake_->is_due = false;
    auto looked = co_await look();
    if (!looked && looked.error().kind == Error::Kind::closed) co_return;
    // Once for each time that nobody answers, however long that takes.
    const bool is_news = !looked && !std::exchange(fails, true);
    if (is_news) log_.warn("cannot look after the cluster: {}", looked.error().text);
    if (looked) fails = false;
    const auto patience = looked ? io::Duration(look_anyway_after) : look_again_after;
    const io::Instant until = loop_.now() + patience;
    while (!wake_->is_due && !stop_.closed()) {
      const bool woken = co_await wake_->event.wait_until(until);
      if (!woken) break;
    }
  }
}

io::Task<Result<void>> ClusterKeeper::look() {
  auto done = co_await unfence_self();
  if (done) done = co_await tell_of_losses();
  if (done && !seated_) done = co_await look_for_seat();
  if (done && seated_) done = co_await look_for_brokers();
  if (done && seated_) done = co_await look_for_unclean();
  if (done && seated_) done = co_await look_for_placement();
  co_return done;
}

io::Task<Result<void>> ClusterKeeper::unfence_self() {
  const NodeId self = controller_.self();
  const auto image = controller_.snapshot();
  const auto known = image->brokers.find(self);
  const bool is_fenced = known != image->brokers.end() && known->second.fenced;
  if (!serves_ || !is_fenced) co_return Result<void>{};
  const int32_t starts = known->second.starts;
  Losses::Replicas lost;
  auto done =
      co_await controller_.commit([this, self, starts, &lost](const Image& now) -> Result<Plan> {
        lost.clear();
        if (!serves_) return Plan{};  // it has begun to stop meanwhile
        lost = losses_.of(now);
        return plan_unfence(now, self, starts, lost);
      });
  if (done) losses_.are_known(lost);
  if (done) log_.info("broker={} start={} serves", self, starts);
  co_return done;
}

io::Task<Result<void>> ClusterKeeper::tell_of_losses() {
  if (!serves_ || losses_.of(*controller_.snapshot()).empty()) co_return Result<void>{};
  const NodeId self = controller_.self();
  Losses::Replicas lost;
  std::vector<Election> unclean;
  auto done = co_await controller_.commit([this, self, &lost, &unclean](const Image& now) {
    lost = losses_.of(now);
    return plan_lose(now, self, lost, &unclean);
  });
  if (done) losses_.are_known(lost);
  if (done) tell_of_unclean(*controller_.snapshot(), unclean, "as its topic allows");
  co_return done;
}

io::Task<Result<zookeeper::Outcome>> ClusterKeeper::take_seat(std::optional<int32_t> version) {
  std::vector<Op> ops = {{Op::Kind::check, layout_.live(controller_.self())}};
  if (version) ops.push_back({Op::Kind::remove, layout_.controller(), {}, *version});
  ops.push_back({Op::Kind::create_ephemeral, layout_.controller(),
                 Slice::copy_of(text_of_seat(controller_.self(), id_))});
  auto outcome = co_await client_.transact(std::move(ops));
  co_return outcome;
}

void ClusterKeeper::note_holder(NodeId holder) {
  holder_ = holder;
  if (told_of_seat_) told_of_seat_(holder);
}

void ClusterKeeper::sit_down() {
  seated_ = true;
  note_holder(controller_.self());
  next_balance_ = loop_.now() + habits_.balance_every;
  leaderless_.forget();
  log_.info("broker={} is the controller", holder_);
}

io::Task<Result<void>> ClusterKeeper::look_for_seat() {
  // It is somebody's, and we are told when it is not any more.
  const bool is_taken = holder_ >= 0 && wake_->watched.contains(layout_.controller()) &&
                        !health_.is_refused(holder_, *controller_.snapshot());
  if (is_taken) co_return Result<void>{};
  auto taken = co_await take_seat(std::nullopt);
  if (!taken) co_return fail(taken.error());
  if (taken->answer == Answer::ok) {
    sit_down();
    co_return Result<void>{};
  }
  if (taken->answer != Answer::node_exists) {
    co_return fail(layout_.live(controller_.self()) + " is gone: the session has ended");
  }
  auto there = co_await watch(layout_.controller());
  if (!there) co_return fail(there.error());
  auto seat = co_await client_.get(layout_.controller());
  if (!seat) co_return fail(seat.error());
  if (!*seat) {
    wake_->wake();
    co_return Result<void>{};
  }
  const std::string text(as_text((*seat)->data.view()));
  if (text == text_of_seat(controller_.self(), id_)) {
    // Taken by a request whose answer was lost.
    sit_down();
    co_return Result<void>{};
  }
  note_holder(node_in_seat(text));
  // Its holder was this broker's process before, or is seen to be gone.
  const bool is_left =
      holder_ == controller_.self() || health_.is_refused(holder_, *controller_.snapshot());
  if (!is_left) co_return Result<void>{};
  auto moved = co_await take_seat((*seat)->version);
  if (!moved) co_return fail(moved.error());
  if (moved->answer == Answer::ok) {
    sit_down();
  } else {
    wake_->wake();
  }
  co_return Result<void>{};
}

io::Task<Result<std::optional<bool>>> ClusterKeeper::watch(std::string path) {
  if (!wake_->watched.insert(path).second) co_return std::optional<bool>{};
  auto there = co_await client_.watch(path, [wake = wake_, path] {
    wake->watched.erase(path);
    wake->wake();
  });
  if (!there) {
    wake_->watched.erase(path);
    co_return fail(there.error());
  }
  co_return std::optional<bool>{*there};
}

io::Task<Result<void>> ClusterKeeper::look_for_brokers() {
  const auto image = controller_.snapshot();
  for (const auto& [node, broker] : image->brokers) {
    if (broker.fenced || node == controller_.self()) continue;
    auto there = co_await watch(layout_.live(node));
    if (!there) co_return fail(there.error());
    if (*there) health_.on_node(node, **there);
  }
  const auto judged = controller_.snapshot();
  for (NodeId node : health_.dead(*judged)) {
    auto done = co_await fence(node, judged->starts_of(node));
    if (!done) co_return done;
  }
  co_return Result<void>{};
}

// Decided here before it is sent on, as this is asked after each change of the image, and nearly
// always in vain.
io::Task<Result<void>> ClusterKeeper::look_for_placement() {
  const int most = habits_.partitions_at_once;
  std::vector<Controller::Decision> decisions = {
      [most](const Image& now) { return plan_relieve(now, most); },
      [most](const Image& now) { return plan_placement(now, most); }};
  if (habits_.balances && loop_.now() >= next_balance_) {
    next_balance_ = loop_.now() + habits_.balance_every;
    decisions.push_back([this, most](const Image& now) {
      return plan_balance(now, habits_.imbalance_percentage, most);
    });
  }
  for (auto& decide : decisions) {
    auto plan = decide(*controller_.snapshot());
    if (!plan) co_return fail(plan.error());
    if (plan->empty()) continue;
    auto done = co_await controller_.commit(std::move(decide));
    if (!done) co_return done;
  }
  co_return Result<void>{};
}

io::Task<Result<void>> ClusterKeeper::look_for_unclean() {
  leaderless_.look(*controller_.snapshot(), loop_.now());
  std::vector<Election> elected;
  const auto decide = [this, &elected](const Image& now) {
    const auto is_given_up = [this](const TopicImage& topic, PartitionIndex index) {
      return leaderless_.is_given_up(topic, index, loop_.now());
    };
    return plan_unclean(now, is_given_up, habits_.partitions_at_once, elected);
  };
  if (auto plan = decide(*controller_.snapshot()); !plan || plan->empty()) {
    co_return plan ? Result<void>{} : fail(plan.error());
  }
  auto done = co_await controller_.commit(decide);
  if (done) tell_of_unclean(*controller_.snapshot(), elected, "as its topic allows");
  co_return done;
}

io::Task<Result<void>> ClusterKeeper::fence(NodeId node, int32_t starts) {
  auto done = co_await controller_.commit([node, starts](const Image& now) -> Result<Plan> {
    // Another life of it is another matter.
    if (now.starts_of(node) != starts) return Plan{};
    return plan_fence(now, node);
  });
  if (!done) co_return done;
  health_.forget_refusal(node);
  log_.warn("broker={} start={} is fenced: it is gone", node, starts);
  co_return done;
}

}  // namespace isthmus::broker
