#include "broker/replica/partition_ref.h"

#include <type_traits>

#include "base/check.h"
#include "broker/replica/partition.h"

namespace isthmus::broker {

namespace {

// The partition and the arguments lie in this frame, whatever becomes of the ref.
template <typename Verb>
io::Task<std::invoke_result_t<Verb&, Partition&>> on_loop(std::shared_ptr<Partition> partition,
                                                          Verb verb) {
  io::Loop* home = io::Loop::current();
  co_await io::HopTo{partition->loop()};
  if constexpr (std::is_void_v<std::invoke_result_t<Verb&, Partition&>>) {
    partition->write_pending();
    verb(*partition);
    partition->note_outage();
    co_await io::HopTo{*home};
  } else {
    partition->write_pending();
    auto value = verb(*partition);
    partition->note_outage();
    co_await io::HopTo{*home};
    co_return value;
  }
}

io::Task<std::shared_ptr<PendingAppend>> enqueue_on_loop(std::shared_ptr<Partition> partition,
                                                         ClientWriter writer, Slice batch) {
  io::Loop* home = io::Loop::current();
  co_await io::HopTo{partition->loop()};
  auto append = partition->enqueue(writer, std::move(batch));
  co_await io::HopTo{*home};
  co_return append;
}

// The same for verbs that wait.
template <typename Value>
io::Task<Value> wait_on_loop(std::shared_ptr<Partition> partition, io::Task<Value> verb) {
  auto done = co_await io::call_on(partition->loop(), std::move(verb));
  co_return done;
}
io::Task<void> wait_on_loop(std::shared_ptr<Partition> partition, io::Task<void> verb) {
  co_await io::call_on(partition->loop(), std::move(verb));
}

}  // namespace

PartitionRef::PartitionRef(Outage outage)
    : absence_(kafka::ErrorCode::kafka_storage_error),
      outage_(std::make_shared<const Outage>(std::move(outage))) {}

std::shared_ptr<const Outage> PartitionRef::outage() const {
  return partition_ ? partition_->outage() : outage_;
}

const TopicPartition& PartitionRef::name() const { return partition_->name(); }
const Uuid& PartitionRef::topic_id() const { return partition_->topic_id(); }
io::Loop& PartitionRef::loop() const { return partition_->loop(); }
std::shared_ptr<const kafka::RecordRules> PartitionRef::record_rules() const {
  return partition_->record_rules();
}

io::Task<Result<Appended>> PartitionRef::append(Writer writer, Slice batches) const {
  return on_loop(partition_, [writer = std::move(writer), batches = std::move(batches)](
                                 Partition& p) { return p.append(writer, batches); });
}

io::Task<std::shared_ptr<PendingAppend>> PartitionRef::enqueue(ClientWriter writer,
                                                               Slice batch) const {
  return enqueue_on_loop(partition_, writer, std::move(batch));
}

io::Task<Result<Appended>> PartitionRef::written(std::shared_ptr<PendingAppend> append) const {
  return wait_on_loop(partition_, partition_->written(std::move(append)));
}

io::Task<bool> PartitionRef::leads_still(io::Instant since) const {
  return wait_on_loop(partition_, partition_->leads_still(since));
}

io::Task<void> PartitionRef::fence_ended(io::Instant deadline) const {
  return wait_on_loop(partition_, partition_->fence_ended(deadline));
}

io::Task<Result<void>> PartitionRef::committed(Offset end, io::Instant deadline,
                                               uint64_t tenure) const {
  return wait_on_loop(partition_, partition_->committed(end, deadline, tenure));
}

io::Task<Result<Offset>> PartitionRef::delete_records(Writer writer, Offset before) const {
  return on_loop(partition_, [writer = std::move(writer), before](Partition& p) {
    return p.delete_records(writer, before);
  });
}

io::Task<Result<Offset>> PartitionRef::deleted(Offset start, io::Instant deadline) const {
  return wait_on_loop(partition_, partition_->deleted(start, deadline));
}

ReadResult PartitionRef::read(const ReadSpec& spec, const std::shared_ptr<FetchWait>& wait) const {
  CHECK(io::Loop::current() == &partition_->loop(), "a partition is read on its own loop");
  partition_->write_pending();
  if (wait) partition_->wait_for_data(wait, spec.follower.has_value());
  ReadResult result = partition_->read(spec);
  partition_->note_outage();
  return result;
}

io::Task<Result<Slice>> PartitionRef::read_own(Offset from, uint64_t max_bytes) const {
  return on_loop(partition_,
                 [from, max_bytes](Partition& p) { return p.read_own(from, max_bytes); });
}

io::Task<Result<ListedOffset>> PartitionRef::list_offset(OffsetQuery query,
                                                         io::Workers& workers) const {
  return wait_on_loop(partition_, partition_->list_offset(query, workers));
}

io::Task<Result<std::optional<int64_t>>> PartitionRef::unread_time(Offset from,
                                                                   io::Workers& workers) const {
  return wait_on_loop(partition_, partition_->unread_time(from, workers));
}

io::Task<Result<EpochEnd>> PartitionRef::epoch_end(LeaderEpoch believed, LeaderEpoch asked) const {
  return on_loop(partition_, [believed, asked](Partition& p) -> Result<EpochEnd> {
    if (auto ok = p.check_epoch(believed); !ok) return fail(ok.error());
    return p.epoch_end(asked);
  });
}

io::Task<PartitionView> PartitionRef::describe() const {
  return on_loop(partition_, [](Partition& p) { return p.describe(); });
}

io::Task<PartitionNumbers> PartitionRef::numbers() const {
  return on_loop(partition_, [](Partition& p) { return p.numbers(); });
}

io::Task<EpochHistory> PartitionRef::history() const {
  return on_loop(partition_, [](Partition& p) { return p.history(); });
}

io::Task<ClampedOffset> PartitionRef::clamp(Offset offset) const {
  return on_loop(partition_, [offset](Partition& p) { return p.clamp(offset); });
}

io::Task<Held> PartitionRef::fence(Uuid id, io::Duration for_at_most, int64_t number) const {
  return on_loop(partition_, [id, for_at_most, number](Partition& p) {
    return p.fence(id, for_at_most, number);
  });
}

io::Task<Held> PartitionRef::hold(Uuid id, Uuid attempt, int64_t number) const {
  return on_loop(partition_,
                 [id, attempt, number](Partition& p) { return p.hold(id, attempt, number); });
}

io::Task<Held> PartitionRef::freeze(Uuid id, Uuid attempt, bool takes_over) const {
  return on_loop(partition_, [id, attempt, takes_over](Partition& p) {
    return p.freeze(id, attempt, takes_over);
  });
}

io::Task<void> PartitionRef::lift(Uuid id, Uuid attempt) const {
  return on_loop(partition_, [id, attempt](Partition& p) { p.lift(id, attempt); });
}

io::Task<Parting> PartitionRef::fence_and_compare(Uuid id, io::Duration for_at_most,
                                                  std::vector<EpochEntry> theirs,
                                                  Offset their_end) const {
  return on_loop(partition_,
                 [id, for_at_most, theirs = std::move(theirs), their_end](Partition& p) {
                   return p.fence_and_compare(id, for_at_most, theirs, their_end);
                 });
}

io::Task<Result<void>> PartitionRef::cut(Offset end, Uuid fence, io::Instant deadline) const {
  return wait_on_loop(partition_, partition_->cut(end, fence, deadline));
}

io::Task<void> PartitionRef::note_source(Offset end_offset, int64_t lag_ms,
                                         std::optional<io::Duration> age) const {
  return on_loop(partition_, [end_offset, lag_ms, age](Partition& p) {
    p.note_source(end_offset, lag_ms, age);
  });
}

io::Task<Result<void>> PartitionRef::sync() const {
  return wait_on_loop(partition_, partition_->sync_all());
}

io::Task<Result<FollowerEnd>> PartitionRef::cut_to(LeaderEpoch epoch, Offset end) const {
  return on_loop(partition_, [epoch, end](Partition& p) { return p.cut_to(epoch, end); });
}

io::Task<Result<FollowerEnd>> PartitionRef::begin_anew(LeaderEpoch epoch, Offset start) const {
  return on_loop(partition_, [epoch, start](Partition& p) { return p.begin_anew(epoch, start); });
}

io::Task<Result<FollowerEnd>> PartitionRef::copied() const {
  return wait_on_loop(partition_, partition_->copied());
}

io::Task<std::optional<IsrProposal>> PartitionRef::propose_isr() const {
  return on_loop(partition_, [](Partition& p) { return p.propose_isr(); });
}

io::Task<void> PartitionRef::isr_proposed(LeaderEpoch leader_epoch, IsrOutcome outcome) const {
  return on_loop(partition_,
                 [leader_epoch, outcome](Partition& p) { p.isr_proposed(leader_epoch, outcome); });
}

io::Task<void> PartitionRef::follow(std::shared_ptr<const Image> image,
                                    std::shared_ptr<const TopicImage> topic,
                                    LogConfig config) const {
  return on_loop(partition_, [image = std::move(image), topic = std::move(topic),
                              config](Partition& p) { p.on_image(*image, *topic, config); });
}

io::Task<Marks> PartitionRef::marks() const {
  return on_loop(partition_, [](Partition& p) { return p.marks(); });
}

io::Task<void> PartitionRef::checkpointed(uint64_t cuts) const {
  return on_loop(partition_, [cuts](Partition& p) { p.checkpointed(cuts); });
}

io::Task<Result<void>> PartitionRef::apply_retention() const {
  return on_loop(partition_, [](Partition& p) { return p.apply_retention(); });
}

io::Task<void> PartitionRef::end_waits() const {
  return on_loop(partition_, [](Partition& p) { p.end_waits(); });
}

io::Task<void> PartitionRef::refuse_all() const {
  return on_loop(partition_, [](Partition& p) { p.refuse_all(); });
}

io::Task<Result<void>> PartitionRef::close() const {
  return wait_on_loop(partition_, partition_->close());
}

io::Task<Result<void>> PartitionRef::erase() const {
  return wait_on_loop(partition_, partition_->erase());
}

}  // namespace isthmus::broker
