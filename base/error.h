// Errors are values. Result<T> is what every operation that can fail for a reason outside this
// program returns; what can only be our own mistake is a CHECK (base/check.h).
//
// The kinds are few on purpose: whoever receives an error either answers it on the wire (kafka),
// takes something offline (io), or tells the operator (text).
#pragma once

#include <cstdint>
#include <expected>
#include <string>

namespace isthmus {

struct Error {
  enum class Kind : uint8_t {
    io,       // code is an errno value: a disk or a socket failed
    closed,   // the resource was closed, by us or by the peer's end of stream
    timeout,  // a deadline passed; whether the operation took effect is unknown
    kafka,    // code is a kafka::ErrorCode
    corrupt,  // bytes from a disk or a peer that break their format
    text,     // a message for the operator: what, where, what would be right
  };

  Kind kind = Kind::text;
  int code = 0;
  std::string text;

  static Error io(int errno_value, std::string what);
  static Error closed(std::string what) { return {Kind::closed, 0, std::move(what)}; }
  static Error timeout(std::string what) { return {Kind::timeout, 0, std::move(what)}; }
  static Error kafka(int code, std::string what = {}) {
    return {Kind::kafka, code, std::move(what)};
  }
  static Error corrupt(std::string what) { return {Kind::corrupt, 0, std::move(what)}; }
  static Error message(std::string what) { return {Kind::text, 0, std::move(what)}; }
};

template <typename T>
using Result = std::expected<T, Error>;

inline std::unexpected<Error> fail(Error error) { return std::unexpected(std::move(error)); }
inline std::unexpected<Error> fail(std::string message) {
  return std::unexpected(Error::message(std::move(message)));
}

}  // namespace isthmus
