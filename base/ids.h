// The names of the numbers that Kafka counts with. Aliases, not classes: they say in a signature
// which number is meant; Uuid is a type of its own because it has a text form.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <string>

#include "base/error.h"

namespace isthmus {

using Offset = int64_t;       // of a record in a partition; -1 = unknown
using LeaderEpoch = int32_t;  // generation << 20 | election; -1 = unknown
using PartitionIndex = int32_t;
using NodeId = int32_t;      // of a broker, unique among linked clusters
using ProducerId = int64_t;  // cluster number (15 bits) | incarnation (8) | counter (40)
using ProducerEpoch = int16_t;
using ClusterNumber = int16_t;  // 1..32767; 0 = a foreign cluster

// 128 bits; Kafka's topic ids and cluster ids. Written as 22 characters of URL-safe base64.
struct Uuid {
  std::array<uint8_t, 16> bytes{};

  bool is_zero() const { return *this == Uuid{}; }
  std::string to_string() const;
  static Result<Uuid> parse(std::string_view text);
  friend auto operator<=>(const Uuid&, const Uuid&) = default;
};

struct TopicPartition {
  std::string topic;
  PartitionIndex partition = 0;

  std::string to_string() const { return topic + "-" + std::to_string(partition); }
  friend auto operator<=>(const TopicPartition&, const TopicPartition&) = default;
};

}  // namespace isthmus

template <>
struct std::hash<isthmus::Uuid> {
  size_t operator()(const isthmus::Uuid& id) const noexcept;
};
template <>
struct std::hash<isthmus::TopicPartition> {
  size_t operator()(const isthmus::TopicPartition& tp) const noexcept {
    return std::hash<std::string>{}(tp.topic) * 31 + static_cast<size_t>(tp.partition);
  }
};
