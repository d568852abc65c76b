#include "mirror/access_reader.h"

#include <fmt/format.h>

#include <tuple>
#include <utility>

#include "kafka/errors.h"

namespace isthmus::mirror {

using kafka::ErrorCode;

namespace {

// What no cluster of ours can have, several times over.
constexpr size_t most_entries = 200'000;

std::unexpected<Error> unreadable(ErrorCode code, const std::optional<std::string>& why) {
  return kafka::refuse(code, fmt::format("who may do what is not told: {}",
                                         why && !why->empty() ? *why : kafka::error_name(code)));
}

}  // namespace

io::Task<Result<bool>> read_access(client::Cluster& cluster, AccessPicture& picture,
                                   io::Duration time, client::Cluster::Lane lane) {
  AccessView view;
  kafka::ReadAccessRequest request{picture.starts, picture.changes, 0};
  std::optional<std::pair<int32_t, int64_t>> taken;
  do {
    auto page = co_await cluster.call_any(request, cluster.loop().now() + time, lane);
    if (!page) co_return fail(page.error());
    if (page->error_code != ErrorCode::none) {
      co_return unreadable(page->error_code, page->error_message);
    }
    if (page->unchanged && picture.view && !taken) {
      // Who writes topics changes without it.
      std::set<std::string> writers(page->writers.begin(), page->writers.end());
      const bool is_news = writers != picture.view->writers;
      picture.view->writers = std::move(writers);
      co_return is_news;
    }
    const std::pair now{page->starts, page->changes};
    if (taken && *taken != now) co_return fail("who may do what changed while it was read");
    taken = now;
    view.add(*page);
    if (page->next >= 0 && page->next <= request.first) co_return fail("its pages do not end");
    if (view.entries.size() > most_entries) co_return fail("it has too many entries to follow");
    request = {-1, -1, page->next};
  } while (request.first >= 0);
  std::tie(picture.starts, picture.changes) = *taken;
  view.is_void = view.entries.empty();
  picture.view = std::move(view);
  co_return true;
}

io::Task<Result<bool>> read_foreign_access(client::Cluster& cluster, AccessPicture& picture,
                                           io::Duration time, client::Cluster::Lane lane) {
  kafka::DescribeAclsRequest all;
  all.resource_type_filter = kafka::ResourceType::any;
  all.pattern_type_filter = kafka::PatternType::any;
  all.resource_name_filter = std::nullopt;
  all.principal_filter = std::nullopt;
  all.host_filter = std::nullopt;
  all.operation = kafka::AclOperation::any;
  all.permission_type = kafka::AclPermission::any;
  auto acls = co_await cluster.call_any(std::move(all), cluster.loop().now() + time, lane);
  if (!acls) co_return fail(acls.error());
  kafka::DescribeClientQuotasRequest each;
  auto quotas = co_await cluster.call_any(std::move(each), cluster.loop().now() + time, lane);
  if (!quotas) co_return fail(quotas.error());
  AccessView view;
  view.add(*acls);
  view.add(*quotas);
  view.no_users = "Kafka tells nobody what passwords are verified by: make them at the target";
  if (view.entries.size() > most_entries) co_return fail("it has too many entries to follow");
  view.is_void = view.entries.empty();
  picture.view = std::move(view);
  co_return true;
}

}  // namespace isthmus::mirror
