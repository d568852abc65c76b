#include "kafka/errors.h"

#include <array>

namespace isthmus::kafka {
namespace {

struct Row {
  ErrorCode code;
  std::string_view name;
  bool retriable;
};

constexpr auto rows = std::to_array<Row>({
#define KAFKA_ERROR(code, name, kafka_name, retriable) {ErrorCode::name, #kafka_name, retriable},
#include "kafka/errors.inc"
#undef KAFKA_ERROR
});

constexpr int16_t first_code = static_cast<int16_t>(rows.front().code);

constexpr bool codes_are_consecutive() {
  for (size_t i = 0; i < rows.size(); ++i) {
    if (static_cast<int16_t>(rows[i].code) != first_code + static_cast<int16_t>(i)) return false;
  }
  return true;
}
static_assert(codes_are_consecutive(), "rows are found by their index");

const Row* find(ErrorCode code) {
  const int index = static_cast<int16_t>(code) - first_code;
  return index >= 0 && static_cast<size_t>(index) < rows.size() ? &rows[index] : nullptr;
}

}  // namespace

std::string_view error_name(ErrorCode code) {
  const Row* row = find(code);
  return row ? row->name : "UNKNOWN";
}

bool is_retriable(ErrorCode code) {
  const Row* row = find(code);
  return row != nullptr && row->retriable;
}

Error error_of(ErrorCode code, std::string why) {
  return Error::kafka(static_cast<int>(code), std::move(why));
}

std::unexpected<Error> refuse(ErrorCode code, std::string why) {
  return fail(error_of(code, std::move(why)));
}

ErrorCode error_code(const Error& error) {
  switch (error.kind) {
    case Error::Kind::kafka: return static_cast<ErrorCode>(error.code);
    case Error::Kind::timeout: return ErrorCode::request_timed_out;
    case Error::Kind::corrupt: return ErrorCode::corrupt_message;
    case Error::Kind::io: return ErrorCode::kafka_storage_error;
    case Error::Kind::closed: return ErrorCode::not_leader_or_follower;
    case Error::Kind::text: return ErrorCode::kafka_storage_error;
  }
  return ErrorCode::kafka_storage_error;
}

bool is(const Error& error, ErrorCode code) {
  return error.kind == Error::Kind::kafka && error_code(error) == code;
}

}  // namespace isthmus::kafka
