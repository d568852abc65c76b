// How far the source of a link may have come, by what is known of it here: where a failover goes
// on, and whether anything is missing. Pure.
#pragma once

#include <optional>
#include <string>

#include "broker/replica/partition_verbs.h"
#include "io/loop.h"

namespace isthmus::broker {

// Where the next record goes after a failover, in a log that ends at `end`: beyond all that the
// lost site can have given out and shown to consumers. Since it was last heard it may have taken a
// million records a second in each partition, or more where it was seen to be faster.
Offset offset_after_gap(Offset end, const SourceView& source, io::Instant now);

// The same where a source opens again although its target may have been promoted, and so may have
// left such a gap itself, behind which it was written and read for nobody knows how long.
Offset offset_after_take_back(Offset end);

// Why it cannot be said that all of the source is in a log that ends at `end`; nothing if it can,
// as far as is known: it said so just now.
std::optional<std::string> why_not_drained(Offset end, const SourceView& source, io::Instant now);

// Where the next record goes in a partition that is offline: where its log ends is not known. Below
// 2^53, which JSON and JavaScript keep.
inline constexpr Offset beyond_any_log = Offset{1} << 50;

}  // namespace isthmus::broker
