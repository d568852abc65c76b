// What this cluster is and has, for mirrors, routers and commands.
#include "broker/handlers/known_brokers.h"
#include "broker/handlers/private/on_main.h"
#include "broker/link/link_service.h"
#include "broker/link/switchovers.h"

namespace isthmus::broker {

namespace {

void add_brokers(const Context& context, const Image& image, const std::string& listener,
                 const std::set<NodeId>& running, kafka::DescribeSiteResponse& out) {
  out.controller_id = controller_of(context, image);
  for (const auto& [node, broker] : image.brokers) {
    auto& told = out.brokers.emplace_back();
    told.node_id = node;
    told.rack = broker.rack;
    told.starts = broker.starts;
    told.fenced = broker.fenced;
    told.running = running.contains(node);
    told.drain = broker.drain;
    const auto address = address_of(context, image, listener, node);
    if (!address) continue;
    told.host = address->host;
    told.port = address->port;
  }
}

// On the main loop.
io::Task<kafka::DescribeSiteResponse> site_with_brokers(Context& context,
                                                        kafka::DescribeSiteRequest request,
                                                        std::string listener) {
  const bool wants_brokers = request.include_brokers;
  auto site = co_await context.links.describe(std::move(request));
  for (auto& s : site.switchovers) s.trouble = context.switchovers.trouble(s.link, s.switchover_id);
  if (!wants_brokers) co_return site;
  const auto running = co_await context.live.running();
  add_brokers(context, *context.controller.snapshot(), listener, running, site);
  co_return site;
}

io::Task<kafka::DescribeSiteResponse> site_described(
    Context& context, kafka::DescribeSiteRequest request,
    std::shared_ptr<server::ConnectionContext> from) {
  if (!may_ask<kafka::DescribeSiteRequest>(context, *from)) co_return unauthorized(request);
  auto site = co_await io::call_on(context.env.main_loop(),
                                   site_with_brokers(context, std::move(request), from->listener));
  co_return site;
}

}  // namespace

io::Task<server::Reply> describe_site(Context& context, server::Request request) {
  return answer<kafka::DescribeSiteRequest, site_described>(context, std::move(request));
}

}  // namespace isthmus::broker
