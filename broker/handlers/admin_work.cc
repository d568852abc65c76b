#include "broker/handlers/admin_work.h"

#include <memory>

#include "broker/link/switchovers.h"
#include "broker/replica/fence_wait.h"
#include "io/event.h"

namespace isthmus::broker {

namespace {

struct End {
  explicit End(io::Loop& loop) : come(loop) {}
  bool is_there = false;
  io::Event come;
};

io::Task<void> to_its_end(io::Task<void> work, std::shared_ptr<End> end) {
  co_await work;
  end->is_there = true;
  end->come.notify_all();
}

}  // namespace

TopicChanges::Turn turn_of(Context& context, int32_t timeout_ms) {
  const io::Instant now = context.env.main_loop().now();
  return context.switchovers.topic_changes().turn(now + fence_wait_of(timeout_ms));
}

TopicChanges::Turn turn_of(Context& context) {
  return context.switchovers.topic_changes().turn(context.env.main_loop().now() + fence_wait);
}

io::Task<void> wait_for_work(Context& context, int32_t timeout_ms, io::Task<void> work) {
  io::Loop& loop = context.env.main_loop();
  const io::Instant deadline = loop.now() + io::milliseconds(std::max(0, timeout_ms));
  auto end = std::make_shared<End>(loop);
  if (!context.admin.spawn("admin request", to_its_end(std::move(work), end))) co_return;
  while (!end->is_there && loop.now() < deadline) co_await end->come.wait_until(deadline);
}

}  // namespace isthmus::broker
