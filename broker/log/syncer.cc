#include "broker/log/syncer.h"

#include <algorithm>

namespace isthmus::broker {

namespace {
constexpr io::Duration until_next_try = std::chrono::milliseconds(100);
}  // namespace

void Syncer::touched(std::shared_ptr<io::File> file) {
  // Appends go to one file for long stretches; an index file is touched now and then.
  if (std::find(dirty_.rbegin(), dirty_.rend(), file) != dirty_.rend()) return;
  dirty_.push_back(std::move(file));
}

void Syncer::truncated(Offset end) {
  appended_ = end;
  durable_ = std::min(durable_, end);
  in_flight_ = std::min(in_flight_, end);
}

void Syncer::stop(Error reason) {
  if (!failure_) failure_ = std::move(reason);
  dirty_.clear();
  changed_.notify_all();
}

void Syncer::lose(Error reason) {
  lost_ = true;
  stop(std::move(reason));
}

io::Task<Result<Offset>> Syncer::sync() {
  if (failure_) co_return fail(*failure_);
  const bool idle = started_ == done_;
  if (idle && clean()) co_return durable_;
  // A round that is under way may have begun before the caller's bytes were written.
  const uint64_t wanted = started_ + 1;
  while (done_ < wanted && !failure_) {
    if (started_ == done_) {
      co_await run_round();
    } else {
      co_await changed_.wait();
    }
  }
  if (failure_) co_return fail(*failure_);
  co_return durable_;
}

Result<void> Syncer::sync_now() {
  if (failure_) return fail(*failure_);
  std::vector<std::shared_ptr<io::File>> files = syncing_;
  files.insert(files.end(), dirty_.begin(), dirty_.end());
  for (const std::shared_ptr<io::File>& file : files) {
    if (auto synced = file->sync_now(); !synced) {
      lose(synced.error());
      return synced;
    }
  }
  if (auto synced = disk_.sync_folder(folder_); !synced) {
    if (!lacks_descriptor(synced.error())) lose(synced.error());
    return synced;
  }
  dirty_.clear();
  keep_due_ = std::exchange(folder_dirty_, false) || keep_due_;
  durable_ = appended_;
  synced_end_->advance(durable_);
  if (std::exchange(keep_due_, false)) synced_end_->keep_now();
  return {};
}

io::Task<void> Syncer::keep() {
  if (failure_ || !std::exchange(keep_due_, false)) co_return;
  co_await synced_end_->keep();
}

// Without a descriptor the folder is not looked at, so nothing is lost: nobody is told anything
// until there is one.
io::Task<Result<void>> Syncer::sync_folder() {
  while (true) {
    auto work = [&disk = disk_, path = folder_] { return disk.sync_folder(path); };
    const Result<void> synced = co_await disk_.aside(std::move(work));
    if (synced || failure_ || !lacks_descriptor(synced.error())) co_return synced;
    co_await io::sleep(changed_.loop(), until_next_try);
  }
}

io::Task<void> Syncer::run_round() {
  ++started_;
  in_flight_ = appended_;
  syncing_ = std::exchange(dirty_, {});
  const std::vector<std::shared_ptr<io::File>> files = syncing_;
  const bool folder = std::exchange(folder_dirty_, false);
  for (const std::shared_ptr<io::File>& file : files) {
    const io::Instant began = changed_.loop().now();
    const Result<void> synced = co_await file->sync();
    if (fsyncs_ != nullptr) fsyncs_->observe(changed_.loop().now() - began);
    if (!synced) lose(synced.error());
    if (failure_) break;
  }
  if (folder && !failure_) {
    const Result<void> synced = co_await sync_folder();
    if (!synced && !lacks_descriptor(synced.error())) lose(synced.error());
  }
  if (!failure_) {
    durable_ = std::max(durable_, in_flight_);
    synced_end_->advance(durable_);
    keep_due_ = keep_due_ || folder;
  }
  syncing_.clear();
  ++done_;
  changed_.notify_all();
}

}  // namespace isthmus::broker
