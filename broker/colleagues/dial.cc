#include "broker/colleagues/dial.h"

#include <algorithm>
#include <cerrno>

namespace isthmus::broker {

namespace {
constexpr auto dial_timeout = std::chrono::seconds(3);

const char* remedy(const Error& error) {
  if (error.kind == Error::Kind::kafka) {
    return "as whom this broker logs in there, broker.colleagues says";
  }
  if (error.kind == Error::Kind::closed) {
    return "its listener has to be encrypted as this broker's is, and to trust the authority of "
           "this broker's certificate";
  }
  return "its certificate has to name that host and to be of an authority in this broker's ca, and "
         "this broker's to be of one in its";
}

}  // namespace

bool DialTrouble::is_due(const std::string& why, bool may_pass, io::Instant now) {
  if (!since_) since_ = now;
  if (may_pass && now - *since_ < passes_within) return false;
  const bool is_new = why != told_;
  if (!told_.empty() && now - at_ < (is_new ? pause : again_after)) return false;
  told_ = why;
  at_ = now;
  return true;
}

Result<BrokerEndpoint> Dialer::endpoint_of(const Image& image, NodeId node) const {
  const auto broker = image.brokers.find(node);
  if (broker != image.brokers.end()) {
    const BrokerEndpoint* named = broker->second.endpoint(options_.listener);
    if (named != nullptr && named->for_brokers) return *named;
    const BrokerEndpoint* first = broker->second.endpoint_for_brokers();
    if (first != nullptr) return *first;
  }
  return fail("broker " + std::to_string(node) + " has no listener for brokers");
}

// Where nobody proves who he is, nothing but the line can be wrong.
void Dialer::note_failure(NodeId node, const BrokerEndpoint& endpoint, const Error& error) {
  const auto& security = options_.connection.security;
  if (!security.tls && !security.log_in) return;
  DialTrouble& trouble = troubles_[node];
  // By TLS 1.3 who is refused hears of it by a cut line as often as by a word.
  const bool is_cut =
      error.kind == Error::Kind::closed ||
      (error.kind == Error::Kind::io && (error.code == ECONNRESET || error.code == EPIPE));
  const bool is_absent =
      error.kind == Error::Kind::timeout || (error.kind == Error::Kind::io && !is_cut);
  if (is_absent) return trouble.interrupted();
  if (!trouble.is_due(error.text, is_cut, env_.main_loop().now())) return;
  log_.error("broker={} listener={} cannot be spoken to: {}; {}", node, endpoint.listener,
             error.text, remedy(error));
}

io::Task<Result<std::unique_ptr<client::Connection>>> Dialer::dial(
    io::Gate& gate, std::shared_ptr<const Image> image, NodeId node, io::Instant deadline) {
  auto endpoint = endpoint_of(*image, node);
  if (!endpoint) co_return fail(endpoint.error());
  const io::Instant until = std::min(deadline, env_.main_loop().now() + dial_timeout);
  auto opened =
      co_await client::Connection::open(env_, gate, endpoint->address, options_.connection, until);
  if (opened) {
    troubles_[node].ended();
  } else if (!gate.closing()) {
    note_failure(node, *endpoint, opened.error());
  }
  co_return opened;
}

}  // namespace isthmus::broker
