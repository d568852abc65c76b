// Floors: the least that a path costs on this machine, each in a blocking program of one thread.
// A product stands beside the floor of its path, measured in the same run with the same client.
// Each speaks TLS where bench/certificates.h finds words for it.
#pragma once

#include "bench/arguments.h"

namespace isthmus::bench {

// `port`, `file`: receives, checks CRCs, appends, answers; fetches are answered by sendfile, or
// in TLS by 256 KiB of the file at a time. With
// sync=1 each append is synced. One connection after the other, one partition, any topic.
void run_floor_broker(const Arguments& arguments);

// `port`, `to`: copies both ways with buffers of 256 KiB, and looks at nothing.
void run_floor_relay(const Arguments& arguments);

// `from`, `to`, `records`: fetches from one floor broker and produces to another what came, through
// one buffer of 256 KiB, with the next fetch and some appends under way. CRCs are the target's
// business, as in the product.
void run_floor_mirror(const Arguments& arguments);

}  // namespace isthmus::bench
