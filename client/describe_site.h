// What one of our clusters says of itself (DescribeSite). An answer that refuses is an error here,
// for all who ask: its empty lists would be taken for a cluster that has nothing.
#pragma once

#include "client/cluster.h"
#include "kafka/errors.h"
#include "kafka/gen/describe_site.h"

namespace isthmus::client {

using SiteAnswer = Result<kafka::DescribeSiteResponse>;

inline SiteAnswer told(SiteAnswer answer) {
  if (!answer || answer->error_code == kafka::ErrorCode::none) return answer;
  return fail(
      kafka::error_of(answer->error_code, "the site does not describe itself to us: " +
                                              std::string(kafka::error_name(answer->error_code))));
}

inline io::Task<SiteAnswer> describe_site(Cluster& cluster, kafka::DescribeSiteRequest request,
                                          io::Instant deadline,
                                          Cluster::Lane lane = Cluster::shared_lane) {
  auto answer = co_await cluster.call_any(std::move(request), deadline, lane);
  co_return told(std::move(answer));
}

}  // namespace isthmus::client
