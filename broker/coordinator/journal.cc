#include "broker/coordinator/journal.h"

namespace isthmus::broker {

using kafka::ErrorCode;

ErrorCode coordinator_error(const Error& error) {
  if (error.kind == Error::Kind::closed) return ErrorCode::not_coordinator;
  if (error.kind != Error::Kind::kafka) return ErrorCode::coordinator_not_available;
  switch (kafka::error_code(error)) {
    case ErrorCode::not_leader_or_follower:
    case ErrorCode::fenced_leader_epoch:
    case ErrorCode::kafka_storage_error: return ErrorCode::not_coordinator;
    case ErrorCode::message_too_large:
    case ErrorCode::record_list_too_large: return ErrorCode::invalid_commit_offset_size;
    default: return ErrorCode::coordinator_not_available;
  }
}

}  // namespace isthmus::broker
