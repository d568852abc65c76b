#include "broker/handlers/topic_creation.h"

#include "broker/link/switchovers.h"

namespace isthmus::broker {

const char* const offsets_topic = kafka::offsets_topic;

void add_defaults(const Context& context, NewTopic& wish) {
  const auto& min_isr = context.config.broker.min_insync_replicas;
  if (min_isr) wish.configs.try_emplace("min.insync.replicas", std::to_string(*min_isr));
}

io::Task<Result<void>> create_topic(Context& context, NewTopic wish, TopicChanges::Turn turn) {
  context.env.random.fill(wish.id.bytes);
  add_defaults(context, wish);
  auto decide = [&wish](const Image& image) { return plan_create_topic(image, wish); };
  // The cluster's own topics stay where they are.
  auto made = is_internal(wish.name) ? context.controller.update(decide)
                                     : context.switchovers.topic_changes().make(decide, turn);
  auto done = co_await made;
  co_return done;
}

io::Task<Result<void>> ensure_offsets_topic(Context& context) {
  if (context.controller.snapshot()->find(offsets_topic) != nullptr) co_return Result<void>{};
  NewTopic wish;
  wish.name = offsets_topic;
  wish.partitions = context.config.broker.offsets_topic_num_partitions;
  wish.configs = {{"cleanup.policy", "compact"}, {"segment.bytes", "104857600"}};
  auto done = co_await create_topic(context, std::move(wish), {});
  bool there = context.controller.snapshot()->find(offsets_topic) != nullptr;
  if (there) co_return Result<void>{};
  co_return done;
}

}  // namespace isthmus::broker
