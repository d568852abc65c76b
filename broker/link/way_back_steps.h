// WayBackSteps: the steps of a way back that concern one partition, taken where it is led: here, or
// by a colleague (TakeWayBackStep).
//
// Owned by WayBack, on the main loop.
#pragma once

#include <string>

#include "broker/colleagues/colleagues.h"
#include "broker/controller/controller.h"
#include "broker/replica/partition_table.h"
#include "kafka/gen/take_way_back_step.h"

namespace isthmus::broker {

class WayBackSteps {
 public:
  using Request = kafka::TakeWayBackStepRequest;
  using Response = kafka::TakeWayBackStepResponse;
  using Step = kafka::WayBackStep;

  WayBackSteps(io::Env& env, Controller& controller, PartitionTable& partitions,
               Colleagues& colleagues);

  // At the partition's leader, as the image names it. What that refuses is an error.
  io::Task<Result<Response>> take(Request request);
  // Here.
  io::Task<Response> take_here(Request request);

 private:
  io::Task<PartitionRef> open_one(Uuid topic_id, PartitionIndex index);
  io::Task<Response> compare(PartitionRef partition, Request request);
  io::Task<bool> is_the_links(Uuid topic_id);
  io::Task<Response> cut(PartitionRef partition, Request request);
  io::Task<Response> keep(PartitionRef partition, Request request);
  io::Task<Response> read(PartitionRef partition, Request request);

  io::Env& env_;
  Controller& controller_;
  PartitionTable& partitions_;
  Colleagues& colleagues_;
};

}  // namespace isthmus::broker
