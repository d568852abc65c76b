// Backoff: how long to wait before the next attempt: twice as long each time, between two bounds,
// shortened at random by up to half, so that those who failed together do not return together.
// A plain value of its user.
#pragma once

#include <algorithm>

#include "io/env.h"

namespace isthmus::client {

class Backoff {
 public:
  Backoff(io::Random& random, io::Duration least, io::Duration most)
      : random_(random), least_(least), most_(most), step_(least) {}

  io::Duration next() {
    const io::Duration step = step_;
    step_ = std::min(step_ * 2, most_);
    return step - io::Duration(random_.next() % (step.count() / 2 + 1));
  }
  void reset() { step_ = least_; }

 private:
  io::Random& random_;
  const io::Duration least_;
  const io::Duration most_;
  io::Duration step_;
};

}  // namespace isthmus::client
