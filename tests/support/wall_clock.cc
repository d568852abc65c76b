// wall_clock: a wall clock that a test moves, for LD_PRELOAD. CLOCK_REALTIME is what it is plus the
// nanoseconds that stand, as one native int64, in the file that ISTHMUS_WALL_CLOCK names; clocks
// that never jump are left alone. wall_clock.py writes that file.
#include <dlfcn.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <cstdlib>

namespace {

using ClockGettime = int (*)(clockid_t, timespec*);
constexpr int64_t second = 1'000'000'000;

// Zero for ever where there is no such file.
const std::atomic<int64_t>* map_offset() {
  static const std::atomic<int64_t> none = 0;
  const char* path = getenv("ISTHMUS_WALL_CLOCK");
  const int fd = path == nullptr ? -1 : open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return &none;
  void* at = mmap(nullptr, sizeof none, PROT_READ, MAP_SHARED, fd, 0);
  close(fd);
  return at == MAP_FAILED ? &none : static_cast<const std::atomic<int64_t>*>(at);
}

}  // namespace

extern "C" int clock_gettime(clockid_t clock, timespec* now) noexcept {
  static const auto real = reinterpret_cast<ClockGettime>(dlsym(RTLD_NEXT, "clock_gettime"));
  static const std::atomic<int64_t>* const offset = map_offset();
  const int answer = real(clock, now);
  if (answer != 0 || (clock != CLOCK_REALTIME && clock != CLOCK_REALTIME_COARSE)) return answer;
  const int64_t moved = now->tv_sec * second + now->tv_nsec + *offset;
  *now = {.tv_sec = moved / second, .tv_nsec = moved % second};
  return 0;
}
