#include "broker/colleagues/colleagues.h"

#include "base/check.h"

namespace isthmus::broker {

namespace {

// Under another start, or at another address, it is not who was dialled.
bool is_same(const BrokerImage& a, const BrokerImage& b) {
  return a.starts == b.starts && a.endpoints == b.endpoints;
}

}  // namespace

Colleagues::Colleagues(io::Env& env, NodeId self, Dialer& dialer)
    : env_(env), self_(self), dialer_(dialer), gate_(env.main_loop()) {}

Colleagues::~Colleagues() = default;

Error Colleagues::named(NodeId node, Error error) {
  error.text = "broker " + std::to_string(node) + ": " + error.text;
  return error;
}

bool Colleagues::is_usable(const Line& line) { return line && !line->closed() && line->is_fresh(); }

void Colleagues::follow(std::shared_ptr<const Image> image) {
  image_ = std::move(image);
  for (auto& [node, colleague] : colleagues_) {
    const auto now = image_->brokers.find(node);
    const bool stays = now != image_->brokers.end() && is_same(now->second, colleague->as_dialled);
    if (stays || !colleague->line) continue;
    colleague->line->close();
    colleague->line.reset();
  }
}

Result<Colleagues::Colleague*> Colleagues::colleague(NodeId node) {
  CHECK(node != self_, "a broker asks itself");
  if (closing_) return fail(Error::closed("this broker stops"));
  // So there are no more of them than brokers in the cluster.
  if (!image_->brokers.contains(node)) return fail("no such broker in this cluster");
  auto& colleague = colleagues_[node];
  if (!colleague) colleague = std::make_unique<Colleague>(env_.main_loop());
  if (colleague->asked.running() >= most_asked) {
    return fail("too much is asked of it already");
  }
  return colleague.get();
}

io::Task<Result<Colleagues::Line>> Colleagues::line_to(NodeId node, Colleague& colleague,
                                                       io::Instant deadline) {
  const auto dialling = co_await colleague.dialling.lock();
  if (closing_) co_return fail(Error::closed("this broker stops"));
  if (is_usable(colleague.line)) co_return colleague.line;
  const auto image = image_;
  auto opened = co_await dialer_.dial(gate_, image, node, deadline);
  if (!opened) co_return fail(opened.error());
  if (closing_) {
    (*opened)->close();
    co_return fail(Error::closed("this broker stops"));
  }
  const auto broker = image->brokers.find(node);
  colleague.as_dialled = broker->second;
  colleague.line = std::move(*opened);
  co_return colleague.line;
}

io::Task<void> Colleagues::close() {
  closing_ = true;
  for (auto& [node, colleague] : colleagues_) {
    if (colleague->line) colleague->line->close();
  }
  for (auto& [node, colleague] : colleagues_) co_await colleague->asked.ended();
  co_await gate_.close();
}

}  // namespace isthmus::broker
