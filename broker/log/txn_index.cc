#include "broker/log/txn_index.h"

namespace isthmus::broker {

namespace {

// version (int16, 0), producer id, first offset, last offset, last stable offset
constexpr size_t txn_entry_size = 34;
constexpr int16_t entry_version = 0;

}  // namespace

Result<void> TxnIndex::load() {
  in_file_ = 0;
  tail_.clear();
  if (!files_->disk().exists(path_)) return {};
  auto file = files_->open(path_);
  if (!file) return fail(file.error());
  const uint64_t bytes = (*file)->size();
  if (bytes % txn_entry_size != 0) {
    return fail(
        Error::corrupt(path_ + ": " + std::to_string(bytes) + " bytes are not whole entries"));
  }
  in_file_ = bytes / txn_entry_size;
  return {};
}

Result<void> TxnIndex::reset() {
  in_file_ = 0;
  tail_.clear();
  files_->forget(path_);
  if (!files_->disk().exists(path_)) return {};
  return files_->disk().remove(path_);
}

Result<std::shared_ptr<io::File>> TxnIndex::append(const AbortedTxn& txn) {
  tail_.push_back(txn);
  return flushed_file();
}

Result<std::shared_ptr<io::File>> TxnIndex::flushed_file() {
  if (count() == 0) return nullptr;
  auto file = write_tail();
  if (!file && io::lacks_room(file.error())) return nullptr;
  return file;
}

Result<std::shared_ptr<io::File>> TxnIndex::write_tail() {
  // Made by the first abort: most segments never have one.
  if (in_file_ == 0 && !files_->disk().exists(path_)) {
    if (auto made = files_->create(path_); !made) return made;
  }
  auto file = files_->open(path_);
  if (!file || tail_.empty()) return file;
  std::vector<uint8_t> bytes(tail_.size() * txn_entry_size);
  uint8_t* p = bytes.data();
  for (const AbortedTxn& txn : tail_) {
    store_be(p, entry_version);
    store_be(p + 2, txn.producer_id);
    store_be(p + 10, txn.first_offset);
    store_be(p + 18, txn.last_offset);
    store_be(p + 26, txn.last_stable_offset);
    p += txn_entry_size;
  }
  if (auto done = (*file)->append(bytes); !done) return fail(done.error());
  in_file_ += tail_.size();
  tail_.clear();
  return file;
}

Result<void> TxnIndex::truncate(Offset end) {
  while (!tail_.empty() && tail_.back().last_offset >= end) tail_.pop_back();
  if (!tail_.empty()) return {};
  auto txns = all();
  if (!txns) return fail(txns.error());
  uint64_t kept = 0;
  while (kept < txns->size() && (*txns)[kept].last_offset < end) ++kept;
  if (kept == in_file_) return {};
  auto file = files_->open(path_);
  if (!file) return fail(file.error());
  if (auto done = (*file)->truncate(kept * txn_entry_size); !done) return done;
  in_file_ = kept;
  return {};
}

Result<bool> TxnIndex::collect(Offset from, Offset upper, std::vector<AbortedTxn>& out) const {
  if (count() == 0) return false;
  auto txns = all();
  if (!txns) return fail(txns.error());
  for (const AbortedTxn& txn : *txns) {
    if (txn.last_offset >= from && txn.first_offset < upper) out.push_back(txn);
    // Everything below the stable offset was decided when this abort was written.
    if (txn.last_stable_offset >= upper) return true;
  }
  return false;
}

Result<std::vector<AbortedTxn>> TxnIndex::all() const {
  if (in_file_ == 0) return tail_;
  std::vector<AbortedTxn> txns;
  auto file = files_->open(path_);
  if (!file) return fail(file.error());
  std::vector<uint8_t> bytes(in_file_ * txn_entry_size);
  auto n = (*file)->read_at(0, bytes);
  if (!n) return fail(n.error());
  if (*n != bytes.size()) return fail(Error::corrupt(path_ + ": shorter than it was when opened"));
  for (const uint8_t* p = bytes.data(); p != bytes.data() + bytes.size(); p += txn_entry_size) {
    if (const auto version = load_be<int16_t>(p); version != entry_version) {
      return fail(Error::corrupt(path_ + ": entry of version " + std::to_string(version) +
                                 ", expected " + std::to_string(entry_version)));
    }
    txns.push_back({load_be<ProducerId>(p + 2), load_be<Offset>(p + 10), load_be<Offset>(p + 18),
                    load_be<Offset>(p + 26)});
  }
  txns.insert(txns.end(), tail_.begin(), tail_.end());
  return txns;
}

}  // namespace isthmus::broker
