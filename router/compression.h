// Compression on a route (KIP-390's keys): what producers send uncompressed crosses to the route's
// cluster as gzip, lz4 or zstd. The batch stays the same one for whoever keeps order by it
// (kafka/recompress.h); whoever writes it checks it as it comes from any producer.
//
// The work is the workers' (io/workers.h), a megabyte at a time, so that who sends much takes turns
// with who sends little. The caller waits, which keeps the order of a connection's requests: each
// has one request there at most. What is made counts for the budget of requests besides what came.
#pragma once

#include "io/task.h"
#include "io/workers.h"
#include "router/picture.h"
#include "server/service.h"

namespace isthmus::router {

// A produce request becomes one with its batches compressed where the routes say so, and then holds
// what came no more. One that does not decode stays as it is. On the router's loop; `request`
// outlives the call.
io::Task<void> compress_batches(Picture& picture, io::Workers& workers, server::Request& request);

}  // namespace isthmus::router
