// Terminal: what a command that draws needs to know of the terminal it is run in, and its keys.
//
// Exists while a command draws: keys come one by one and are not shown, and SIGINT, SIGTERM,
// SIGHUP and SIGWINCH are told as events instead of what they do by default; when it ends, all is
// as it was before. One at a time, and one caller at a time. What is drawn is none of its business.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>

namespace isthmus::io {

class Terminal {
 public:
  struct Size {
    int columns = 80;
    int rows = 24;
  };
  enum class Event : uint8_t {
    nothing,  // happened in that time
    resized,
    end,  // q, Ctrl-C, or a signal to end
  };

  // Whether what is written to stdout is seen on a terminal that can be drawn on.
  static bool is_seen();
  // Of the terminal that stdout is; where it does not say, or is none, 80 by 24.
  static Size size();

  Terminal();
  ~Terminal();
  Terminal(const Terminal&) = delete;
  Terminal& operator=(const Terminal&) = delete;

  // Holds the thread for so long, or until something happens. Keys that mean nothing are dropped.
  Event wait(std::chrono::milliseconds at_most);

 private:
  struct Before;
  std::unique_ptr<Before> before_;
  bool has_keys_ = false;
};

}  // namespace isthmus::io
