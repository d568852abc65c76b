// CHECK: for what can only be a mistake of this program. It logs, prints a backtrace and aborts,
// in every build. Bytes from a disk or a peer are never CHECKed: they are errors (base/error.h).
#pragma once

namespace isthmus {

[[noreturn]] void check_failed(const char* condition, const char* file, int line, const char* why);

}  // namespace isthmus

#define CHECK(condition, why)                                       \
  do {                                                              \
    if (!(condition)) [[unlikely]]                                  \
      ::isthmus::check_failed(#condition, __FILE__, __LINE__, why); \
  } while (false)
