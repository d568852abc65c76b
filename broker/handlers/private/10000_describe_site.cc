// What this cluster is and has, for mirrors, routers and commands.
#include "broker/handlers/private/on_main.h"
#include "broker/link/link_service.h"
#include "broker/link/switchovers.h"

namespace isthmus::broker {

namespace {

io::Task<kafka::DescribeSiteResponse> with_troubles(LinkService& links, Switchovers& switchovers,
                                                    kafka::DescribeSiteRequest request) {
  auto site = co_await links.describe(std::move(request));
  for (auto& s : site.switchovers) s.trouble = switchovers.trouble(s.link, s.switchover_id);
  co_return site;
}

io::Task<kafka::DescribeSiteResponse> site_described(
    Context& context, kafka::DescribeSiteRequest request,
    std::shared_ptr<server::ConnectionContext> from) {
  if (!may_ask<kafka::DescribeSiteRequest>(context, *from)) co_return unauthorized(request);
  auto site =
      co_await io::call_on(context.env.main_loop(),
                           with_troubles(context.links, context.switchovers, std::move(request)));
  co_return site;
}

}  // namespace

io::Task<server::Reply> describe_site(Context& context, server::Request request) {
  return answer<kafka::DescribeSiteRequest, site_described>(context, std::move(request));
}

}  // namespace isthmus::broker
