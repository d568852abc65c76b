#include "broker/link/way_back_steps.h"

namespace isthmus::broker {

using kafka::ErrorCode;

namespace {

constexpr uint64_t read_bytes = 4u << 20;
// The disk of a leader, and of those who must have it too.
constexpr auto time_to_be_safe = std::chrono::seconds(20);
// Followers fetch at once when their leader has cut.
constexpr auto time_to_cut = std::chrono::seconds(5);
constexpr auto time_for_a_step = std::chrono::seconds(30);
constexpr auto time_to_read_a_record = std::chrono::seconds(3);
// Long enough from the last comparison to the record. Whoever goes the way may die on it.
constexpr auto fence_time = std::chrono::seconds(60);

WayBackSteps::Response no_step(const Error& why) {
  WayBackSteps::Response response;
  kafka::refuse(response, why);
  return response;
}

WayBackSteps::Response no_step(ErrorCode code, std::string why) {
  return no_step(kafka::error_of(code, std::move(why)));
}

}  // namespace

WayBackSteps::WayBackSteps(io::Env& env, Controller& controller, PartitionTable& partitions,
                           Colleagues& colleagues)
    : env_(env), controller_(controller), partitions_(partitions), colleagues_(colleagues) {}

io::Task<Result<WayBackSteps::Response>> WayBackSteps::take(Request request) {
  const auto image = controller_.snapshot();
  const TopicImage* topic = image->find(request.topic_id);
  if (topic == nullptr || request.index < 0 || request.index >= std::ssize(topic->partitions)) {
    co_return fail("there is no such partition");
  }
  const NodeId leader = topic->partitions[request.index].leader;
  if (leader < 0) co_return fail("none of its brokers that may lead it is up");
  Result<Response> answer = Response{};
  if (leader == colleagues_.self()) {
    answer = co_await take_here(std::move(request));
  } else {
    const io::Instant deadline = env_.main_loop().now() + time_for_a_step;
    answer = co_await colleagues_.ask(leader, std::move(request), deadline);
  }
  if (!answer || answer->error_code == ErrorCode::none) co_return answer;
  co_return kafka::refuse(
      answer->error_code,
      answer->error_message.value_or(std::string(kafka::error_name(answer->error_code))));
}

// Of a topic that another broker has just made this one may have yet to hear, or to open it.
io::Task<PartitionRef> WayBackSteps::open_one(Uuid topic_id, PartitionIndex index) {
  const io::Instant deadline = env_.main_loop().now() + time_to_read_a_record;
  while (true) {
    const auto image = controller_.snapshot();
    const TopicImage* topic = image->find(topic_id);
    PartitionRef partition;
    if (topic != nullptr) partition = partitions_.find(topic->name, index);
    const bool may_come = topic == nullptr || partition.is_opening();
    const bool is_over = controller_.settled().closed() || env_.main_loop().now() >= deadline;
    if (partition || partition.outage() || !may_come || is_over) co_return partition;
    co_await controller_.settled().wait_until(deadline);
  }
}

io::Task<WayBackSteps::Response> WayBackSteps::take_here(Request request) {
  const PartitionRef partition = co_await open_one(request.topic_id, request.index);
  if (!partition) {
    const auto outage = partition.outage();
    co_return no_step(ErrorCode::kafka_storage_error,
                      "offline here" + (outage ? ": " + outage->reason : std::string()));
  }
  Response response;
  switch (request.step) {
    case Step::compare: response = co_await compare(partition, std::move(request)); break;
    case Step::read: response = co_await read(partition, std::move(request)); break;
    case Step::keep: response = co_await keep(partition, std::move(request)); break;
    case Step::cut: response = co_await cut(partition, std::move(request)); break;
    case Step::lift: co_await partition.lift(request.fence); break;
  }
  co_return response;
}

io::Task<WayBackSteps::Response> WayBackSteps::compare(PartitionRef partition, Request request) {
  std::vector<EpochEntry> history;
  for (const auto& e : request.history) history.push_back({e.epoch, e.start_offset, e.owner});
  const Parting parting = co_await partition.fence_and_compare(request.fence, fence_time,
                                                               std::move(history), request.offset);
  if (parting.refusal) co_return no_step(parting.refusal->code, parting.refusal->reason);
  Response response;
  response.leader_epoch = parting.leader_epoch;
  response.cut_at = parting.cut_at;
  response.end_offset = parting.end_offset;
  response.last_batch_epoch = parting.last_batch_epoch;
  co_return response;
}

io::Task<WayBackSteps::Response> WayBackSteps::read(PartitionRef partition, Request request) {
  const EpochHistory history = co_await partition.history();
  if (!history.leads) co_return no_step(ErrorCode::not_leader_or_follower, "led by another by now");
  Response response;
  response.end_offset = history.end_offset;
  if (request.offset >= history.end_offset) co_return response;
  auto records = co_await partition.read_own(request.offset, read_bytes);
  if (!records) co_return no_step(records.error());
  response.records = Rope(std::move(*records));
  co_return response;
}

// Whoever goes the way has written down that a link writes the topic; until the partition has
// followed that here, it is the fence alone that keeps clients out.
io::Task<bool> WayBackSteps::is_the_links(Uuid topic_id) {
  const io::Instant deadline = env_.main_loop().now() + time_to_read_a_record;
  while (true) {
    const auto image = controller_.heard();
    const TopicImage* topic = image->find(topic_id);
    if (topic != nullptr && topic->writer.link() != nullptr) co_return true;
    const bool is_over = controller_.settled().closed() || env_.main_loop().now() >= deadline;
    if (is_over) co_return false;
    co_await controller_.settled().wait_until(deadline);
  }
}

io::Task<WayBackSteps::Response> WayBackSteps::cut(PartitionRef partition, Request request) {
  const bool is_followed = co_await is_the_links(request.topic_id);
  if (!is_followed) {
    co_return no_step(ErrorCode::not_leader_or_follower,
                      "its leader has yet to read that it is a mirror; repeat the command");
  }
  const EpochHistory history = co_await partition.history();
  if (history.end_offset > request.end_offset) {
    co_return no_step(ErrorCode::invalid_request,
                      "it was written since it was compared; repeat the command");
  }
  const io::Instant deadline = partition.loop().now() + time_to_cut;
  auto done = co_await partition.cut(request.offset, request.fence, deadline);
  if (!done) co_return no_step(done.error());
  co_return Response{};
}

// An export that broke off goes on at its end.
io::Task<WayBackSteps::Response> WayBackSteps::keep(PartitionRef partition, Request request) {
  auto records = request.records.flatten();
  if (!records) co_return no_step(records.error());
  auto kept = co_await partition.append(ExportWriter{request.offset}, std::move(*records));
  if (!kept) co_return no_step(kept.error());
  auto synced = co_await partition.sync();
  if (!synced) co_return no_step(synced.error());
  auto safe = co_await partition.committed(kept->log_end, partition.loop().now() + time_to_be_safe,
                                           kept->tenure);
  if (!safe) co_return no_step(safe.error());
  Response response;
  response.end_offset = kept->log_end;
  co_return response;
}

}  // namespace isthmus::broker
