// Kafka's error codes. One table (kafka/errors.inc) states code, names and whether to retry.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "base/error.h"

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

// An error that whoever asked is told as `code`; refuse() returns it from what gives a Result.
Error error_of(ErrorCode code, std::string why = {});
std::unexpected<Error> refuse(ErrorCode code, std::string why);

// The code that an error is answered with: the only place that decides it. An unknown outcome is
// never reported as a definite failure, and nothing as UNKNOWN_SERVER_ERROR, which clients take for
// final.
ErrorCode error_code(const Error& error);
// Whether the other side, or a rule of ours, has said exactly this.
bool is(const Error& error, ErrorCode code);

// Fills in an answer that has room for a code and a text.
template <typename Answer>
void refuse(Answer& answer, const Error& error) {
  answer.error_code = error_code(error);
  answer.error_message = error.text;
}

}  // namespace isthmus::kafka
