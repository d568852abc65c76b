// A snapshot of ProducerStates at an offset, in the file `<offset>.snapshot`, so that opening a log
// need not read all of it. Kafka's format, version 1, followed by what Kafka does not keep:
//
//   version int16 (1), CRC-32C uint32 of all that follows, producers array (int32 count):
//     producer id int64, epoch int16, last sequence int32, last offset int64, offset delta int32,
//     timestamp int64, coordinator epoch int32, first offset of the open transaction int64
//   then, unread by Kafka: "ISTH", and per producer in the same order:
//     flags int8 (1 = one sequence gap is allowed), count int8 of known batches, oldest first:
//       last sequence int32, last offset int64, offset delta int32, timestamp int64
//
// Kafka forgets all but the last batch of a producer at a restart; a client with five in flight
// would then be refused the retry of four. A snapshot of Kafka's own, without the second part, is
// read as it is.
#pragma once

#include <vector>

#include "base/bytes.h"
#include "broker/log/producers.h"

namespace isthmus::broker {

std::vector<uint8_t> encode_snapshot(const ProducerStates& states);
// `name` appears in the error. A snapshot that is not whole is corrupt: an older one, and more of
// the log, serve instead.
Result<ProducerStates> decode_snapshot(Bytes bytes, const std::string& name);

}  // namespace isthmus::broker
