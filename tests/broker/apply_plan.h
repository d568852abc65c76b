// What a store would do with a plan, without one: the image that a controller would see next.
#pragma once

#include <gtest/gtest.h>

#include <memory>

#include "broker/image/records.h"

namespace isthmus::broker {

// The changes that a commit of `plan` reports under `version`.
inline std::vector<MetadataStore::Change> changes_of(const Plan& plan, int64_t version) {
  std::vector<MetadataStore::Change> changes;
  for (const auto& put : plan.puts) {
    changes.push_back({put.key, put.value, put.value ? version : MetadataStore::absent});
  }
  return changes;
}

inline std::shared_ptr<const Image> after(const Image& before, const Plan& plan,
                                          int64_t version = 1) {
  auto image = broker::apply(before, changes_of(plan, version));
  EXPECT_TRUE(image) << image.error().text;
  return image.value_or(nullptr);
}

inline std::shared_ptr<const Image> after(const Image& before, const Result<Plan>& plan,
                                          int64_t version = 1) {
  EXPECT_TRUE(plan) << plan.error().text;
  return after(before, plan.value_or(Plan{}), version);
}

// A partition of one replica.
inline PartitionImage led_by(NodeId node) {
  PartitionImage partition;
  partition.leader = node;
  partition.replicas = partition.isr = {node};
  return partition;
}

inline Uuid uuid_of(uint8_t number) {
  Uuid id;
  id.bytes.fill(number);
  return id;
}

}  // namespace isthmus::broker
