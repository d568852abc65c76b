// RealWorld: a Runtime for one test, and a way to run a coroutine in it to its end.
#pragma once

#include <gtest/gtest.h>
#include <stdlib.h>

#include <chrono>
#include <filesystem>

#include "io/gate.h"
#include "io/real.h"

namespace isthmus::io {

class RealWorld {
 public:
  explicit RealWorld(size_t loops = 1) : runtime(loops), gate(runtime.env().main_loop()) {}

  Env& env() { return runtime.env(); }
  Loop& loop(size_t i = 0) { return *runtime.env().loops[i]; }

  // Runs `task` on the main loop until it has ended, and everything that `gate` was given with it.
  void run(Task<void> task) {
    loop().post([this, body = std::move(task)]() mutable {
      gate.spawn("test", std::move(body));
      closer.spawn("stop", stop_when_done(this));
    });
    runtime.run();
  }

  Runtime runtime;
  Gate gate;
  Gate closer{runtime.env().main_loop()};

 private:
  static Task<void> stop_when_done(RealWorld* world) {
    co_await world->gate.close();
    // After the closing coroutine itself has ended.
    world->loop().post([world] { world->runtime.stop(); });
  }
};

// A folder that is gone after the test.
class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string name = std::filesystem::temp_directory_path() / "isthmus-test-XXXXXX";
    EXPECT_NE(mkdtemp(name.data()), nullptr);
    path_ = name;
  }
  ~TemporaryFolder() { std::filesystem::remove_all(path_); }
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

inline Instant soon(int ms) { return std::chrono::steady_clock::now() + milliseconds(ms); }

}  // namespace isthmus::io
