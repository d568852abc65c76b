// Kafka's error codes. One table (kafka/errors.inc) states code, names and whether to retry.
#pragma once

#include <cstdint>
#include <map>
#include <string_view>

namespace isthmus::kafka {

enum class ErrorCode : int16_t {
#define KAFKA_ERROR(code, name, kafka_name, retriable) name = code,
#include "kafka/errors.inc"
#undef KAFKA_ERROR
};

// Kafka's name, as in NOT_LEADER_OR_FOLLOWER; "UNKNOWN" for a code that is not in the table.
std::string_view error_name(ErrorCode code);

// Whether the same request may succeed later. False for codes that are not in the table.
bool is_retriable(ErrorCode code);

// How often each code was answered; `none` is not counted.
using ErrorTally = std::map<ErrorCode, uint64_t>;

}  // namespace isthmus::kafka
