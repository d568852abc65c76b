#include "broker/log/txn_index.h"

namespace isthmus::broker {

namespace {

// version (int16, 0), producer id, first offset, last offset, last stable offset
constexpr size_t entry_size = 34;
constexpr int16_t entry_version = 0;

}  // namespace

Result<void> TxnIndex::load() {
  count_ = 0;
  if (!files_->disk().exists(path_)) return {};
  auto file = files_->open(path_);
  if (!file) return fail(file.error());
  const uint64_t bytes = (*file)->size();
  if (bytes % entry_size != 0) {
    return fail(
        Error::corrupt(path_ + ": " + std::to_string(bytes) + " bytes are not whole entries"));
  }
  count_ = bytes / entry_size;
  return {};
}

Result<void> TxnIndex::reset() {
  count_ = 0;
  files_->forget(path_);
  if (!files_->disk().exists(path_)) return {};
  return files_->disk().remove(path_);
}

Result<std::shared_ptr<io::File>> TxnIndex::append(const AbortedTxn& txn) {
  // Made by the first abort: most segments never have one.
  if (count_ == 0) {
    if (auto made = files_->disk().open(path_, io::Disk::Open::create); !made) {
      return fail(made.error());
    }
  }
  auto file = files_->open(path_);
  if (!file) return fail(file.error());
  uint8_t bytes[entry_size];
  store_be(bytes, entry_version);
  store_be(bytes + 2, txn.producer_id);
  store_be(bytes + 10, txn.first_offset);
  store_be(bytes + 18, txn.last_offset);
  store_be(bytes + 26, txn.last_stable_offset);
  if (auto done = (*file)->append(Bytes(bytes)); !done) return fail(done.error());
  ++count_;
  return *file;
}

Result<void> TxnIndex::truncate(Offset end) {
  auto txns = all();
  if (!txns) return fail(txns.error());
  uint64_t kept = 0;
  while (kept < txns->size() && (*txns)[kept].last_offset < end) ++kept;
  if (kept == count_) return {};
  auto file = files_->open(path_);
  if (!file) return fail(file.error());
  if (auto done = (*file)->truncate(kept * entry_size); !done) return done;
  count_ = kept;
  return {};
}

Result<bool> TxnIndex::collect(Offset from, Offset upper, std::vector<AbortedTxn>& out) const {
  if (count_ == 0) return false;
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
  std::vector<AbortedTxn> txns;
  if (count_ == 0) return txns;
  auto file = files_->open(path_);
  if (!file) return fail(file.error());
  std::vector<uint8_t> bytes(count_ * entry_size);
  auto n = (*file)->read_at(0, bytes);
  if (!n) return fail(n.error());
  if (*n != bytes.size()) return fail(Error::corrupt(path_ + ": shorter than it was when opened"));
  for (const uint8_t* p = bytes.data(); p != bytes.data() + bytes.size(); p += entry_size) {
    if (const auto version = load_be<int16_t>(p); version != entry_version) {
      return fail(Error::corrupt(path_ + ": entry of version " + std::to_string(version) +
                                 ", expected " + std::to_string(entry_version)));
    }
    txns.push_back({load_be<ProducerId>(p + 2), load_be<Offset>(p + 10), load_be<Offset>(p + 18),
                    load_be<Offset>(p + 26)});
  }
  return txns;
}

}  // namespace isthmus::broker
