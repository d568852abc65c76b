#include "broker/coordinator/term.h"

#include <algorithm>
#include <iterator>

namespace isthmus::broker {

namespace {

// A batch of the journal must stay below its limit of bytes; with names and metadata at their
// longest, so many records do.
constexpr size_t max_records_per_append = 200;

}  // namespace

io::Task<Result<void>> Term::append(std::vector<JournalRecord> records) {
  Result<void> result;
  for (size_t at = 0; at < records.size() && result && !is_lost(); at += max_records_per_append) {
    const size_t end = std::min(records.size(), at + max_records_per_append);
    std::vector<JournalRecord> part(std::make_move_iterator(records.begin() + at),
                                    std::make_move_iterator(records.begin() + end));
    result = co_await journal_.append(partition_, leader_epoch_, std::move(part));
  }
  if (is_lost()) co_return fail(Error::closed("another broker may coordinate this by now"));
  co_return result;
}

}  // namespace isthmus::broker
