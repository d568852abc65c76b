// Who may do what at a cluster, read as a whole or not at all: a refusal, or pages that are not of
// one picture, are errors. What of it alone is not told (AccessView) is no error.
#pragma once

#include <optional>

#include "client/cluster.h"
#include "mirror/access_view.h"

namespace isthmus::mirror {

struct AccessPicture {
  std::optional<AccessView> view;
  int32_t starts = -1;  // whose picture it is, so that one that has not changed is not read again
  int64_t changes = -1;
};

// Whether there is news since the picture was taken; it is then the new one. Each page has the
// time.
io::Task<Result<bool>> read_access(client::Cluster& cluster, AccessPicture& picture,
                                   io::Duration time, client::Cluster::Lane lane);
// Of Apache Kafka: ACLs and quotas, always as news.
io::Task<Result<bool>> read_foreign_access(client::Cluster& cluster, AccessPicture& picture,
                                           io::Duration time, client::Cluster::Lane lane);

}  // namespace isthmus::mirror
