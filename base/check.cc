#include "base/check.h"

#include <execinfo.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

namespace isthmus {

void check_failed(const char* condition, const char* file, int line, const char* why) {
  // Straight to stderr: the logger may be what is broken.
  std::fprintf(stderr, "CHECK failed at %s:%d: %s (%s)\n", file, line, condition, why);
  void* frames[64];
  int n = backtrace(frames, 64);
  backtrace_symbols_fd(frames, n, STDERR_FILENO);
  std::abort();
}

}  // namespace isthmus
