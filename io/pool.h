// Pool: Workers that are threads. Private to io/, which makes three of them: one for what blocks on
// the disk (fsync), one for what computes (Env::workers), one that closes large files.
//
// The queue is not bounded here: a job has a coroutine that waits for it, or its sender counts
// (PosixDisk).
#pragma once

#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>
#include <vector>

#include "io/workers.h"

namespace isthmus::io {

class Pool final : public Workers {
 public:
  explicit Pool(size_t threads);
  ~Pool() override;  // runs what is queued, then joins
  // Any thread may call it.
  void submit(Job job) override;

 private:
  void work();

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Job> jobs_;
  bool closing_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace isthmus::io
